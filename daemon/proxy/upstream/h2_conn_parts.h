/*
 * What the two halves of a connection with many calls share: multi.c (its life, its calls, its
 * times) and h2_conn_io.c (from bytes to frames and back). Nobody else includes it.
 */
#ifndef CENTION_PROXY_UPSTREAM_H2_CONN_PARTS_H
#define CENTION_PROXY_UPSTREAM_H2_CONN_PARTS_H

#include "http/http_parse.h"
#include "proxy/upstream/h2_conn.h"

/* Drawn in multi.h. */
enum h2_conn_state {
    H2_CONN_OPENING,
    H2_CONN_OPEN,
    H2_CONN_DRAINING,
    H2_CONN_LANDED,
    H2_CONN_DEAD,
};

struct h2_conn {
    struct loop *loop;
    struct stream stream;
    struct h2_conn_limits limits;
    struct h2_conn_owner owner;
    struct h2_conn_link link;
    enum h2_conn_state state;
    struct h2_session *session;
    struct buf out;                /* secret */
    uint64_t written;              /* bytes of the session that the stream took */
    struct upstream_call waiting;  /* ring, by deadline; only next and prev are used */
    struct upstream_call paused;   /* ring */
    struct upstream_call resumed;  /* ring; go on in this turn's end */
    struct upstream_call *telling; /* NULL when the callback that runs has ended its call */
    unsigned n_calls, n_requests;
    uint64_t born, heard; /* monotonic microseconds; when the last bytes came */
    struct event readable, writable;
    struct loop_hook work, bury;
    struct loop_timer timer, more;
    bool opened, landed, failed_write, idle;
    bool woken; /* calls wait at the owner, as far as is known */
};

/* ---- multi.c ---- */

/*
 * The one way it ends. What runs on it fails, but for calls whose whole answer is here; what waits
 * at the owner's does not.
 */
void h2_conn_die(struct h2_conn *m, const char *text);

/* There is no connection any more. */
static inline bool h2_conn_closed(const struct h2_conn *m)
{
    return m->state >= H2_CONN_LANDED;
}

/* Resets the call's stream, tells the owner and the call, and frees it. */
void h2_conn_fail_call(struct h2_conn *m, struct upstream_call *call, enum upstream_failure why,
                       const char *text);

/* ---- h2_conn_io.c ---- */

/*
 * Reads what is there. `to_the_end`: until the kernel says that there is no more, so that an end
 * that is here already is seen.
 */
void h2_conn_read(struct h2_conn *m, bool to_the_end);

/* Writes what the session has to say, and takes waiting calls as long as they go in. */
void h2_conn_write(struct h2_conn *m);

/* Writes what the session says at its end, if that takes no waiting. */
void h2_conn_last_words(struct h2_conn *m);

#endif
