/*
 * A connection with many calls over a socket pair that keeps each write apart (SOCK_SEQPACKET), so
 * that what left in one write is seen; the test plays the peer.
 */
#include "unit/h2_fixture.h"
#include "unit/unit.h"
#include "upstream/multi.h"

#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CALLS = 1000,
    TIMEOUT = 100000, /* us */
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
    struct multi *multi;
    struct upstream_call queue; /* ring */
    struct one all[CALLS];
    struct loop_hook serve;
    unsigned n, nexts, gones, welled;
    bool opened, all_pause;
    char why[256];
    struct buf in, sent;
    unsigned writes;
};

static void drop(struct one *o)
{
    struct upstream_call *call = o->call;

    o->call = NULL;
    multi_drop_call(call);
    upstream_call_free(call);
}

static void free_multi(struct world *w)
{
    struct multi *m = w->multi;

    for (unsigned i = 0; i < w->n; i++)
        w->all[i].call = NULL; /* they go with it; those that wait stay the queue's */
    multi_free(m);
}

static void on_head(void *arg, const struct http_head *head)
{
    struct one *o = arg;

    o->heads++;
    o->status = head->status;
    if (o->act == PAUSE_IN_HEAD) {
        o->call->paused = true;
        multi_update(o->call);
    } else if (o->act == DROP_IN_HEAD) {
        drop(o);
    } else if (o->act == FREE_IN_HEAD) {
        free_multi(o->world);
    }
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct one *o = arg;

    (void)data;
    o->body_len += len;
    if (o->act == PAUSE_IN_BODY) {
        o->call->paused = true;
        multi_update(o->call);
    }
}

static void on_end(void *arg)
{
    struct one *o = arg;

    o->ends++;
    o->call = NULL;
    if (o->act == FREE_IN_END)
        free_multi(o->world);
}

static void on_failed(void *arg, enum upstream_failure why, enum wire_sent sent, const char *text)
{
    struct one *o = arg;

    o->failed = (int)why + 1;
    o->sent = sent;
    (void)snprintf(o->why, sizeof(o->why), "%s", text);
    o->call = NULL;
}

static const struct upstream_events EVENTS = {on_head, on_body, on_end, on_failed};

static struct upstream_call *on_next(void *arg, struct multi *m)
{
    struct world *w = arg;
    struct upstream_call *call = call_ring_first(&w->queue);

    (void)m;
    w->nexts++;
    if (call)
        call_ring_leave(call);
    return call;
}

static void serve(void *arg)
{
    struct world *w = arg;

    if (w->multi && call_ring_first(&w->queue))
        (void)multi_wake(w->multi);
}

static void on_changed(void *arg, struct multi *m)
{
    struct world *w = arg;

    (void)m;
    loop_defer(w->loop, &w->serve);
}

static void on_gone(void *arg, struct multi *m, bool opened, const char *why)
{
    struct world *w = arg;

    CU_ASSERT_PTR_EQUAL(m, w->multi);
    w->gones++;
    w->opened = opened;
    w->multi = NULL;
    (void)snprintf(w->why, sizeof(w->why), "%s", why);
}

static void on_ended(void *arg, struct upstream_call *call, bool well)
{
    (void)call;
    ((struct world *)arg)->welled += well;
}

/* Takes what is there, write by write. False when the other end is closed. */
static bool hear(struct world *w)
{
    static char data[1 << 16];
    ssize_t n;

    buf_reset(&w->sent, SIZE_MAX);
    w->writes = 0;
    while ((n = recv(w->peer, data, sizeof(data), 0)) > 0) {
        w->writes++;
        CU_ASSERT_EQUAL_FATAL(buf_append(&w->sent, data, (size_t)n), 0);
    }
    return n < 0;
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run(struct world *w, uint64_t us)
{
    struct loop_timer t;

    loop_timer_init(&t, w->loop, stop, w->loop);
    loop_timer_set(&t, us);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&t);
}

/* The peer says what is in w->in, and hears the answer to it. */
static void say(struct world *w)
{
    struct slice s = buf_slice(&w->in);

    while (s.len) {
        size_t n = s.len < 16384 ? s.len : 16384; /* what one read takes */

        CU_ASSERT_EQUAL_FATAL(send(w->peer, s.data, n, MSG_NOSIGNAL), (ssize_t)n);
        s = slice_of(s.data + n, s.len - n);
        run(w, 2000);
    }
    buf_reset(&w->in, SIZE_MAX);
    (void)hear(w);
}

static struct world *open_only(uint64_t response_us, uint64_t idle_us)
{
    struct world *w = calloc(1, sizeof(*w));
    struct multi_limits limits = {TIMEOUT, response_us, idle_us, 4096};
    struct multi_owner owner = {on_next, on_changed, on_gone, on_ended, w};
    int fds[2], room = 1 << 17;

    CU_ASSERT_PTR_NOT_NULL_FATAL(w);
    (void)signal(SIGPIPE, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
    (void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    w->peer = fds[1];
    w->in = BUF_INIT(1 << 22);
    w->sent = BUF_INIT(1 << 22);
    call_ring_init(&w->queue);
    w->serve = (struct loop_hook){.run = serve, .arg = w};
    CU_ASSERT_EQUAL_FATAL(
        multi_new(&w->multi, w->loop, (struct stream){.fd = fds[0]}, &limits, &owner), 0);
    run(w, 2000);
    CU_ASSERT_TRUE(hear(w));
    CU_ASSERT_EQUAL(w->writes, 1);
    return w;
}

static struct world *begin_with(uint64_t response_us, uint64_t idle_us, uint32_t streams)
{
    struct world *w = open_only(response_us, idle_us);

    f_settings(&w->in, S_STREAMS, streams);
    say(w);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w->multi);
    CU_ASSERT_FALSE(multi_opening(w->multi));
    return w;
}

static struct world *begin(void)
{
    return begin_with(FAR, FAR, 100);
}

static void finish(struct world *w)
{
    struct upstream_call *call;

    if (w->multi)
        free_multi(w);
    while ((call = call_ring_first(&w->queue))) {
        call_ring_leave(call);
        upstream_call_free(call);
    }
    loop_free(w->loop);
    if (w->peer >= 0)
        (void)close(w->peer);
    buf_deinit(&w->in);
    buf_deinit(&w->sent);
    free(w);
}

static void hang_up(struct world *w)
{
    (void)close(w->peer);
    w->peer = -1;
}

static struct one *queue_call(struct world *w, size_t body_len)
{
    struct one *o = &w->all[w->n++];
    struct upstream_call *call = calloc(1, sizeof(*call));

    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    o->world = w;
    o->call = call;
    call->events = &EVENTS;
    call->arg = o;
    call->request = BUF_INIT_SECRET(1 << 24);
    CU_ASSERT_EQUAL_FATAL(buf_printf(&call->request,
                                     "POST /x HTTP/1.1\r\nHost: h\r\nX-Request-Id: %u\r\n"
                                     "Content-Length: %zu\r\n\r\n",
                                     w->n, body_len),
                          0);
    for (size_t i = 0; i < body_len; i++)
        CU_ASSERT_EQUAL_FATAL(buf_append(&call->request, "x", 1), 0);
    call_ring_add(&w->queue, call);
    return o;
}

/* Queues that many and lets them go out. */
static void calls(struct world *w, unsigned n, size_t body_len)
{
    for (unsigned i = 0; i < n; i++)
        (void)queue_call(w, body_len);
    (void)multi_wake(w->multi);
    run(w, 2000);
    (void)hear(w);
}

static void answer(struct world *w, unsigned i, const char *body)
{
    f_answer(&w->in, 1 + 2 * i, "200", "", false);
    f_data(&w->in, 1 + 2 * i, body, true);
}

static void all_calls_of_a_turn_in_one_write(void)
{
    struct world *w = begin();

    calls(w, 64, 100);
    CU_ASSERT_EQUAL(w->writes, 1);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_HEADERS, 0, NULL), 64);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_DATA, 0, NULL), 64);
    CU_ASSERT_EQUAL(multi_calls(w->multi), 64);
    for (unsigned i = 0; i < 64; i++) {
        CU_ASSERT_EQUAL(multi_sent(w->all[i].call), WIRE_SENT_ALL);
        CU_ASSERT_EQUAL(buf_len(&w->all[i].call->request), 0); /* a credential no longer needed */
        CU_ASSERT_PTR_NULL(w->all[i].call->request.data);
        answer(w, i, "ok");
    }
    say(w);
    for (unsigned i = 0; i < 64; i++) {
        CU_ASSERT_EQUAL(w->all[i].ends, 1);
        CU_ASSERT_EQUAL(w->all[i].body_len, 2);
    }
    CU_ASSERT_EQUAL(w->welled, 64);
    CU_ASSERT_EQUAL(multi_calls(w->multi), 0);
    CU_ASSERT_TRUE(multi_used(w->multi));
    finish(w);
}

static void waits_for_settings(void)
{
    struct world *w = open_only(FAR, FAR);

    (void)queue_call(w, 2);
    CU_ASSERT_TRUE(multi_opening(w->multi));
    CU_ASSERT_EQUAL(multi_wake(w->multi), 0);
    run(w, 2000);
    CU_ASSERT_TRUE(hear(w));
    CU_ASSERT_EQUAL(w->nexts, 0);
    f_settings(&w->in, S_STREAMS, 1);
    say(w);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_HEADERS, 0, NULL), 1);
    finish(w);
    /* None come. */
    w = open_only(FAR, FAR);
    (void)queue_call(w, 2);
    run(w, 2 * TIMEOUT);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_FALSE(w->opened);
    CU_ASSERT_PTR_NOT_NULL(strstr(w->why, "settings"));
    finish(w);
    /* It hangs up instead. */
    w = open_only(FAR, FAR);
    hang_up(w);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_FALSE(w->opened);
    finish(w);
}

static void not_more_than_the_peer_allows(void)
{
    struct world *w = begin_with(FAR, FAR, 2);

    calls(w, 5, 2);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_HEADERS, 0, NULL), 2);
    CU_ASSERT_EQUAL(multi_room(w->multi), 0);
    answer(w, 0, "ok");
    say(w);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_HEADERS, 0, NULL), 1);
    f_settings(&w->in, S_STREAMS, 4);
    say(w);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    answer(w, 1, "ok");
    say(w);
    CU_ASSERT_EQUAL(multi_calls(w->multi) + w->welled, 5);
    finish(w);
    w = open_only(FAR, FAR);
    f_settings(&w->in, S_STREAMS, 0);
    say(w);
    CU_ASSERT_TRUE(multi_opening(w->multi)); /* it may still come */
    finish(w);
}

/* The peer's end is seen before calls are taken: they stay the owner's. */
static void closed_before_the_turn(void)
{
    struct world *w = begin();

    (void)queue_call(w, 2);
    CU_ASSERT_EQUAL(multi_wake(w->multi), 100);
    hang_up(w);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->nexts, 0);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_TRUE(w->opened);
    CU_ASSERT_EQUAL(w->all[0].failed, 0);
    CU_ASSERT_PTR_NOT_NULL(call_ring_first(&w->queue));
    finish(w);
    w = begin();
    (void)queue_call(w, 2);
    CU_ASSERT_EQUAL(multi_wake(w->multi), 100);
    f_goaway(&w->in, 0, 0);
    say(w);
    CU_ASSERT_EQUAL(w->nexts, 0);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

static void closed_after_the_requests(void)
{
    struct world *w = begin();

    calls(w, 3, 2);
    f_answer(&w->in, 3, "200", "", false);
    say(w);
    hang_up(w);
    run(w, 2000);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(w->all[i].failed, UPSTREAM_BROKEN + 1);
        CU_ASSERT_EQUAL(w->all[i].sent, WIRE_SENT_ALL);
        CU_ASSERT_EQUAL(w->all[i].heads, i == 1);
        CU_ASSERT_EQUAL(w->all[i].ends, 0);
    }
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

/* More than the peer's window: part of it is on its way, the rest waits. */
static void closed_within_a_request(void)
{
    struct world *w = begin();

    calls(w, 1, 100000);
    CU_ASSERT_EQUAL(multi_sent(w->all[0].call), WIRE_SENT_PARTIAL);
    hang_up(w);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->all[0].sent, WIRE_SENT_PARTIAL);
    finish(w);
    w = begin();
    calls(w, 1, 100000);
    f_number(&w->in, F_WINDOW, 0, 100000);
    f_number(&w->in, F_WINDOW, 1, 100000);
    say(w);
    CU_ASSERT_EQUAL(multi_sent(w->all[0].call), WIRE_SENT_ALL);
    answer(w, 0, "ok");
    say(w);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    finish(w);
}

/* The socket takes no more: what was offered may be on its way, what was not is still the owner's.
 */
static void a_socket_that_is_full(void)
{
    struct world *w = begin();
    unsigned taken = 0, all = 0, heard = 0;
    struct slice rest;
    struct seen f;

    for (unsigned i = 0; i < 90; i++)
        (void)queue_call(w, 6000);
    f_number(&w->in, F_WINDOW, 0, 1 << 30);
    say(w);
    (void)multi_wake(w->multi);
    run(w, 5000); /* nobody reads */
    CU_ASSERT_TRUE(multi_calls(w->multi) > 0 && multi_calls(w->multi) < 90);
    taken = multi_calls(w->multi);
    CU_ASSERT_EQUAL(taken, w->nexts);
    (void)hear(w); /* what got through; before any more can follow */
    rest = buf_slice(&w->sent);
    while (f_next(&rest, &f))
        heard += f.type == F_DATA && f.flags & END;
    hang_up(w);
    run(w, 5000);
    for (unsigned i = 0; i < 90; i++) {
        CU_ASSERT_EQUAL(w->all[i].failed, i < taken ? UPSTREAM_BROKEN + 1 : 0);
        if (i < taken)
            CU_ASSERT_NOT_EQUAL(w->all[i].sent, WIRE_SENT_NONE);
        all += w->all[i].sent == WIRE_SENT_ALL;
    }
    CU_ASSERT_TRUE(all < taken);
    CU_ASSERT_EQUAL(all, heard);
    finish(w);
}

static void goaway(void)
{
    struct world *w = begin();

    calls(w, 3, 2);
    f_goaway(&w->in, 3, 0);
    say(w);
    CU_ASSERT_EQUAL(multi_room(w->multi), 0);
    CU_ASSERT_EQUAL(w->all[2].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->all[2].sent, WIRE_SENT_ALL); /* so the outcome is unknown */
    CU_ASSERT_PTR_NOT_NULL(strstr(w->all[2].why, "GOAWAY"));
    CU_ASSERT_EQUAL(w->gones, 0);
    answer(w, 0, "ok");
    answer(w, 1, "ok");
    say(w);
    CU_ASSERT_EQUAL(w->welled, 2);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

static void refused(void)
{
    struct world *w = begin();

    calls(w, 2, 2);
    f_number(&w->in, F_RST, 1, NGHTTP2_REFUSED_STREAM);
    answer(w, 1, "ok");
    say(w);
    CU_ASSERT_EQUAL(w->all[0].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->all[0].sent, WIRE_SENT_ALL);
    CU_ASSERT_PTR_NOT_NULL(strstr(w->all[0].why, "REFUSED_STREAM"));
    CU_ASSERT_EQUAL(w->all[1].ends, 1);
    CU_ASSERT_EQUAL(w->gones, 0);
    finish(w);
}

static void broken_rules_end_all(void)
{
    struct world *w = begin();

    calls(w, 2, 2);
    f_data(&w->in, 0, "x", false);
    say(w);
    CU_ASSERT_EQUAL(w->all[0].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->all[1].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

static void one_late_stream(void)
{
    struct world *w = begin_with(TIMEOUT, FAR, 100);
    struct seen f = {0};

    calls(w, 2, 2);
    f_answer(&w->in, 3, "200", "", false);
    say(w);
    for (unsigned i = 0; i < 6; i++) { /* the other goes on, piece by piece */
        run(w, TIMEOUT / 4);
        f_data(&w->in, 3, "x", false);
        CU_ASSERT_EQUAL(send(w->peer, buf_slice(&w->in).data, buf_len(&w->in), 0),
                        (ssize_t)buf_len(&w->in));
        buf_reset(&w->in, SIZE_MAX);
    }
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].failed, UPSTREAM_TIMEOUT + 1);
    CU_ASSERT_EQUAL(w->all[0].sent, WIRE_SENT_ALL);
    CU_ASSERT_TRUE(hear(w));
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_RST, 1, &f), 1);
    CU_ASSERT_EQUAL(f_read(f.payload, 0), NGHTTP2_CANCEL);
    CU_ASSERT_EQUAL(w->all[1].failed, 0);
    CU_ASSERT_EQUAL(multi_room(w->multi), 99); /* it was not silent: it stays in use */
    f_data(&w->in, 3, "x", true);
    say(w);
    CU_ASSERT_EQUAL(w->all[1].ends, 1);
    finish(w);
}

/* Nothing at all came: it may be dead, so it is used no more. */
static void silence(void)
{
    struct world *w = begin_with(TIMEOUT, FAR, 100);

    calls(w, 1, 2);
    run(w, 2 * TIMEOUT);
    CU_ASSERT_EQUAL(w->all[0].failed, UPSTREAM_TIMEOUT + 1);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

static void idle(void)
{
    struct world *w = begin_with(FAR, TIMEOUT, 100);

    calls(w, 1, 2);
    answer(w, 0, "ok");
    say(w);
    run(w, TIMEOUT / 2);
    CU_ASSERT_EQUAL(w->gones, 0);
    run(w, TIMEOUT);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_FALSE(hear(w)); /* with a word */
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_GOAWAY, 0, NULL), 1);
    finish(w);
}

static void a_paused_call_stops_no_other(void)
{
    static char piece[16000];
    struct world *w = begin_with(TIMEOUT, FAR, 100);

    queue_call(w, 2)->act = PAUSE_IN_HEAD;
    calls(w, 1, 2);
    f_answer(&w->in, 1, "200", "", false);
    for (unsigned i = 0; i < 4; i++)
        f_frame(&w->in, F_DATA, 0, 1, piece, sizeof(piece));
    f_data(&w->in, 1, "x", true);
    f_answer(&w->in, 3, "200", "", false);
    for (unsigned i = 0; i < 200; i++) { /* 3.2 MB, three times the connection's window */
        f_frame(&w->in, F_DATA, 0, 3, piece, sizeof(piece));
        if (i % 10 == 9)
            say(w);
    }
    f_data(&w->in, 3, "", true);
    say(w);
    CU_ASSERT_EQUAL(w->all[1].ends, 1);
    CU_ASSERT_EQUAL(w->all[1].body_len, 200 * sizeof(piece));
    CU_ASSERT_EQUAL(w->all[0].body_len, 0);
    CU_ASSERT_EQUAL(w->all[0].ends, 0);
    run(w, 2 * TIMEOUT); /* no time runs for it */
    CU_ASSERT_EQUAL(w->all[0].failed, 0);
    w->all[0].call->paused = false;
    multi_update(w->all[0].call);
    CU_ASSERT_EQUAL(w->all[0].body_len, 0); /* never from within */
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].body_len, 4 * sizeof(piece) + 1);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    finish(w);
}

static void paused_again_and_again(void)
{
    struct world *w = begin();

    queue_call(w, 2)->act = PAUSE_IN_BODY;
    calls(w, 0, 0);
    f_answer(&w->in, 1, "200", "", false);
    for (unsigned i = 0; i < 5; i++)
        f_data(&w->in, 1, "ab", i == 4);
    say(w);
    CU_ASSERT_EQUAL(w->all[0].body_len, 2);
    w->all[0].call->paused = false;
    multi_update(w->all[0].call);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].body_len, 10);
    CU_ASSERT_EQUAL(w->all[0].ends, 0); /* it paused again */
    w->all[0].call->paused = false;
    multi_update(w->all[0].call);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    finish(w);
}

static void dropping(void)
{
    struct world *w = begin();

    queue_call(w, 2)->act = DROP_IN_HEAD;
    calls(w, 2, 2);
    drop(&w->all[1]);
    run(w, 2000);
    (void)hear(w);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_RST, 3, NULL), 1);
    answer(w, 0, "ok");
    answer(w, 1, "ok");
    answer(w, 2, "ok");
    say(w);
    CU_ASSERT_EQUAL(w->all[0].heads, 1);
    CU_ASSERT_EQUAL(w->all[0].body_len + w->all[0].ends, 0);
    CU_ASSERT_EQUAL(w->all[1].heads, 0);
    CU_ASSERT_EQUAL(w->all[2].ends, 1);
    CU_ASSERT_EQUAL(multi_calls(w->multi), 0);
    CU_ASSERT_EQUAL(multi_room(w->multi), 100);
    finish(w);
}

static void freed_from_within(void)
{
    for (unsigned act = FREE_IN_HEAD; act <= FREE_IN_END; act++) {
        struct world *w = begin();

        queue_call(w, 2)->act = act;
        calls(w, 2, 2);
        answer(w, 0, "ok");
        answer(w, 1, "ok");
        say(w);
        CU_ASSERT_EQUAL(w->gones, 1);
        CU_ASSERT_EQUAL(w->all[0].ends, act == FREE_IN_END);
        CU_ASSERT_EQUAL(w->all[1].heads, 0);
        finish(w);
    }
}

static void leaving(void)
{
    struct world *w = begin();

    calls(w, 1, 2);
    multi_leave(w->multi);
    CU_ASSERT_EQUAL(multi_room(w->multi), 0);
    CU_ASSERT_EQUAL(w->gones, 0);
    answer(w, 0, "ok");
    say(w);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
    w = begin();
    multi_leave(w->multi);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

/* It leaves before a server would tell it to, amid a batch. */
static void not_for_ever(void)
{
    struct world *w = begin();
    unsigned sent = 0;

    while (w->multi && sent < CALLS - 100) {
        unsigned before = w->nexts;

        calls(w, 70, 2); /* of which 900 is no multiple */
        if (!w->multi)
            break;
        for (; sent < w->n && w->all[sent].call && w->all[sent].call->multi; sent++)
            answer(w, sent, "ok");
        say(w);
        CU_ASSERT_TRUE(w->nexts > before || multi_room(w->multi) == 0);
    }
    (void)(w->multi ? multi_wake(w->multi) : 0);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_EQUAL(w->welled, 900);
    finish(w);
}

static const struct unit_case CASES[] = {
    {"all calls of a turn in one write", all_calls_of_a_turn_in_one_write},
    {"waits for settings", waits_for_settings},
    {"not more than the peer allows", not_more_than_the_peer_allows},
    {"closed before the turn", closed_before_the_turn},
    {"closed after the requests", closed_after_the_requests},
    {"closed within a request", closed_within_a_request},
    {"a socket that is full", a_socket_that_is_full},
    {"GOAWAY", goaway},
    {"refused", refused},
    {"broken rules end all", broken_rules_end_all},
    {"one late stream", one_late_stream},
    {"silence", silence},
    {"idle", idle},
    {"a paused call stops no other", a_paused_call_stops_no_other},
    {"paused again and again", paused_again_and_again},
    {"dropping", dropping},
    {"freed from within", freed_from_within},
    {"leaving", leaving},
    {"not for ever", not_for_ever},
};
UNIT_MAIN("multi", CASES)
