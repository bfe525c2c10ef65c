/*
 * The session against frames made by hand: no socket, no clock.
 */
#ifndef CENTION_TESTS_UNIT_PROXY_H2_H2_SESSION_FIXTURE_H
#define CENTION_TESTS_UNIT_PROXY_H2_H2_SESSION_FIXTURE_H

#include "base/buf.h"
#include "proxy/h2/h2_session.h"

enum { STREAMS = 8 };

struct told {
    unsigned heads, ends, fails, status, n_fields;
    enum http_framing framing;
    char body[1024], why[256], fields[1024];
    size_t body_len, body_total;
};

struct world {
    struct h2_session *session;
    struct h2_stream streams[STREAMS];
    struct told told[STREAMS];
    struct buf sent, in;
    bool hold;         /* bodies are not consumed */
    int reset_in_head; /* that stream resets itself there; -1: none */
    bool stop_in_head;
};

/* A session whose preface is out; not yet settled. */
void open_only(struct world *w);
/* One that is settled: the peer allows 100 streams. */
void begin(struct world *w);
void finish(struct world *w);

/* Collects what the session has to say, in w->sent. */
bool fill(struct world *w);
/* Gives the session what is in w->in, `step` bytes at a time, each before an unreadable page. */
bool feed(struct world *w, size_t step);
/* What no connection survives. True when the session said so, at feeding or filling. */
bool is_over(struct world *w);

/* A request with that body, as stream i. */
void submit(struct world *w, unsigned i, struct slice body);
/* Submits n and collects them. */
void requests(struct world *w, unsigned n);

#endif
