#include "unit/proxy/upstream/h2_conn_fixture.h"

#include "unit/proxy/h2/h2_fixture.h"
#include "unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

void drop(struct one *o)
{
    struct upstream_call *call = o->call;

    o->call = NULL;
    h2_conn_drop_call(call);
    upstream_call_free(call);
}

void free_h2_conn(struct world *w)
{
    struct h2_conn *m = w->h2_conn;

    for (unsigned i = 0; i < w->n; i++)
        w->all[i].call = NULL; /* they go with it; those that wait stay the queue's */
    h2_conn_free(m);
}

static void on_head(void *arg, const struct http_head *head)
{
    struct one *o = arg;

    o->heads++;
    o->status = head->status;
    if (o->act == PAUSE_IN_HEAD) {
        o->call->paused = true;
        h2_conn_update(o->call);
    } else if (o->act == DROP_IN_HEAD) {
        drop(o);
    } else if (o->act == FREE_IN_HEAD) {
        free_h2_conn(o->world);
    }
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct one *o = arg;

    (void)data;
    o->body_len += len;
    if (o->act == PAUSE_IN_BODY) {
        o->call->paused = true;
        h2_conn_update(o->call);
    }
}

static void on_end(void *arg)
{
    struct one *o = arg;

    o->ends++;
    o->call = NULL;
    if (o->act == FREE_IN_END)
        free_h2_conn(o->world);
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

static struct upstream_call *on_next(void *arg, struct h2_conn *m)
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

    if (w->h2_conn && call_ring_first(&w->queue))
        (void)h2_conn_wake(w->h2_conn);
}

static void on_changed(void *arg, struct h2_conn *m)
{
    struct world *w = arg;

    (void)m;
    loop_defer(w->loop, &w->serve);
}

static void on_landed(void *arg, struct h2_conn *m)
{
    struct world *w = arg;

    CU_ASSERT_PTR_EQUAL(m, w->h2_conn);
    w->lands++;
}

static void on_gone(void *arg, struct h2_conn *m, bool opened, const char *why)
{
    struct world *w = arg;

    CU_ASSERT_PTR_EQUAL(m, w->h2_conn);
    CU_ASSERT_EQUAL(h2_conn_landed(m), w->lands > 0);
    w->gones++;
    w->opened = opened;
    w->h2_conn = NULL;
    (void)snprintf(w->why, sizeof(w->why), "%s", why);
}

static void on_ended(void *arg, struct upstream_call *call, bool well)
{
    (void)call;
    ((struct world *)arg)->welled += well;
}

bool hear(struct world *w)
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

void run(struct world *w, uint64_t us)
{
    struct loop_timer t;

    loop_timer_init(&t, w->loop, stop, w->loop);
    loop_timer_set(&t, us);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&t);
}

void say(struct world *w)
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

struct world *open_only(uint64_t opening_us, uint64_t response_us, uint64_t idle_us)
{
    struct world *w = calloc(1, sizeof(*w));
    struct h2_conn_limits limits = {opening_us, response_us, idle_us, 4096};
    struct h2_conn_owner owner = {on_next, on_changed, on_landed, on_gone, on_ended, w};
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
        h2_conn_new(&w->h2_conn, w->loop, (struct stream){.fd = fds[0]}, &limits, &owner), 0);
    run(w, 2000);
    CU_ASSERT_TRUE(hear(w));
    CU_ASSERT_EQUAL(w->writes, 1);
    return w;
}

struct world *begin_with(uint64_t response_us, uint64_t idle_us, uint32_t streams)
{
    struct world *w = open_only(FAR, response_us, idle_us);

    f_settings(&w->in, S_STREAMS, streams);
    say(w);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w->h2_conn);
    CU_ASSERT_FALSE(h2_conn_opening(w->h2_conn));
    return w;
}

struct world *begin(void)
{
    return begin_with(FAR, FAR, 100);
}

void finish(struct world *w)
{
    struct upstream_call *call;

    if (w->h2_conn)
        free_h2_conn(w);
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

void hang_up(struct world *w)
{
    (void)close(w->peer);
    w->peer = -1;
}

struct one *queue_call(struct world *w, size_t body_len)
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

void calls(struct world *w, unsigned n, size_t body_len)
{
    for (unsigned i = 0; i < n; i++)
        (void)queue_call(w, body_len);
    (void)h2_conn_wake(w->h2_conn);
    run(w, 2000);
    (void)hear(w);
}

void answer(struct world *w, unsigned i, const char *body)
{
    f_answer(&w->in, 1 + 2 * i, "200", "", false);
    f_data(&w->in, 1 + 2 * i, body, true);
}
