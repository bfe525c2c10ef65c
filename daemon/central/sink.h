/*
 * Where audit records go: one interface for every kind of centre. The shipper (shipper.h) hands a
 * sink batches of records that are durable here, in order, and the sink reports up to which record
 * the centre has made them durable there. A sink connects, and connects again, by itself; nothing
 * in it blocks the loop. What a centre holds is never overwritten: a different record at the place
 * of one that is shipped is reported as a conflict.
 *
 *   DOWN --ready(head)--> UP --ship, acknowledged ...--> UP
 *     ^------lost(why)----/
 *
 * `ready` names the last record of this log that the centre has; the shipper goes on behind it, so
 * nothing that the sink remembers from before is needed. After `lost` every batch that was not
 * acknowledged is forgotten by the sink; the shipper reads it again.
 */
#ifndef CENTION_CENTRAL_SINK_H
#define CENTION_CENTRAL_SINK_H

#include "audit/seal.h"
#include "base/loop.h"
#include "base/slice.h"

/* One record's place in a log: what the centre is keyed by, and the hash that must be there. */
struct ship_place {
    uint64_t epoch, seq; /* seq 0: before the first record; epoch and hash are zeros then */
    struct chain_hash hash;
};

struct ship_record {
    struct ship_place place;
    struct slice line; /* the record's bytes, without its newline */
};

/* Records of one log, their numbers ascending by one. All belongs to the shipper. */
struct ship_batch {
    const struct ship_record *records;
    size_t n; /* 1 to SHIP_BATCH_RECORDS */
    size_t bytes;
};

enum {
    SHIP_BATCH_RECORDS = 1000,
    SHIP_BATCH_BYTES =
        1024 * 1024, /* a batch is closed when it has so many; one record may be longer */
    SHIP_WHY = 256,
};

/* What goes wrong with a log as this host sees it; sent to the centre, which keeps it as evidence.
 */
enum ship_alarm_kind {
    SHIP_TRUNCATED, /* the local log ends before the centre's last record of it */
    SHIP_REWRITTEN, /* another record stands in the local log at the place of the centre's last */
    SHIP_CONFLICT,  /* the centre has another record at the place of one that was shipped */
    SHIP_BROKEN,    /* the local log's chain is broken behind the last record shipped */
    SHIP_MISSING,   /* local segments that were never shipped are gone */
    SHIP_BEHIND,    /* the centre has lost records that it had acknowledged; they are sent again */
};

struct ship_alarm {
    enum ship_alarm_kind kind;
    struct ship_place here;  /* the local record, or the local log's last one */
    struct ship_place there; /* the centre's */
    const char *why;         /* a sentence */
};

/* "truncated" and so on. */
const char *ship_alarm_name(enum ship_alarm_kind kind);

/* What a sink reports to the shipper, always from the loop and never from within a call to the
 * sink. */
struct sink_events {
    /* Connected and checked: the last record of this log at the centre. */
    void (*ready)(void *arg, const struct ship_place *head);
    /* Every record up to `seq` is durable at the centre. */
    void (*acknowledged)(void *arg, uint64_t seq);
    /* The centre has another record at the place of *here. Nothing behind it was taken. */
    void (*conflict)(void *arg, const struct ship_place *here, const struct ship_place *there);
    /* Not connected any more, or not able to: why, a sentence without a secret. Called once for
     * each attempt that fails. */
    void (*lost)(void *arg, const char *why);
};

struct sink;

/* A kind of sink. Each has an opener of its own, which takes its settings. */
struct sink_kind {
    const char *name; /* "postgresql", "nats" */
    /*
     * Begins to connect, for this log, shipped by this host (a name, not trusted for anything).
     * Called once, before anything else; `host`, `events` and `arg` stay valid until free.
     */
    int (*start)(struct sink *sink, struct loop *loop, const struct seal_key *log, const char *host,
                 const struct sink_events *events, void *arg);
    /*
     * Takes a batch; what it needs later it copies or sends before it returns. Called only while
     * UP, and with at most `window` batches not yet acknowledged. 0; -ENOMEM: called again later.
     */
    int (*ship)(struct sink *sink, const struct ship_batch *batch);
    /* Keeps an alarm at the centre, once for each (kind, here, there); lost when not UP. */
    int (*alarm)(struct sink *sink, const struct ship_alarm *alarm);
    void (*free)(struct sink *sink); /* closes at once; no event after it */
    unsigned window;
};

/* The first member of every sink's own structure. */
struct sink {
    const struct sink_kind *kind;
};

#endif
