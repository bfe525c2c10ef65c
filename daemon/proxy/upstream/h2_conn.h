/*
 * One connection to the upstream that carries many calls at a time, in HTTP/2. Calls are taken from
 * the owner at the end of the loop's turn, all that there are, after a look at what the peer has
 * sent; their frames leave in one write. A call is taken only when its frames are written next, so
 * there is nothing to hand back: until then it waits at the owner's, from then on it is never sent
 * again.
 *
 *   OPENING --the peer's settings--> OPEN --GOAWAY, silence, age--> DRAINING --last call--> DEAD
 *
 * May be closed in any state. LANDED: the socket is closed, complete answers are not yet consumed
 * (their calls are paused). DEAD: nothing is left; the memory stays until the end of the turn.
 */
#ifndef CENTION_PROXY_UPSTREAM_H2_CONN_H
#define CENTION_PROXY_UPSTREAM_H2_CONN_H

#include "proxy/tls/stream.h"
#include "proxy/upstream/call.h"

struct h2_conn;

struct h2_conn_owner {
    /* The next waiting call, which is the owner's no longer; NULL when there is none. */
    struct upstream_call *(*next)(void *arg, struct h2_conn *h2_conn);
    /* It may have room for calls, or has none any more. */
    void (*changed)(void *arg, struct h2_conn *h2_conn);
    /* It is closed, and LANDED: no connection any more, but h2_conn_free still ends its calls. */
    void (*landed)(void *arg, struct h2_conn *h2_conn);
    /* It is gone: forget it. `opened`: it once was ready for calls; else `why` says what failed. */
    void (*gone)(void *arg, struct h2_conn *h2_conn, bool opened, const char *why);
    /* The call ended, well (before events->end) or not (before events->failed). */
    void (*ended)(void *arg, struct upstream_call *call, bool well);
    void *arg;
};

struct h2_conn_limits {
    uint64_t open_timeout_us; /* until the peer's settings are here */
    uint64_t response_timeout_us;
    uint64_t idle_timeout_us;
    size_t head_bytes;
};

/* Takes the stream over (closed on failure too). -ENOMEM. */
int h2_conn_new(struct h2_conn **out, struct loop *loop, struct stream stream,
                const struct h2_conn_limits *limits, const struct h2_conn_owner *owner) MUST_CHECK;

/* Closes it, tells the owner that it is gone, and frees its calls without a word to them. */
void h2_conn_free(struct h2_conn *m);

/* How many calls it would take now; 0 while it opens, when it is full, and when it leaves. */
unsigned h2_conn_room(const struct h2_conn *m);
/* How many it takes at a time, as far as is known. */
unsigned h2_conn_streams(const struct h2_conn *m);
bool h2_conn_opening(const struct h2_conn *m); /* also while the peer allows no call at all */
unsigned h2_conn_calls(const struct h2_conn *m);
bool h2_conn_used(const struct h2_conn *m);   /* it carried a call before */
bool h2_conn_landed(const struct h2_conn *m); /* it was, before it was gone */

/* Calls wait: takes them at the end of the turn, at most as many as this says. */
unsigned h2_conn_wake(struct h2_conn *m);
/* Takes no more calls, and ends with the last of them: at once if there is none. */
void h2_conn_drain(struct h2_conn *m);

/* After call->paused changed. */
void h2_conn_update(struct upstream_call *call);
/* The call is to hear nothing more; it is the caller's again. */
void h2_conn_drop_call(struct upstream_call *call);
enum wire_sent h2_conn_sent(const struct upstream_call *call);

/* The pool's ring. */
struct h2_conn_link {
    struct h2_conn *h2_conn;
    struct h2_conn_link *next, *prev;
};
struct h2_conn_link *h2_conn_link(struct h2_conn *m);

#endif
