#include "base/loop.h"
#include "unit/unit.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct loop_hook a, b, c;
    char order[16];
    unsigned fired;
};

static void note(struct world *w, char c)
{
    w->order[strlen(w->order)] = c;
}

static void run_a(void *arg)
{
    struct world *w = arg;

    note(w, 'a');
    if (strlen(w->order) < 4)
        loop_defer(w->loop, &w->b);
}

static void run_b(void *arg)
{
    note(arg, 'b');
}

static void run_c(void *arg)
{
    struct world *w = arg;

    note(w, 'c');
    loop_stop(w->loop);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct world *w = arg;
    char byte;

    (void)what;
    CU_ASSERT_EQUAL(read(fd, &byte, 1), 1);
    loop_defer(w->loop, &w->a);
    loop_defer(w->loop, &w->a); /* once only */
    loop_defer(w->loop, &w->c);
    note(w, '.');
}

static void hooks_run_once_at_the_end_of_the_turn(void)
{
    struct world w = {0};
    struct event event;
    int fds[2];

    CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    w.a = (struct loop_hook){.run = run_a, .arg = &w};
    w.b = (struct loop_hook){.run = run_b, .arg = &w};
    w.c = (struct loop_hook){.run = run_c, .arg = &w};
    (void)event_assign(&event, loop_base(w.loop), fds[0], EV_READ | EV_PERSIST, on_socket, &w);
    (void)event_add(&event, NULL);
    CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1);
    CU_ASSERT_EQUAL(loop_run(w.loop), 0);
    CU_ASSERT_STRING_EQUAL(w.order, ".acb"); /* b was deferred by a, behind c */
    (void)event_del(&event);
    (void)close(fds[0]);
    (void)close(fds[1]);
    loop_free(w.loop);
}

static void a_cancelled_hook_does_not_run(void)
{
    struct world w = {0};

    CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
    w.a = (struct loop_hook){.run = run_a, .arg = &w};
    loop_cancel(w.loop, &w.a);
    loop_defer(w.loop, &w.a);
    loop_cancel(w.loop, &w.a);
    loop_free(w.loop);
    CU_ASSERT_STRING_EQUAL(w.order, "");
}

static void deferred_work_is_done_before_the_end(void)
{
    struct world w = {0};

    CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
    w.b = (struct loop_hook){.run = run_b, .arg = &w};
    loop_defer(w.loop, &w.b);
    loop_free(w.loop);
    CU_ASSERT_STRING_EQUAL(w.order, "b");
    loop_free(NULL);
}

static void fired(void *arg)
{
    struct world *w = arg;

    w->fired++;
    loop_stop(w->loop);
}

static void a_timer_that_is_pushed_back_fires_once_and_late(void)
{
    struct world w = {0};
    struct loop_timer t;
    uint64_t began;

    CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
    loop_timer_init(&t, w.loop, fired, &w);
    CU_ASSERT_FALSE(loop_timer_armed(&t));
    began = loop_now();
    loop_timer_set(&t, 1000);
    loop_timer_set(&t, 30000);
    CU_ASSERT_TRUE(loop_timer_armed(&t));
    CU_ASSERT_EQUAL(loop_run(w.loop), 0);
    CU_ASSERT(loop_now() - began >= 30000);
    CU_ASSERT_EQUAL(w.fired, 1);
    CU_ASSERT_FALSE(loop_timer_armed(&t));
    loop_timer_deinit(&t);
    loop_timer_deinit(&t);
    loop_free(w.loop);
}

static void an_earlier_deadline_wins(void)
{
    struct world w = {0};
    struct loop_timer t;
    uint64_t began = loop_now();

    CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
    loop_timer_init(&t, w.loop, fired, &w);
    loop_timer_set(&t, 60000000);
    loop_timer_set(&t, 1000);
    CU_ASSERT_EQUAL(loop_run(w.loop), 0);
    CU_ASSERT(loop_now() - began < 30000000);
    loop_timer_deinit(&t);
    loop_free(w.loop);
}

static void a_cleared_timer_does_not_fire(void)
{
    struct world w = {0}, other = {0};
    struct loop_timer t, end;

    CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
    other.loop = w.loop;
    loop_timer_init(&t, w.loop, fired, &w);
    loop_timer_init(&end, w.loop, fired, &other);
    loop_timer_set(&t, 1000);
    loop_timer_clear(&t);
    loop_timer_set(&end, 20000);
    CU_ASSERT_EQUAL(loop_run(w.loop), 0);
    CU_ASSERT_EQUAL(w.fired, 0);
    CU_ASSERT_EQUAL(other.fired, 1);
    loop_timer_deinit(&t);
    loop_timer_deinit(&end);
    loop_free(w.loop);
}

/* Its turn doesn't wait, takes what is there, and a hook that is put off again has one more. */
static void run_later(void *arg)
{
    struct world *w = arg;

    note(w, 'l');
    if (w->fired++ < 2)
        loop_defer_next(w->loop, &w->b);
    else
        loop_stop(w->loop);
}

static void a_hook_of_the_next_turn(void)
{
    struct world w = {0};
    struct event event;
    int fds[2];

    CU_ASSERT_EQUAL_FATAL(loop_new(&w.loop), 0);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    (void)event_assign(&event, loop_base(w.loop), fds[0], EV_READ, on_socket, &w);
    CU_ASSERT_EQUAL(event_add(&event, NULL), 0);
    CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1);
    w.a = (struct loop_hook){.run = run_b, .arg = &w};
    w.b = (struct loop_hook){.run = run_later, .arg = &w};
    w.c = (struct loop_hook){.run = run_c, .arg = &w};
    w.fired = 1;
    loop_defer(w.loop, &w.b);
    CU_ASSERT_EQUAL(loop_run(w.loop), 0); /* the socket's c stops it */
    CU_ASSERT_STRING_EQUAL(w.order, "l.lbc");
    memset(w.order, 0, sizeof(w.order));
    w.fired = 0;
    loop_defer_next(w.loop, &w.b);
    loop_defer(w.loop, &w.b); /* once only */
    loop_defer_next(w.loop, &w.a);
    loop_cancel(w.loop, &w.a);
    CU_ASSERT_EQUAL(loop_run(w.loop), 0);
    CU_ASSERT_STRING_EQUAL(w.order, "lll");
    (void)event_del(&event);
    (void)close(fds[0]);
    (void)close(fds[1]);
    loop_free(w.loop);
}

static struct loop *loop;
static int ended, reloaded;

static void on_end(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    CU_ASSERT_PTR_EQUAL(arg, &loop);
    ended = (int)number;
    loop_stop(loop);
}

static void on_reload(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    CU_ASSERT_PTR_EQUAL(arg, &loop);
    reloaded = (int)number;
    loop_stop(loop);
}

static void test_each_has_its_own(void)
{
    struct signals s = {{0}};

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(signals_init(&s, loop, on_end, on_reload, &loop), 0);
    (void)kill(getpid(), SIGHUP);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_EQUAL(reloaded, SIGHUP);
    CU_ASSERT_EQUAL(ended, 0);
    (void)kill(getpid(), SIGINT);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_EQUAL(ended, SIGINT);
    (void)kill(getpid(), SIGPIPE);
    (void)kill(getpid(), SIGTERM);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_EQUAL(ended, SIGTERM);
    signals_deinit(&s);
    /* Late ones do nothing. */
    (void)kill(getpid(), SIGTERM);
    (void)kill(getpid(), SIGHUP);
    signals_deinit(&s);
    loop_free(loop);
}

static const struct unit_case CASES[] = {
    {"hooks run once, at the end of the turn", hooks_run_once_at_the_end_of_the_turn},
    {"a cancelled hook does not run", a_cancelled_hook_does_not_run},
    {"deferred work is done before the end", deferred_work_is_done_before_the_end},
    {"a timer that is pushed back fires once, and late",
     a_timer_that_is_pushed_back_fires_once_and_late},
    {"a hook of the next turn", a_hook_of_the_next_turn},
    {"an earlier deadline wins", an_earlier_deadline_wins},
    {"a cleared timer does not fire", a_cleared_timer_does_not_fire},
    {"each has its own", test_each_has_its_own},
};

UNIT_MAIN("loop", CASES)
