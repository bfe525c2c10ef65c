#include "unit/proxy/upstream/conn_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const char REQUEST[] = "POST /s/w/v1/org HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";

static void on_head(void *arg, const struct http_head *head)
{
    struct world *w = arg;

    w->heads++;
    w->status = head->status;
    if (w->pause_in_head) {
        w->call->paused = true;
        conn_update(w->conn);
    }
    if (w->drop_in_head) {
        conn_drop_call(w->conn);
        buf_deinit(&w->call->request);
        free(w->call);
        w->call = NULL;
    }
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct world *w = arg;

    if (w->body_len + len <= sizeof(w->body)) {
        memcpy(w->body + w->body_len, data, len);
        w->body_len += len;
    }
    w->body_total += len;
    if (w->pause_in_body || (w->pause_every && w->body_total / w->pause_every !=
                                                   (w->body_total - len) / w->pause_every)) {
        w->call->paused = true;
        conn_update(w->conn);
    }
}

static void on_end(void *arg)
{
    struct world *w = arg;

    w->ends++;
    w->call = NULL;
}

static void on_failed(void *arg, enum upstream_failure why, enum wire_sent sent, const char *text)
{
    struct world *w = arg;

    w->failed = (int)why + 1;
    w->sent = sent;
    (void)snprintf(w->why, sizeof(w->why), "%s", text);
    w->call = NULL;
}

static const struct upstream_events EVENTS = {on_head, on_body, on_end, on_failed};

static void on_idle(void *arg, struct conn *c)
{
    (void)c;
    ((struct world *)arg)->idles++;
}

static void on_gone(void *arg, struct conn *c)
{
    struct world *w = arg;

    (void)c;
    w->gones++;
    w->conn = NULL;
}

static void on_unsent(void *arg, struct upstream_call *call)
{
    ((struct world *)arg)->unsents++;
    buf_deinit(&call->request);
    free(call);
}

static void on_ended(void *arg, struct upstream_call *call, bool well)
{
    (void)arg;
    (void)call;
    (void)well;
}

void begin(struct world *w)
{
    struct conn_limits limits = {100000, 100000, 4096};
    struct conn_owner owner = {on_idle, on_gone, on_unsent, on_ended, w};
    int fds[2];

    (void)signal(SIGPIPE, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    w->peer = fds[1];
    CU_ASSERT_EQUAL_FATAL(
        conn_new(&w->conn, w->loop, (struct stream){.fd = fds[0]}, &limits, &owner), 0);
}

void carry(struct world *w, const char *request)
{
    w->call = calloc(1, sizeof(*w->call));
    CU_ASSERT_PTR_NOT_NULL_FATAL(w->call);
    w->call->events = &EVENTS;
    w->call->arg = w;
    w->call->request = BUF_INIT_SECRET(1 << 24);
    CU_ASSERT_EQUAL_FATAL(buf_append(&w->call->request, request, strlen(request)), 0);
    conn_carry(w->conn, w->call);
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

void say(struct world *w, const char *text)
{
    CU_ASSERT_EQUAL(write(w->peer, text, strlen(text)), (ssize_t)strlen(text));
    run(w, 2000);
}

void finish(struct world *w)
{
    if (w->call && w->conn) {
        conn_drop_call(w->conn);
        buf_deinit(&w->call->request);
        free(w->call);
    }
    conn_free(w->conn);
    loop_free(w->loop);
    if (w->peer >= 0)
        (void)close(w->peer);
}

void heard_request(struct world *w)
{
    char got[256];
    ssize_t n = read(w->peer, got, sizeof(got));

    CU_ASSERT_EQUAL(n, (ssize_t)strlen(REQUEST));
    CU_ASSERT_EQUAL(memcmp(got, REQUEST, strlen(REQUEST)), 0);
}
