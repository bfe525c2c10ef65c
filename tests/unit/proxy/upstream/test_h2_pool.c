/* Several connections over socket pairs: which takes what. */
#include "proxy/upstream/h2_pool.h"
#include "unit/proxy/h2/h2_fixture.h"
#include "unit/unit.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    N = 3,
    FAR = 10000000,
};

struct world {
    struct loop *loop;
    struct h2_pool all;
    struct h2_conn *h2_conn[N];
    int peer[N];
    unsigned gones;
    struct upstream_call *waiting;
    struct h2_conn *taker;
};

static struct upstream_call *on_next(void *arg, struct h2_conn *m)
{
    struct world *w = arg;
    struct upstream_call *call = w->waiting;

    if (call)
        w->taker = m;
    w->waiting = NULL;
    return call;
}

static void on_changed(void *arg, struct h2_conn *m)
{
    (void)arg;
    (void)m;
}

static void on_gone(void *arg, struct h2_conn *m, bool opened, const char *why)
{
    struct world *w = arg;

    (void)opened;
    (void)why;
    w->gones++;
    h2_pool_remove(&w->all, m);
}

static void on_ended(void *arg, struct upstream_call *call, bool well)
{
    (void)arg;
    (void)call;
    (void)well;
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run(struct world *w)
{
    struct loop_timer t;

    loop_timer_init(&t, w->loop, stop, w->loop);
    loop_timer_set(&t, 2000);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&t);
}

static void settle(struct world *w, unsigned i, uint32_t streams)
{
    struct buf b = BUF_INIT(1024);

    f_settings(&b, S_STREAMS, streams);
    CU_ASSERT_EQUAL(write(w->peer[i], b.data, buf_len(&b)), (ssize_t)buf_len(&b));
    buf_deinit(&b);
    run(w);
}

static void begin(struct world *w)
{
    struct h2_conn_limits limits = {FAR, FAR, FAR, 4096};
    struct h2_conn_owner owner = {on_next, on_changed, NULL, on_gone, on_ended, w};

    *w = (struct world){0};
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    h2_pool_init(&w->all);
    for (unsigned i = 0; i < N; i++) {
        int fds[2];

        CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
        w->peer[i] = fds[1];
        CU_ASSERT_EQUAL_FATAL(
            h2_conn_new(&w->h2_conn[i], w->loop, (struct stream){.fd = fds[0]}, &limits, &owner),
            0);
        h2_pool_add(&w->all, w->h2_conn[i]);
    }
}

static void finish(struct world *w)
{
    h2_pool_free(&w->all);
    CU_ASSERT_EQUAL(w->gones, N);
    CU_ASSERT_EQUAL(w->all.n, 0);
    loop_free(w->loop);
    for (unsigned i = 0; i < N; i++)
        (void)close(w->peer[i]);
}

static void counts(void)
{
    struct world w;

    begin(&w);
    CU_ASSERT_EQUAL(w.all.n, N);
    CU_ASSERT_EQUAL(h2_pool_opening(&w.all), N);
    CU_ASSERT_EQUAL(h2_pool_room(&w.all), 0);
    CU_ASSERT_EQUAL(h2_pool_wake(&w.all, 5), 0);
    settle(&w, 1, 2);
    settle(&w, 2, 30);
    CU_ASSERT_EQUAL(h2_pool_opening(&w.all), 1);
    CU_ASSERT_EQUAL(h2_pool_idle(&w.all), 2);
    CU_ASSERT_EQUAL(h2_pool_room(&w.all), 32);
    CU_ASSERT_EQUAL(h2_pool_calls(&w.all), 0);
    CU_ASSERT_EQUAL(h2_pool_wake(&w.all, 1), 2); /* the older one is enough */
    CU_ASSERT_EQUAL(h2_pool_wake(&w.all, 3), 32);
    finish(&w);
}

static void the_oldest_first(void)
{
    static const struct upstream_events EVENTS;
    struct world w;

    begin(&w);
    settle(&w, 2, 5);
    settle(&w, 1, 5);
    w.waiting = calloc(1, sizeof(*w.waiting));
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.waiting);
    w.waiting->events = &EVENTS;
    w.waiting->request = BUF_INIT_SECRET(1024);
    CU_ASSERT_EQUAL(buf_printf(&w.waiting->request, "DELETE /x HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    CU_ASSERT_EQUAL(h2_pool_wake(&w.all, 1), 5);
    run(&w);
    CU_ASSERT_PTR_EQUAL(w.taker, w.h2_conn[1]);
    CU_ASSERT_EQUAL(h2_pool_calls(&w.all), 1);
    CU_ASSERT_EQUAL(h2_pool_idle(&w.all), 1);
    CU_ASSERT_EQUAL(h2_pool_room(&w.all), 9);
    h2_pool_drain(&w.all); /* those without a call at once */
    CU_ASSERT_EQUAL(w.gones, 2);
    CU_ASSERT_EQUAL(w.all.n, 1);
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"counts", counts},
    {"the oldest first", the_oldest_first},
};
UNIT_MAIN("h2_pool", CASES)
