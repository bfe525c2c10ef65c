/*
 * The requests of an audit log that have an intent and no outcome yet: what stays in memory while
 * a log of any length is read. Kept in a balanced tree (tsearch(3)) and not in a hash: clients
 * choose request ids, and a tree has no bad case to aim at.
 */
#ifndef CENTION_AUDIT_REQUESTS_H
#define CENTION_AUDIT_REQUESTS_H

#include "base/slice.h"

#include <stdint.h>

struct requests {
    uint64_t n; /* open now; one id may be open several times */
    void *tree;
};

void requests_deinit(struct requests *r); /* a zeroed one is allowed */

int requests_open(struct requests *r, struct slice id) MUST_CHECK;
/* 1 when it was open, 0 when not, -ENOMEM. */
int requests_close(struct requests *r, struct slice id) MUST_CHECK;

/* Calls for each, in the order of their ids. Stops at a negative result and returns it, else 0. */
int requests_each(const struct requests *r, int (*each)(void *arg, struct slice id),
                  void *arg) MUST_CHECK;

#endif
