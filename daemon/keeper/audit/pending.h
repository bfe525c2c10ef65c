/*
 * The requests of one link that were signed and still owe their outcome, by the id that the proxy
 * chose for each.
 */
#ifndef CENTION_KEEPER_AUDIT_PENDING_H
#define CENTION_KEEPER_AUDIT_PENDING_H

#include "base/request.h"

#include <stdint.h>

struct pending {
    void *root; /* tree */
    size_t n;
};

struct pending_request {
    uint64_t id;
    uint64_t seq;                          /* of the intent's record; 0 until the caller sets it */
    bool answered;                         /* the proxy was told that the intent is durable */
    struct slice request_id, method, path; /* held by the entry itself */
};

/* Forgets all; a zeroed one is allowed. */
void pending_deinit(struct pending *p);

/* Why no request with that id can be added, beside `max` of them; NULL when one can. */
const char *pending_refusal(const struct pending *p, uint64_t id, size_t max);

/*
 * -EEXIST when the id is there, -ENOBUFS when there are `max`, -ENOMEM. Copies what it needs.
 * `*added` is the entry and stays valid, and where it is, until it is removed.
 */
int pending_add(struct pending *p, const struct sign_request *sign, size_t max,
                struct pending_request **added) MUST_CHECK;

/* NULL when there is none. */
struct pending_request *pending_find(const struct pending *p, uint64_t id);

/* Frees it. */
void pending_remove(struct pending *p, struct pending_request *request);

/* Calls for each in ascending order of ids. */
void pending_each(const struct pending *p,
                  void (*each)(void *arg, const struct pending_request *request), void *arg);

#endif
