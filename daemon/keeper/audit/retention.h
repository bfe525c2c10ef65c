/*
 * What becomes of finished segments: compressed, if that is wanted, and retired when there are too
 * many, too old or too large ones. All of it in small pieces, between the turns of the loop; none
 * of it can fail the log: what goes wrong is logged and tried again later.
 *
 *   IDLE --look--> PACKING one segment --> IDLE (and looks again)
 *              \-> RETIRING the oldest --/
 */
#ifndef CENTION_KEEPER_AUDIT_RETENTION_H
#define CENTION_KEEPER_AUDIT_RETENTION_H

#include "audit/segments.h"
#include "keeper/audit/ledger.h"
#include "keeper/audit/retired_chain.h"

struct archive_options {
    bool compress;
    uint64_t keep_segments; /* at most so many, the live one included; 0: any number */
    uint64_t keep_age_us;   /* none whose last record is older; 0: any age */
    uint64_t keep_bytes;    /* of all segments as they lie on the disk; 0: any size */
};

bool archive_same(const struct archive_options *x, const struct archive_options *y);

enum archive_state {
    ARCHIVE_IDLE,
    ARCHIVE_PACKING,
    ARCHIVE_RETIRING,
};

struct archive {
    struct archive_options options;
    int directory;    /* not owned */
    const char *path; /* of the directory, for messages */
    enum archive_state state;
    uint64_t look_at; /* loop_now() when to look for work again; UINT64_MAX: not by the clock */
    uint64_t first;   /* of the segment being worked on */
    bool packed;
    bool waits;         /* some have to go, but are not covered by receipts: it was logged */
    uint64_t last;      /* the last seq of the one being retired */
    const char *reason; /* why it is retired */
    int from, to;
    struct packer *packer;
    struct segment_reader reader;
    struct proof proof;
    struct line end; /* only seq, type and hash: of the last line read */
};

void archive_init(struct archive *a, const struct archive_options *options, int directory,
                  const char *path);
void archive_deinit(struct archive *a);

/* There may be work now: a start, or a segment that was finished. */
void archive_wake(struct archive *a);

/* Microseconds until archive_step has something to do; UINT64_MAX: nothing to wait for. */
uint64_t archive_due(const struct archive *a);

/*
 * Does one piece. `live` is the first seq of the live segment; records from `oldest_open` on may
 * still be needed, and those beyond `covered` have no receipt yet (UINT64_MAX: none is waited for):
 * no segment that holds one of either is retired. Retiring adds a `retired` record to the ledger
 * and commits it. 0, or -EIO when the ledger failed.
 */
int archive_step(struct archive *a, struct ledger *ledger, uint64_t live, uint64_t oldest_open,
                 uint64_t covered) __attribute__((warn_unused_result));

#endif
