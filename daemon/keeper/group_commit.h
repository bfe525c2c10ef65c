/*
 * When a batch is committed. A sync costs the same for one record as for hundreds, so where others
 * are about to add theirs it is worth a look: the processor is offered to them once, and as long as
 * that brings more, again, but never long. Who waits alone waits for nobody.
 */
#ifndef CENTION_KEEPER_GROUP_COMMIT_H
#define CENTION_KEEPER_GROUP_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    GATHER_LOOKS = 16,   /* at most, for one batch */
    GATHER_ENOUGH = 256, /* answers */
    GATHER_US = 1000,    /* from the first look */
};

/* Zeroed for each batch. */
struct gather {
    unsigned looks;
    size_t seen;
    uint64_t since;
};

/*
 * Whether to look for more messages before the batch is committed: `waiting` answers wait for it,
 * `others` requests are under way beside them, `now` is in monotonic microseconds.
 */
bool gather_more(struct gather *gather, size_t waiting, size_t others, uint64_t now);

#endif
