/*
 * The requests of an audit log that have an intent and no outcome yet: what stays in memory while
 * a log of any length is read. Ids are the clients' own and may repeat: an outcome belongs to the
 * oldest open request of its id. Kept in the order of the log, and found by a balanced tree
 * (tsearch(3)) and not by a hash: a tree has no bad case to aim at.
 */
#ifndef CENTION_AUDIT_REQUESTS_H
#define CENTION_AUDIT_REQUESTS_H

#include "base/slice.h"

#include <stdint.h>

struct open_request {
    struct open_request *before, *after; /* in the log */
    struct open_request *same;           /* the next one of the same id */
    struct slice id;
    struct slice record; /* a copy of the intent; empty when nobody asks for it */
    bool wanted;         /* the caller's, as is: */
    bool has_text;
    uint64_t seq;
    char bytes[];
};

struct requests {
    uint64_t n; /* open now */
    struct open_request *first, *last;
    void *tree;
};

void requests_deinit(struct requests *p); /* a zeroed one is allowed */

/* Copies id and record. NULL when out of memory. */
struct open_request *requests_open(struct requests *p, struct slice id,
                                   struct slice record) MUST_CHECK;

/* Takes the oldest of that id out, to be freed with free(3). NULL when there is none. */
struct open_request *requests_close(struct requests *p, struct slice id) MUST_CHECK;

#endif
