/*
 * Everything that proxy.conf decides and a reload can change, as one counted whole: a request
 * finishes on the setup it began with. Each worker has one of its own; settings and the API
 * description, which nobody changes, are the same for all.
 */
#ifndef CENTION_PROXY_SETUP_H
#define CENTION_PROXY_SETUP_H

#include "api/api.h"
#include "proxy/proxy_conf.h"
#include "proxy/upstream/upstream.h"

struct setup_common;

struct setup {
    unsigned refs; /* of this worker's thread */
    struct loop *loop;
    struct loop_hook last; /* frees it, at the end of the turn that dropped the last reference */
    struct setup_common *common;
    struct proxy_conf conf; /* the common one's, with this worker's part of what is shared out */
    struct api *api;        /* the common one's */
    struct upstream *upstream;
};

/*
 * Reads and checks everything that `path` names; changes nothing yet. *out has one reference. For
 * the first of its conf.workers, unless `workers` (not 0) says how many there are.
 */
int setup_load(struct setup **out, struct loop *loop, const char *path, unsigned workers,
               struct err *err) MUST_CHECK;

/* The same for the worker `number`, in its thread. `first` is only read, and what never changes. */
int setup_share(struct setup **out, const struct setup *first, struct loop *loop, unsigned number,
                struct err *err) MUST_CHECK;

/* Worker `number`'s part of what all of them together may have; the parts add up to it. */
unsigned setup_part(unsigned all, unsigned number, unsigned workers);

/* How many connections to the upstream all its workers together may have. */
unsigned setup_upstream_connections(const struct setup *setup);

struct setup *setup_ref(struct setup *setup);
/* Frees it at the end of the turn: the call may come from within its upstream. NULL is allowed. */
void setup_unref(struct setup *setup);

#endif
