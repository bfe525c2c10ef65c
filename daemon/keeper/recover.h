/*
 * What the newest audit segment tells when a keeper starts: that every record in it is whole and
 * in sequence, where the next one goes, how much of a torn last line a crash left, and which
 * requests were signed but never got an outcome.
 */
#ifndef CENTION_KEEPER_RECOVER_H
#define CENTION_KEEPER_RECOVER_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct recover {
    uint64_t next_seq;
    uint64_t good; /* bytes of whole records at the start of the file */
    uint64_t torn; /* bytes behind them that are no whole line */
    uint64_t orphans;
    void *ids; /* tree of the requests without outcome */
};

void recover_deinit(struct recover *r); /* of a zeroed one is fine */

/*
 * Reads the segment from its start; its first record must be `first_seq`. `name` is for messages.
 * 0; -EBADMSG with file, line and byte offset in err when a line before the torn tail is damaged;
 * -ENOMEM or what read(2) says. Fills a zeroed *out; deinit it in every case.
 */
int recover_scan(struct recover *out, int fd, const char *name, uint64_t first_seq, struct err *err)
    __attribute__((warn_unused_result));

/*
 * Appends the torn tail of `segment` to `<segment>.torn` in the same directory, makes it durable,
 * and only then cuts it off. A crash in between leaves it in both. -errno with err filled.
 */
int recover_cut(const struct recover *r, int directory, int fd, const char *segment,
                struct err *err) __attribute__((warn_unused_result));

/* Calls for every signed request without outcome, once for each. Stops at a negative result. */
int recover_each(const struct recover *r, int (*each)(void *arg, struct slice request_id),
                 void *arg) __attribute__((warn_unused_result));

#endif
