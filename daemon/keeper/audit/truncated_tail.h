/*
 * Truncated ends of segments: what a crash left behind the last whole record is moved to a file of
 * its own, `<segment>.torn` (`<segment>.2.torn` and so on when there was one before), and a
 * `recovery` record names it. Until that record is durable the file is called `<that>.pending`,
 * so that a crash in between loses neither: the next start finds it and records it.
 */
#ifndef CENTION_KEEPER_AUDIT_TRUNCATED_TAIL_H
#define CENTION_KEEPER_AUDIT_TRUNCATED_TAIL_H

#include "audit/chain.h"
#include "base/err.h"

#include <stdint.h>

enum {
    TRUNCATED_TAIL_NAME = 80, /* bytes of a name, terminator included */
};

/*
 * Moves n bytes from `good` to the end of the segment's file (open for writing) to a new pending
 * file, durably, and cuts them off. 0 or -errno.
 */
int truncated_tail_set_aside(int directory, const char *segment, int fd, uint64_t good,
                             uint64_t n) MUST_CHECK;

struct truncated_tail {
    char segment[TRUNCATED_TAIL_NAME]; /* where it was cut off */
    char name[TRUNCATED_TAIL_NAME];    /* the file, once it is settled */
    uint64_t bytes;
    struct chain_hash sha256;
};

/* Calls for each pending file until one call returns not 0; that, 0, or -errno. */
int truncated_tail_each(int directory, int (*each)(void *arg, const struct truncated_tail *tail),
                        void *arg) MUST_CHECK;

/* All pending files are recorded: they get their names. 0 or -errno. */
int truncated_tail_settle(int directory) MUST_CHECK;

#endif
