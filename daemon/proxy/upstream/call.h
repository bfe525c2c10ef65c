/*
 * One request on its way, as pool, conn and h2_conn see it. Private to the room.
 */
#ifndef CENTION_PROXY_UPSTREAM_CALL_H
#define CENTION_PROXY_UPSTREAM_CALL_H

#include "proxy/h2/h2_session.h"
#include "proxy/upstream/upstream.h"

struct conn;
struct h2_conn;

struct upstream_call {
    struct upstream *upstream;
    const struct upstream_events *events;
    void *arg;
    struct buf request; /* secret; what is still to be written */
    enum wire_sent sent;
    struct conn *conn;       /* the one that carries it in HTTP/1.1, or */
    struct h2_conn *h2_conn; /* in HTTP/2; both NULL while it waits for one */
    bool paused;
    unsigned tries;  /* connections that turned out dead before a byte was written */
    uint64_t queued; /* monotonic microseconds */
    uint64_t user;   /* who asks: they take turns in the queue */
    uint64_t round;  /* as call_queue */
    struct upstream_call *next, *prev; /* in the queue, or in one of its h2_conn's rings */
    /* In HTTP/2 only: */
    struct h2_stream stream;
    struct buf body;   /* came while it was paused */
    bool ended;        /* and so did the answer's end */
    bool headed;       /* the answer's head was handed on */
    uint64_t deadline; /* monotonic microseconds; while it isn't paused */
};

/* Gives it back, with its bytes wiped; it is in no ring. */
void upstream_call_free(struct upstream_call *call);

/* Rings of calls: an anchor, of which only next and prev are used. A call is in one at most. */
void call_ring_init(struct upstream_call *ring);
void call_ring_add(struct upstream_call *ring, struct upstream_call *call); /* at the end */
void call_ring_add_first(struct upstream_call *ring, struct upstream_call *call);
void call_ring_leave(struct upstream_call *call);
struct upstream_call *call_ring_first(const struct upstream_call *ring); /* NULL: empty */

/*
 * The request in parts, for HTTP/2: method, target and fields of *head are set, names are made
 * lower case. The slices are the request's. False when it is no HTTP/1.1 request.
 */
bool call_parts(struct upstream_call *call, struct http_head *head, struct slice *body);

#endif
