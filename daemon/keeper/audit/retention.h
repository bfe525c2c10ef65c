/*
 * Compresses finished segments, and retires (removes) the oldest ones by number, age or size. It
 * works in small steps between the turns of the loop. A failure here never fails the log: it is
 * logged and tried again later.
 *
 *   IDLE --look--> PACKING one segment --> IDLE (and looks again)
 *              \-> RETIRING the oldest --/
 */
#ifndef CENTION_KEEPER_AUDIT_RETENTION_H
#define CENTION_KEEPER_AUDIT_RETENTION_H

#include "audit/line.h"
#include "audit/segments.h"
#include "keeper/audit/ledger.h"

struct retention_options {
    bool compress;
    uint64_t keep_segments; /* at most so many, the active one included; 0: any number */
    uint64_t keep_age_us;   /* none whose last record is older; 0: any age */
    uint64_t keep_bytes;    /* of all segments as they lie on the disk; 0: any size */
};

bool retention_same(const struct retention_options *x, const struct retention_options *y);

enum retention_state {
    RETENTION_IDLE,
    RETENTION_PACKING,
    RETENTION_RETIRING,
};

/*
 * What stays of retired segments: `audit-retired.jsonl` holds the header of the log's first segment
 * and every `epoch` record of segments that are gone, as they were. With it the keys, and the hash
 * before the oldest segment that is left, are still proved by the log's identity
 * (doc/audit-format.md).
 */

struct retired_chain {
    int fd;            /* -1: not open */
    uint64_t last_seq; /* of the last record in it; 0: none */
};

struct retention {
    struct retention_options options;
    int directory;    /* not owned */
    const char *path; /* of the directory, for messages */
    enum retention_state state;
    uint64_t look_at; /* loop_now() when to look for work again; UINT64_MAX: not by the clock */
    uint64_t first;   /* of the segment being worked on */
    bool packed;
    bool waits;         /* some have to go, but are not covered by receipts: it was logged */
    uint64_t last;      /* the last seq of the one being retired */
    const char *reason; /* why it is retired */
    int from, to;
    struct compressor *compressor;
    struct segment_reader reader;
    struct retired_chain chain;
    struct line end; /* only seq, type and hash: of the last line read */
};

void retention_init(struct retention *a, const struct retention_options *options, int directory,
                    const char *path);
void retention_deinit(struct retention *a);

/* There may be work now: a start, or a segment that was finished. */
void retention_wake(struct retention *a);

/* Microseconds until retention_step has something to do; UINT64_MAX: nothing to wait for. */
uint64_t retention_due(const struct retention *a);

/*
 * Does one piece. `active` is the first seq of the active segment; records from `oldest_open` on
 * may still be needed, and those beyond `covered` have no receipt yet (UINT64_MAX: none is waited
 * for): no segment that holds one of either is retired. Retiring adds a `retired` record to the
 * ledger and commits it. 0, or -EIO when the ledger failed.
 */
int retention_step(struct retention *a, struct ledger *ledger, uint64_t active,
                   uint64_t oldest_open, uint64_t covered) MUST_CHECK;

#endif
