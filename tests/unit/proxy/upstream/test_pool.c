/* The room as a whole over plain TCP on loopback, against a small server in the same loop. */
#include "base/err.h"
#include "proxy/upstream/upstream.h"
#include "unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SERVER_MAX = 16,
    MS = 1000,
};

struct server {
    struct loop *loop;
    int fd;
    unsigned port, connections, requests;
    struct event accepting;
    struct peer {
        struct server *server;
        struct event readable;
        int fd;
        char got[4096];
        size_t len;
    } peers[SERVER_MAX];
    bool mute;          /* takes requests and says nothing */
    bool close_after;   /* closes after each answer, without saying so before */
    bool close_at_once; /* closes each connection as soon as it is there */
};

struct world {
    struct loop *loop;
    struct server server;
    struct upstream *upstream;
    unsigned ends, fails, wanted;
    enum upstream_failure why;
    enum wire_sent sent;
    char text[400];
    enum { NOWHERE, IN_HEAD, IN_BODY, IN_END, IN_FAILED } free_in; /* frees the room in there */
};

static void peer_close(struct peer *p)
{
    if (p->fd < 0)
        return;
    (void)event_del(&p->readable);
    (void)close(p->fd);
    p->fd = -1;
}

static void peer_answer(struct peer *p)
{
    static const char ANSWER[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    CU_ASSERT_EQUAL(send(p->fd, ANSWER, sizeof(ANSWER) - 1, MSG_NOSIGNAL), sizeof(ANSWER) - 1);
}

static void peer_read(evutil_socket_t fd, short what, void *arg)
{
    struct peer *p = arg;
    ssize_t n = recv(fd, p->got + p->len, sizeof(p->got) - p->len - 1, 0);

    (void)what;
    if (n <= 0) {
        peer_close(p);
        return;
    }
    p->len += (size_t)n;
    p->got[p->len] = '\0';
    if (!strstr(p->got, "\r\n\r\n"))
        return;
    p->len = 0;
    p->server->requests++;
    if (p->server->mute)
        return;
    peer_answer(p);
    if (p->server->close_after)
        peer_close(p);
}

static void server_accept(evutil_socket_t fd, short what, void *arg)
{
    struct server *s = arg;
    struct peer *p = NULL;
    int c = accept4(fd, NULL, NULL, SOCK_NONBLOCK);

    (void)what;
    for (unsigned i = 0; i < SERVER_MAX && !p; i++)
        if (s->peers[i].fd < 0)
            p = &s->peers[i];
    if (c < 0 || !p) {
        CU_FAIL("too many connections");
        return;
    }
    s->connections++;
    if (s->close_at_once) {
        (void)close(c);
        return;
    }
    p->fd = c;
    p->len = 0;
    p->server = s;
    (void)event_assign(&p->readable, loop_base(s->loop), c, EV_READ | EV_PERSIST, peer_read, p);
    (void)event_add(&p->readable, NULL);
}

static void server_open(struct server *s, struct loop *loop)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    s->loop = loop;
    for (unsigned i = 0; i < SERVER_MAX; i++)
        s->peers[i].fd = -1;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CU_ASSERT_EQUAL_FATAL(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(s->fd, 64), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    (void)event_assign(&s->accepting, loop_base(loop), s->fd, EV_READ | EV_PERSIST, server_accept,
                       s);
    (void)event_add(&s->accepting, NULL);
}

static void server_close_peers(struct server *s)
{
    for (unsigned i = 0; i < SERVER_MAX; i++)
        peer_close(&s->peers[i]);
}

static void server_close(struct server *s)
{
    server_close_peers(s);
    if (s->fd < 0)
        return;
    (void)event_del(&s->accepting);
    (void)close(s->fd);
    s->fd = -1;
}

static void settled(struct world *w)
{
    if (w->ends + w->fails >= w->wanted)
        loop_stop(w->loop);
}

static void maybe_free(struct world *w, int here)
{
    if ((int)w->free_in != here || !w->upstream)
        return;
    upstream_free(w->upstream);
    w->upstream = NULL;
}

static void on_head(void *arg, const struct http_head *head)
{
    CU_ASSERT_EQUAL(head->status, 200);
    maybe_free(arg, IN_HEAD);
}

static void on_body(void *arg, const char *data, size_t len)
{
    CU_ASSERT_EQUAL(len, 2);
    CU_ASSERT_EQUAL(memcmp(data, "ok", 2), 0);
    maybe_free(arg, IN_BODY);
}

static void on_end(void *arg)
{
    struct world *w = arg;

    w->ends++;
    maybe_free(w, IN_END);
    settled(w);
}

static void on_failed(void *arg, enum upstream_failure why, enum wire_sent sent, const char *text)
{
    struct world *w = arg;

    w->fails++;
    w->why = why;
    w->sent = sent;
    (void)snprintf(w->text, sizeof(w->text), "%s", text);
    maybe_free(w, IN_FAILED);
    settled(w);
}

static const struct upstream_events EVENTS = {on_head, on_body, on_end, on_failed};

static void begin(struct world *w, unsigned connections, unsigned queue)
{
    struct upstream_conf conf = {.ca_file = "",
                                 .proxy = "",
                                 .connect_timeout_us = 500 * MS,
                                 .response_timeout_us = 1500 * MS,
                                 .queue_timeout_us = 400 * MS,
                                 .idle_timeout_us = 5000 * MS,
                                 .max_connections = connections,
                                 .queue = queue,
                                 .head_bytes = 4096};
    struct err err = ERR_INIT;
    char url[64];

    (void)signal(SIGPIPE, SIG_IGN);
    *w = (struct world){0};
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    server_open(&w->server, w->loop);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", w->server.port);
    conf.url = url;
    CU_ASSERT_EQUAL_FATAL(upstream_new(&w->upstream, w->loop, &conf, &err), 0);
}

static struct upstream_call *call(struct world *w)
{
    struct buf request = BUF_INIT_SECRET(65536);
    struct upstream_call *c = NULL;

    CU_ASSERT_EQUAL_FATAL(buf_printf(&request, "DELETE /x HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    CU_ASSERT_EQUAL_FATAL(upstream_call(w->upstream, &request, 0, &EVENTS, w, &c), 0);
    CU_ASSERT_EQUAL(buf_len(&request), 0);
    w->wanted++;
    return c;
}

static void stop(void *arg)
{
    loop_stop(arg);
}

/* Until all calls are settled; 2 s at most. */
static void run(struct world *w)
{
    struct loop_timer watchdog;

    loop_timer_init(&watchdog, w->loop, stop, w->loop);
    loop_timer_set(&watchdog, 10000 * MS);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&watchdog);
}

static void rest(struct world *w, uint64_t us)
{
    struct loop_timer t;

    loop_timer_init(&t, w->loop, stop, w->loop);
    loop_timer_set(&t, us);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&t);
}

static void finish(struct world *w)
{
    upstream_free(w->upstream);
    server_close(&w->server);
    loop_free(w->loop);
}

static void one_connection_serves_many(void)
{
    struct upstream_counters n;
    struct world w;

    begin(&w, 4, 16);
    for (unsigned i = 0; i < 5; i++) {
        (void)call(&w);
        run(&w);
    }
    upstream_counters(w.upstream, &n);
    CU_ASSERT_EQUAL(w.ends, 5);
    CU_ASSERT_EQUAL(w.server.connections, 1);
    CU_ASSERT_EQUAL(n.connections, 1);
    CU_ASSERT_EQUAL(n.reused, 4);
    CU_ASSERT_EQUAL(n.open, 1);
    CU_ASSERT_EQUAL(n.idle, 1);
    finish(&w);
}

static void never_more_than_the_limit(void)
{
    struct world w;

    begin(&w, 2, 16);
    for (unsigned i = 0; i < 12; i++)
        (void)call(&w);
    run(&w);
    CU_ASSERT_EQUAL(w.ends, 12);
    CU_ASSERT_EQUAL(w.server.connections, 2);
    finish(&w);
}

static void full_and_late(void)
{
    struct world w;

    begin(&w, 1, 2);
    w.server.mute = true;
    CU_ASSERT_FALSE(upstream_full(w.upstream, 0));
    (void)call(&w);
    rest(&w, 20 * MS); /* the first one has the connection now */
    (void)call(&w);
    (void)call(&w);
    CU_ASSERT_TRUE(upstream_full(w.upstream, 0));
    w.wanted = 2;
    run(&w);
    CU_ASSERT_EQUAL(w.fails, 2);
    CU_ASSERT_EQUAL(w.why, UPSTREAM_OVERLOADED);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_NONE);
    finish(&w);
}

static void an_idle_connection_that_was_closed(void)
{
    struct world w;

    begin(&w, 4, 16);
    w.server.close_after = true;
    for (unsigned i = 0; i < 4; i++) {
        (void)call(&w);
        run(&w);
        /* Without a turn in between, only the look right before use can tell. */
    }
    CU_ASSERT_EQUAL(w.ends, 4);
    CU_ASSERT_EQUAL(w.fails, 0);
    CU_ASSERT_EQUAL(w.server.requests, 4);
    finish(&w);
}

static void refused(void)
{
    struct world w;

    begin(&w, 4, 16);
    server_close(&w.server);
    (void)call(&w);
    (void)call(&w);
    run(&w);
    CU_ASSERT_EQUAL(w.fails, 2);
    CU_ASSERT_EQUAL(w.why, UPSTREAM_UNREACHABLE);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.text, "refused"));
    finish(&w);
}

static void closed_as_soon_as_open(void)
{
    struct world w;

    begin(&w, 4, 16);
    w.server.close_at_once = true;
    (void)call(&w);
    run(&w);
    CU_ASSERT_EQUAL(w.fails, 1);
    CU_ASSERT_EQUAL(w.server.requests, 0);
    CU_ASSERT(w.server.connections < 10);
    finish(&w);
}

static void no_answer(void)
{
    struct world w;

    begin(&w, 4, 16);
    w.server.mute = true;
    (void)call(&w);
    run(&w);
    CU_ASSERT_EQUAL(w.fails, 1);
    CU_ASSERT_EQUAL(w.why, UPSTREAM_TIMEOUT);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_ALL);
    CU_ASSERT_EQUAL(w.server.requests, 1);
    finish(&w);
}

static void cancelled_and_freed_in_every_state(void)
{
    struct world w;

    begin(&w, 2, 16);
    upstream_cancel(call(&w)); /* not even queued for a turn */
    w.server.mute = true;
    for (unsigned i = 0; i < 4; i++)
        (void)call(&w);
    upstream_cancel(call(&w));
    rest(&w, 20 * MS); /* two are sent, two wait */
    CU_ASSERT_EQUAL(w.server.requests, 2);
    finish(&w); /* all four go without a word */
    CU_ASSERT_EQUAL(w.fails + w.ends, 0);
    begin(&w, 2, 16);
    (void)call(&w);
    finish(&w); /* while it dials */
}

static void closing(void)
{
    struct world w;

    begin(&w, 1, 16);
    (void)call(&w);
    run(&w);
    (void)call(&w);
    upstream_close(w.upstream);
    CU_ASSERT_EQUAL(w.fails, 1);
    CU_ASSERT_EQUAL(w.why, UPSTREAM_CLOSING);
    finish(&w);
}

static void after_closing(void)
{
    struct world w;

    begin(&w, 1, 16);
    (void)call(&w);
    loop_stop(w.loop);
    CU_ASSERT_EQUAL(loop_run(w.loop), 0); /* the end of a turn only: it dials */
    upstream_close(w.upstream);
    CU_ASSERT_EQUAL(w.fails, 1);
    (void)call(&w);
    CU_ASSERT_EQUAL(w.fails, 1); /* never from within the call */
    run(&w);
    CU_ASSERT_EQUAL(w.fails, 2);
    CU_ASSERT_EQUAL(w.why, UPSTREAM_CLOSING);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_NONE);
    rest(&w, 10 * MS);
    CU_ASSERT_EQUAL(w.server.requests, 0);
    finish(&w);
}

/* What is on its way ends well, and its connection goes with it. */
static void closing_lets_running_calls_end(void)
{
    struct upstream_counters n;
    struct world w;

    begin(&w, 2, 16);
    w.server.mute = true;
    (void)call(&w);
    rest(&w, 10 * MS);
    CU_ASSERT_EQUAL(w.server.requests, 1);
    upstream_close(w.upstream);
    for (unsigned i = 0; i < SERVER_MAX; i++)
        if (w.server.peers[i].fd >= 0)
            peer_answer(&w.server.peers[i]);
    run(&w);
    CU_ASSERT_EQUAL(w.ends, 1);
    upstream_counters(w.upstream, &n);
    CU_ASSERT_EQUAL(n.open, 0);
    finish(&w);
}

/* Calls past the queue's end are told at once; those before keep their places. */
static void the_queue_is_bounded(void)
{
    struct upstream_counters n;
    struct world w;

    begin(&w, 2, 3);
    w.server.mute = true;
    for (unsigned i = 0; i < 9; i++) {
        CU_ASSERT_EQUAL(upstream_full(w.upstream, 0), i >= 5);
        (void)call(&w);
    }
    rest(&w, 20 * MS);
    CU_ASSERT_EQUAL(w.fails, 4);
    CU_ASSERT_EQUAL(w.why, UPSTREAM_OVERLOADED);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_NONE);
    CU_ASSERT_EQUAL(w.server.requests, 2);
    upstream_counters(w.upstream, &n);
    CU_ASSERT_EQUAL(n.queued, 3);
    finish(&w);
}

static void freed_from_within(void)
{
    for (int where = IN_HEAD; where <= IN_FAILED; where++) {
        for (int closes = 0; closes < 2; closes++) {
            struct world w;

            begin(&w, 2, 2);
            w.free_in = where;
            w.server.mute = where == IN_FAILED;
            w.server.close_after = closes;
            for (unsigned i = 0; i < 8; i++)
                (void)call(&w);
            rest(&w, 100 * MS);
            CU_ASSERT_PTR_NULL(w.upstream);
            CU_ASSERT(w.ends + w.fails <= 5);
            finish(&w);
        }
    }
    for (int how = 0; how < 2; how++) {
        struct world w;

        begin(&w, 4, 4);
        w.free_in = IN_FAILED;
        for (unsigned i = 0; i < 6; i++)
            (void)call(&w);
        if (how == 0)
            server_close(&w.server); /* refused: fails those that wait */
        else
            upstream_close(w.upstream);
        rest(&w, 50 * MS);
        CU_ASSERT_EQUAL(w.fails, 1);
        CU_ASSERT_PTR_NULL(w.upstream);
        finish(&w);
    }
}

/* The answer to a call that failed is another call: it has its own try, and the loop goes on. */
static void on_failed_again(void *arg, enum upstream_failure why, enum wire_sent sent,
                            const char *text);

static const struct upstream_events AGAIN = {on_head, on_body, on_end, on_failed_again};

static void on_failed_again(void *arg, enum upstream_failure why, enum wire_sent sent,
                            const char *text)
{
    struct buf request = BUF_INIT_SECRET(65536);
    struct upstream_call *c = NULL;
    struct world *w = arg;

    (void)why;
    (void)sent;
    (void)text;
    if (++w->fails >= 50) {
        loop_stop(w->loop);
        return;
    }
    CU_ASSERT_EQUAL_FATAL(buf_printf(&request, "DELETE /x HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    CU_ASSERT_EQUAL_FATAL(upstream_call(w->upstream, &request, 0, &AGAIN, w, &c), 0);
}

static void called_again_from_failed(void)
{
    struct buf request = BUF_INIT_SECRET(65536);
    struct upstream_counters n;
    struct upstream_call *c = NULL;
    struct world w;

    begin(&w, 1, 16);
    server_close(&w.server);
    CU_ASSERT_EQUAL_FATAL(buf_printf(&request, "DELETE /x HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    CU_ASSERT_EQUAL_FATAL(upstream_call(w.upstream, &request, 0, &AGAIN, &w, &c), 0);
    (void)event_base_loop(loop_base(w.loop), EVLOOP_NONBLOCK);
    rest(&w, 0);
    CU_ASSERT(w.fails < 10);
    w.free_in = NOWHERE;
    upstream_counters(w.upstream, &n);
    CU_ASSERT(n.queued <= 1);
    finish(&w);
}

static void bad_settings(void)
{
    struct upstream_conf conf = {.url = "http://api.cention.com", .ca_file = "", .proxy = ""};
    struct upstream *u = NULL;
    struct err err = ERR_INIT;
    struct loop *loop;

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL(upstream_new(&u, loop, &conf, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "loopback"));
    conf.url = "https://api.cention.com";
    conf.proxy = "socks://x";
    CU_ASSERT_EQUAL(upstream_new(&u, loop, &conf, &err), -EINVAL);
    /* A proxy elsewhere would carry the signature in plain text off this machine. */
    conf.url = "http://127.0.0.1:8080";
    conf.proxy = "http://proxy.example:3128";
    err = ERR_INIT;
    CU_ASSERT_EQUAL(upstream_new(&u, loop, &conf, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "https"));
    loop_free(loop);
}

static const struct unit_case CASES[] = {
    {"one connection serves many", one_connection_serves_many},
    {"never more than the limit", never_more_than_the_limit},
    {"full and late", full_and_late},
    {"an idle connection that was closed", an_idle_connection_that_was_closed},
    {"refused", refused},
    {"closed as soon as open", closed_as_soon_as_open},
    {"no answer", no_answer},
    {"cancelled and freed in every state", cancelled_and_freed_in_every_state},
    {"closing", closing},
    {"after closing", after_closing},
    {"closing lets running calls end", closing_lets_running_calls_end},
    {"the queue is bounded", the_queue_is_bounded},
    {"freed from within", freed_from_within},
    {"called again from failed", called_again_from_failed},
    {"bad settings", bad_settings},
};
UNIT_MAIN("pool", CASES)
