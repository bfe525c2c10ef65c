/*
 * One connection to the upstream: carries one call at a time in HTTP/1.1, and tells its owner when
 * it can take another or is gone. The retry rule is decided here: a call is handed back only when
 * no byte of it reached the kernel.
 *
 *   IDLE --conn_carry--> HEAD --head--> BODY --end--> IDLE (or DEAD)
 *
 * A dead connection's memory stays until the end of the turn, so that a callback which ends a call
 * or its connection may return into this file.
 */
#ifndef CENTION_PROXY_UPSTREAM_CONN_H
#define CENTION_PROXY_UPSTREAM_CONN_H

#include "proxy/tls/stream.h"
#include "proxy/upstream/call.h"

struct conn_owner {
    /* The call ended well and the connection can take another. */
    void (*idle)(void *arg, struct conn *conn);
    /* It is gone: forget it. */
    void (*gone)(void *arg, struct conn *conn);
    /* Not a byte of the call reached this connection, which is gone. */
    void (*unsent)(void *arg, struct upstream_call *call);
    /* The call ended, well (before events->end) or not (before events->failed). */
    void (*ended)(void *arg, struct upstream_call *call, bool well);
    void *arg;
};

struct conn_limits {
    uint64_t response_timeout_us;
    uint64_t idle_timeout_us;
    size_t head_bytes;
};

/* Takes the stream over (closed on failure too). -ENOMEM. It begins idle. */
int conn_new(struct conn **out, struct loop *loop, struct stream stream,
             const struct conn_limits *limits, const struct conn_owner *owner) MUST_CHECK;

/* Closes it without a word to the call it carries or to the owner. NULL is allowed. */
void conn_free(struct conn *conn);

/* False when the peer has closed it or sent what it should not have: it is gone then. */
bool conn_clean(struct conn *conn);
bool conn_used(const struct conn *conn); /* it carried a call before */

/*
 * Starts a call on an idle connection and writes what the socket takes now, so that nothing comes
 * between conn_clean and the first byte. The call may be handed back or fail from within.
 */
void conn_carry(struct conn *conn, struct upstream_call *call);

/* After call->paused changed. */
void conn_update(struct conn *conn);

/* The call is to hear nothing more. */
void conn_drop_call(struct conn *conn);

/* The call that it carries, or NULL. */
struct upstream_call *conn_call(const struct conn *conn);

/* The pool's list. */
struct conn_link {
    struct conn *conn;
    struct conn_link *next, *prev;
    bool idle; /* which of the pool's rings it is in */
};
struct conn_link *conn_link(struct conn *conn);

#endif
