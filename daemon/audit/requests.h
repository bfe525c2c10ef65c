/*
 * The requests of an audit log that have an intent and no outcome yet: what stays in memory while
 * a log of any length is read. An outcome of format 2 says the seq of its intent. One of format 1
 * has the client's id only, which may repeat: it belongs to the oldest open request of its id.
 * Kept in the order of the log, and found by balanced trees (tsearch(3)) and not by a hash: a tree
 * has no bad case to aim at.
 */
#ifndef CENTION_AUDIT_REQUESTS_H
#define CENTION_AUDIT_REQUESTS_H

#include "base/slice.h"

#include <stdint.h>

struct open_request {
    struct open_request *before, *after;     /* in the log */
    struct open_request *same_before, *same; /* of the same id */
    uint64_t seq;                            /* of the intent */
    struct slice id;                         /* empty: its record was not seen */
    struct slice record; /* a copy of the intent; empty when nobody asks for it */
    bool wanted;         /* the caller's, as is: */
    bool has_text, of_object;
    char bytes[];
};

struct requests {
    uint64_t n;                        /* open now */
    struct open_request *first, *last; /* seqs ascending */
    void *ids, *seqs;                  /* trees */
};

void requests_deinit(struct requests *p); /* a zeroed one is allowed */

/* Copies id and record; takes the place of one of that seq. NULL when out of memory. */
struct open_request *requests_open(struct requests *p, uint64_t seq, struct slice id,
                                   struct slice record) MUST_CHECK;

/*
 * Takes out the request of that seq, or for seq 0 the oldest of that id, to be freed with free(3).
 * NULL when there is none.
 */
struct open_request *requests_close(struct requests *p, uint64_t seq, struct slice id) MUST_CHECK;

#endif
