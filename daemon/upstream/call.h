/*
 * One request on its way, as pool and conn see it. Private to the room.
 */
#ifndef CENTION_UPSTREAM_CALL_H
#define CENTION_UPSTREAM_CALL_H

#include "upstream/upstream.h"

struct conn;

struct upstream_call {
    struct upstream *upstream;
    const struct upstream_events *events;
    void *arg;
    struct buf request; /* secret; what is still to be written */
    enum wire_sent sent;
    struct conn *conn; /* NULL while it waits for one */
    bool paused;
    unsigned tries;  /* connections that turned out dead before a byte was written */
    uint64_t queued; /* monotonic microseconds */
    struct upstream_call *next, *prev; /* in the queue */
};

#endif
