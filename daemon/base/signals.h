/*
 * What a daemon does at SIGTERM and SIGINT (it ends) and at SIGHUP (it reads its settings again),
 * told on its loop. SIGPIPE is ignored: a write to a closed pipe or socket is an error return.
 */
#ifndef CENTION_BASE_SIGNALS_H
#define CENTION_BASE_SIGNALS_H

#include "base/loop.h"

struct signals {
    struct event *events[3];
};

/* Into a zeroed one. The functions get the signal's number as their first argument. -ENOMEM: then
 * some may be set; deinit it in every case. */
int signals_init(struct signals *s, struct loop *loop, event_callback_fn end,
                 event_callback_fn reload, void *arg) __attribute__((warn_unused_result));
/* From then on they are ignored. Before the loop goes; of a zeroed one is fine. */
void signals_deinit(struct signals *s);

#endif
