/*
 * What of the audit log waits for receipts: how many bytes, since when, and whether more has piled
 * up than may.
 *
 *   UNDER --something new would be added to more bytes than the quota--> OVER
 *   OVER --a look at the receipts finds less--> UNDER
 *
 * OVER: nothing new is taken, neither requests nor refusals; what is under way still ends, and the
 * keeper's own records are made. Counted are whole segments, as they lie on the disk, the active
 * one included: each that holds a record beyond what all receipts cover. Without receipts nothing
 * waits.
 */
#ifndef CENTION_KEEPER_AUDIT_BACKLOG_H
#define CENTION_KEEPER_AUDIT_BACKLOG_H

#include "keeper/audit/ledger.h"
#include "keeper/audit/receipts.h"

enum {
    BACKLOG_LOOK_US = 1000000, /* how often the receipts are looked at */
    BACKLOG_MOMENTS = 64,
    BACKLOG_REASON = 160,
};

/* By then the log's last record was this one. */
struct backlog_moment {
    uint64_t seq;
    uint64_t at; /* loop_now() */
};

struct backlog {
    struct receipts receipts;
    uint64_t quota; /* bytes; 0: any number may wait */
    int directory;  /* not owned */
    bool over;
    char reason[BACKLOG_REASON]; /* of OVER, for clients and monitors; "" when UNDER */
    uint64_t covered;            /* seq; UINT64_MAX: there is no receipt to wait for */
    uint64_t finished;           /* bytes of finished segments that wait */
    uint64_t next;               /* the last record of the oldest of them; UINT64_MAX: none does */
    bool stale;                  /* these two have to be found out again */
    uint64_t looked_at;          /* loop_now() */
    struct backlog_moment moments[BACKLOG_MOMENTS]; /* ascending, the older the farther apart */
    unsigned n_moments;
};

/* Borrows the paths; NULL is none. The first look is due at once. */
void backlog_init(struct backlog *b, const struct receipts_paths *paths, uint64_t quota,
                  int directory);

/* Microseconds until backlog_look has something to do; UINT64_MAX: never. */
uint64_t backlog_due(const struct backlog *b);

/*
 * Looks at the receipts, and goes OVER or UNDER. `active` is the first seq of the active segment.
 * True when a finished segment waits no more, so that it may be retired.
 */
bool backlog_look(struct backlog *b, const struct ledger *l, uint64_t active);

/* The segments are others: one was begun, compressed or retired. */
void backlog_segments(struct backlog *b, uint64_t active);

/* Whether something new may be added now. */
bool backlog_takes(struct backlog *b, const struct ledger *l);

/* Bytes that wait. */
uint64_t backlog_bytes(const struct backlog *b, const struct ledger *l);

/* How many records one of the sinks lacks. */
uint64_t backlog_records(const struct receipts_one *one, const struct ledger *l);

/*
 * How long the first of them has been there, microseconds; 0 when it lacks none. Of records from
 * before the keeper's start: as long as the receipt is old, or else since the start.
 */
uint64_t backlog_age(const struct backlog *b, const struct receipts_one *one,
                     const struct ledger *l);

#endif
