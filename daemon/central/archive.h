/*
 * Reading what hosts have shipped, for the tool: one interface for every kind of centre. Blocking,
 * read-only, in memory that doesn't grow with the logs. Records come as they arrived; nothing is
 * verified here (ctl's archive_verify does that). archive_open.h chooses the kind.
 */
#ifndef CENTION_CENTRAL_ARCHIVE_H
#define CENTION_CENTRAL_ARCHIVE_H

#include "audit/seal.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* A log that the centre knows. */
struct archive_log {
    struct seal_key log;
    const char *host;     /* the shipper's last word for it; may be "" */
    uint64_t records;     /* that are there; UINT64_MAX: not known without reading */
    uint64_t first, last; /* the lowest and the highest seq; 0: none; UINT64_MAX: as above */
    const char *wrong;    /* why its records can't be asked for (and `log` may be cut off behind */
                          /* its 16th digit, the rest zeros); NULL: they can */
};

/* One record as it is kept. The other members are what the centre says about the line. */
struct archive_record {
    uint64_t epoch, seq;
    struct chain_hash hash;
    const char *host;
    uint64_t received_us; /* since 1970, UTC, microseconds, by the centre's clock; 0: unknown */
    struct slice line;
    const char *wrong; /* why there is no line to read in this place; NULL: there is one */
};

/* An alarm that a shipper left as evidence (central/sink.h). */
struct archive_alarm {
    struct seal_key log;
    const char *host;
    const char *kind; /* "truncated", "rewritten", "conflict", "broken", "missing", "behind" */
    uint64_t here_epoch, here_seq, there_epoch, there_seq;
    struct chain_hash here, there;
    uint64_t received_us;
    const char *why;
};

struct archive;

/* What a kind of centre can do. Each callback returns 0, or a negative errno that ends the reading
 * and is returned; the centre can be read from again then, and reading on where it was left off
 * should not cost a reading of all. All arguments of a callback are valid during it only. */
struct archive_kind {
    const char *const *schemes; /* of URLs, NULL-terminated: "postgresql", "postgres" */
    /* `url` may hold a password: it is never shown. Negative with err filled. */
    int (*open)(struct archive **out, const char *url, struct err *err);
    void (*close)(struct archive *archive);
    int (*logs)(struct archive *archive, int (*each)(void *arg, const struct archive_log *log),
                void *arg, struct err *err);
    /* Those of one log from `first` on, in the order seq, epoch (in a stream: as they arrived). */
    int (*records)(struct archive *archive, const struct seal_key *log, uint64_t first,
                   int (*each)(void *arg, const struct archive_record *record), void *arg,
                   struct err *err);
    int (*alarms)(struct archive *archive,
                  int (*each)(void *arg, const struct archive_alarm *alarm), void *arg,
                  struct err *err);
    /*
     * The lines of the file that stays of retired segments (verify_retired), where the log has one.
     * NULL for a kind that holds every record: there a log has to begin with its first one.
     */
    int (*retired)(struct archive *archive, const struct seal_key *log,
                   int (*each)(void *arg, struct slice line), void *arg, struct err *err);
};

/* The first member of every kind's own structure. */
struct archive {
    const struct archive_kind *kind;
};

#endif
