/*
 * One log of a centre record by record, at the caller's pace: several logs can be read side by side
 * so. What is read ahead is bounded.
 */
#ifndef CENTION_CENTRAL_PAGES_H
#define CENTION_CENTRAL_PAGES_H

#include "base/buf.h"
#include "central/archive.h"

struct pages {
    struct archive *archive; /* not owned */
    struct seal_key log;
    size_t most; /* bytes to read ahead; one record may be longer */

    uint64_t first; /* of the next page; 0: there is none */
    uint64_t taken; /* the seq of the last record of the page; 0: none yet */
    struct buf bytes;
    bool full;
};

void pages_init(struct pages *p, struct archive *archive, const struct seal_key *log, size_t most);
void pages_deinit(struct pages *p); /* a zeroed one is allowed */

/*
 * 1: the next record, valid until the next call; 0: there is none. A record whose seq is lower than
 * that of one before it is skipped. Negative with err filled.
 */
int pages_next(struct pages *p, struct archive_record *out, struct err *err) MUST_CHECK;

#endif
