/*
 * A connection to an upstream over a socket pair, whose other end the test plays.
 */
#ifndef CENTION_TESTS_UNIT_PROXY_UPSTREAM_CONN_FIXTURE_H
#define CENTION_TESTS_UNIT_PROXY_UPSTREAM_CONN_FIXTURE_H

#include "proxy/upstream/conn.h"
#include "unit/unit.h"

extern const char REQUEST[];

struct world {
    struct loop *loop;
    int peer;
    struct conn *conn;
    struct upstream_call *call;
    unsigned status, heads, ends, idles, gones, unsents;
    int failed; /* enum upstream_failure + 1 */
    enum wire_sent sent;
    char why[256];
    char body[1 << 16];
    size_t body_len, body_total;
    size_t pause_every; /* pauses each time when that many more bytes have come */
    bool pause_in_head, drop_in_head, pause_in_body;
};

void begin(struct world *w);
void carry(struct world *w, const char *request);
/* Lets the loop run for that long, in microseconds. */
void run(struct world *w, uint64_t us);
/* The peer says that, and the loop hears it. */
void say(struct world *w, const char *text);
void finish(struct world *w);
/* The peer has got REQUEST and nothing else. */
void heard_request(struct world *w);

#endif
