/*
 * Everything that proxy.conf decides and a reload can change, as one counted whole: a request
 * finishes on the setup it began with.
 */
#ifndef CENTION_EXCHANGE_SETUP_H
#define CENTION_EXCHANGE_SETUP_H

#include "message/api.h"
#include "proxy_conf.h"
#include "upstream/upstream.h"

struct setup {
    unsigned refs;
    struct loop *loop;
    struct loop_hook last; /* frees it, at the end of the turn that dropped the last reference */
    struct proxy_conf conf;
    struct api *api;
    struct upstream *upstream;
};

/* Reads and checks everything that `path` names; changes nothing yet. *out has one reference. */
int setup_load(struct setup **out, struct loop *loop, const char *path, struct err *err)
    __attribute__((warn_unused_result));

struct setup *setup_ref(struct setup *setup);
/* Frees it at the end of the turn: the call may come from within its upstream. NULL is fine. */
void setup_unref(struct setup *setup);

#endif
