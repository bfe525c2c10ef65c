/*
 * A connection with many calls over a socket pair that keeps each write apart (SOCK_SEQPACKET), so
 * that what left in one write is seen; the test plays the peer.
 */
#ifndef CENTION_TESTS_UNIT_PROXY_UPSTREAM_H2_CONN_FIXTURE_H
#define CENTION_TESTS_UNIT_PROXY_UPSTREAM_H2_CONN_FIXTURE_H

#include "base/buf.h"
#include "proxy/upstream/h2_conn.h"

enum {
    CALLS = 1000,
    TIMEOUT = 400000, /* us: a busy machine may keep a test waiting for 100000 */
    FAR = 10000000,
};

struct one {
    struct world *world;
    struct upstream_call *call; /* NULL: it ended */
    unsigned heads, ends, status;
    int failed; /* enum upstream_failure + 1 */
    enum wire_sent sent;
    char why[256];
    size_t body_len;
    enum { NOTHING, PAUSE_IN_HEAD, PAUSE_IN_BODY, DROP_IN_HEAD, FREE_IN_HEAD, FREE_IN_END } act;
};

struct world {
    struct loop *loop;
    int peer;
    struct h2_conn *h2_conn;
    struct upstream_call queue; /* ring */
    struct one all[CALLS];
    struct loop_hook serve;
    unsigned n, nexts, lands, gones, welled;
    bool opened, all_pause;
    char why[256];
    struct buf in, sent;
    unsigned writes;
};

/* The peer's settings are here: it allows 100 calls, or that many, and no time is short. */
struct world *begin(void);
struct world *begin_with(uint64_t response_us, uint64_t idle_us, uint32_t streams);
/* The peer has said nothing yet. */
struct world *open_only(uint64_t opening_us, uint64_t response_us, uint64_t idle_us);
void finish(struct world *w);

/* Lets the loop run for that long, in microseconds. */
void run(struct world *w, uint64_t us);
/* The peer says what is in w->in, and hears the answer to it. */
void say(struct world *w);
/* The peer takes what is there, write by write, into w->sent. False when the other end is closed.
 */
bool hear(struct world *w);
void hang_up(struct world *w);
/* Puts the answer to call i into w->in. */
void answer(struct world *w, unsigned i, const char *body);

struct one *queue_call(struct world *w, size_t body_len);
/* Queues that many and lets them go out. */
void calls(struct world *w, unsigned n, size_t body_len);
void drop(struct one *o);
void free_h2_conn(struct world *w);

#endif
