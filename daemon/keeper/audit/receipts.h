/*
 * The receipts that the keeper waits for before it removes anything: how far each of the sinks that
 * keeper.conf names has this log (audit/receipt.h). A file that is missing, no regular one, no
 * receipt, of another log or of records that this log doesn't have covers nothing. What a file said
 * is judged once, when it is read; it stays as judged until the file changes.
 */
#ifndef CENTION_KEEPER_AUDIT_RECEIPTS_H
#define CENTION_KEEPER_AUDIT_RECEIPTS_H

#include "audit/receipt.h"

#include <limits.h>
#include <sys/stat.h>

enum {
    RECEIPTS_MAX = 8, /* of one keeper */
    RECEIPTS_WHY = 192,
};

struct receipts_paths {
    char *list[RECEIPTS_MAX]; /* owned */
    unsigned n;
};

/*
 * Adds a copy. NULL; or a sentence why it can't be: it is not named NAME.receipt, another one has
 * the same NAME, there are too many, or there is no memory.
 */
const char *receipts_paths_add(struct receipts_paths *paths, const char *path) MUST_CHECK;
bool receipts_paths_same(const struct receipts_paths *x, const struct receipts_paths *y);
void receipts_paths_deinit(struct receipts_paths *paths); /* a zeroed one is allowed */

/* The log that they have to be of, as it is now. */
struct receipts_log {
    struct seal_key identity;
    uint64_t seq; /* of the last record */
    struct chain_hash hash;
};

struct receipts_one {
    const char *path; /* borrowed */
    char name[RECEIPT_NAME + 1];
    uint64_t seq;           /* what it covers; 0: nothing */
    uint64_t time_us;       /* when it was written, as it says; 0 when it covers nothing */
    char why[RECEIPTS_WHY]; /* it covers nothing; "" while it does */
    struct stat was;        /* of the file as it was read last; zeroes: there was none */
    bool fresh;             /* it was so new then that it may have changed unseen since */
    struct receipt bad;     /* the last one that was judged bad; the same stays bad, */
    const char *bad_why;    /* for this reason; NULL: there was none */
};

struct receipts {
    struct receipts_one list[RECEIPTS_MAX];
    unsigned n;
};

/* None is read yet: all cover nothing. Borrows the paths; NULL is none. */
void receipts_init(struct receipts *r, const struct receipts_paths *paths);

/*
 * Looks at each file and reads those that changed; never waits for anything but the disk. Logs once
 * what changed from good to bad and back. `now_us` is the host's clock, since 1970.
 */
void receipts_look(struct receipts *r, const struct receipts_log *log, uint64_t now_us);

/* The seq up to which all of them have the log; UINT64_MAX when there is none to wait for. */
uint64_t receipts_covered(const struct receipts *r);

/* The one that is the furthest behind; NULL when there is none. */
const struct receipts_one *receipts_last(const struct receipts *r);

#endif
