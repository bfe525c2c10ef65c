/*
 * Logs as a keeper writes them, and a centre in memory that holds them, for tests that spoil it.
 */
#ifndef CENTION_TESTS_UNIT_CENTRAL_ARCHIVE_FIXTURE_H
#define CENTION_TESTS_UNIT_CENTRAL_ARCHIVE_FIXTURE_H

#include "central/archive.h"
#include "unit/unit.h"

enum {
    ROWS = 512,
    ALARMS = 4,
};

struct row {
    struct seal_key log;
    uint64_t epoch, seq, received_us;
    struct chain_hash hash;
    const char *host;
    char *line; /* owned */
};

struct fake {
    struct archive archive;
    struct row rows[ROWS]; /* of all logs; by log, seq and epoch once fake_sort was called */
    size_t n;
    struct archive_alarm alarms[ALARMS];
    size_t n_alarms;
    unsigned flood;    /* so many more, of two logs in turns that nobody has */
    bool has_empty;    /* the centre knows one more log, and has no record of it */
    const char *wrong; /* why nobody can ask for that log's records */
    int fail;          /* what reading records returns in the end */
};

/* A folder with a log in segments of 2 KiB: so many requests, then a stop or not. */
void made_log(char folder[64], unsigned requests, bool stop);
/* A keeper goes on with it. */
void made_more(const char *folder, unsigned requests, const char *id, bool stop);
void made_copy(const char *from, char to[64]);

/* Adds the folder's records, those that are there already not again, and sorts. */
void fake_load(struct fake *f, const char *folder, const char *host);
void fake_init(struct fake *f);
void fake_deinit(struct fake *f);
void fake_sort(struct fake *f);
void fake_delete(struct fake *f, size_t i);
/* A copy of a row behind it; what is changed in it is the caller's to do, and to sort. */
struct row *fake_double(struct fake *f, size_t i);

/* A centre that holds the log of one host, web1, in a folder of its own: so many requests and a
 * stop. */
void fake_begin(struct fake *f, char folder[64], unsigned requests);
void fake_end(struct fake *f, const char *folder); /* and the folder */

#endif
