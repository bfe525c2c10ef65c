/*
 * libevent offers no hook at the end of a turn, so each turn is one event_base_loop(EVLOOP_ONCE):
 * it waits, runs every callback that became active, and returns; then the deferred hooks run.
 */
#include "base/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum {
    LAST_TURNS = 4,
};

struct loop {
    struct event_base *base;
    struct loop_hook hooks; /* ring; the anchor is never run */
    struct loop_hook next;  /* ring of those for the next turn's end */
    bool stop, running;
    uint64_t time; /* of this turn; 0 before it is asked for */
};

static uint64_t read_clock(clockid_t clock)
{
    struct timespec ts;

    (void)clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t loop_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t loop_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t loop_time(struct loop *loop)
{
    if (!loop->running)
        return loop_now();
    if (loop->time == 0)
        loop->time = loop_now();
    return loop->time;
}

int loop_new(struct loop **out)
{
    struct event_config *config = event_config_new();
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop && config) {
        (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        loop->base = event_base_new_with_config(config);
    }
    if (config)
        event_config_free(config);
    if (!loop || !loop->base) {
        free(loop);
        return -ENOMEM;
    }
    loop->hooks.next = loop->hooks.prev = &loop->hooks;
    loop->next.next = loop->next.prev = &loop->next;
    *out = loop;
    return 0;
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

static void queue(struct loop_hook *ring, struct loop_hook *hook)
{
    if (hook->queued)
        return;
    hook->queued = true;
    hook->next = ring;
    hook->prev = ring->prev;
    hook->prev->next = hook;
    ring->prev = hook;
}

void loop_defer(struct loop *loop, struct loop_hook *hook)
{
    queue(&loop->hooks, hook);
}

void loop_defer_next(struct loop *loop, struct loop_hook *hook)
{
    queue(&loop->next, hook);
}

void loop_cancel(struct loop *loop, struct loop_hook *hook)
{
    (void)loop;
    if (!hook->queued)
        return;
    hook->queued = false;
    hook->prev->next = hook->next;
    hook->next->prev = hook->prev;
}

static void run_hooks(struct loop *loop)
{
    while (loop->hooks.next != &loop->hooks) {
        struct loop_hook *hook = loop->hooks.next;

        loop_cancel(loop, hook);
        hook->run(hook->arg);
    }
}

/* True when there is one: the coming turn must not wait. */
static bool take_next(struct loop *loop)
{
    bool any = loop->next.next != &loop->next;

    while (loop->next.next != &loop->next) {
        struct loop_hook *hook = loop->next.next;

        loop_cancel(loop, hook);
        queue(&loop->hooks, hook);
    }
    return any;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    /* Cancelled look-ups may have left callbacks for the next turn. */
    for (unsigned i = 0; i < LAST_TURNS; i++) {
        run_hooks(loop);
        (void)take_next(loop);
        (void)event_base_loop(loop->base, EVLOOP_NONBLOCK);
    }
    run_hooks(loop);
    event_base_free(loop->base);
    free(loop);
}

int loop_run(struct loop *loop)
{
    int r = 0;

    (void)take_next(loop);
    run_hooks(loop);
    loop->running = true;
    while (!loop->stop && r == 0) {
        int flags = take_next(loop) ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE;

        loop->time = 0;
        if (event_base_loop(loop->base, flags) < 0)
            r = -EIO;
        else
            run_hooks(loop);
    }
    loop->stop = loop->running = false;
    return r;
}

void loop_stop(struct loop *loop)
{
    loop->stop = true;
}

static void timer_sleep(struct loop_timer *t, uint64_t now)
{
    uint64_t delay = t->deadline > now ? t->deadline - now : 0;
    struct timeval tv = {.tv_sec = (time_t)(delay / 1000000u),
                         .tv_usec = (suseconds_t)(delay % 1000000u)};

    t->wake = t->deadline;
    (void)event_add(&t->event, &tv);
}

static void timer_fired(evutil_socket_t fd, short what, void *arg)
{
    struct loop_timer *t = arg;
    uint64_t now = loop_now();

    (void)fd;
    (void)what;
    t->wake = 0;
    if (t->deadline == 0)
        return;
    if (now < t->deadline) {
        timer_sleep(t, now);
        return;
    }
    t->deadline = 0;
    t->run(t->arg);
}

void loop_timer_init(struct loop_timer *t, struct loop *loop, void (*run)(void *arg), void *arg)
{
    *t = (struct loop_timer){.loop = loop, .run = run, .arg = arg};
    (void)event_assign(&t->event, loop->base, -1, 0, timer_fired, t);
}

void loop_timer_set(struct loop_timer *t, uint64_t delay_us)
{
    uint64_t now = loop_time(t->loop);

    t->deadline = now + delay_us;
    if (t->wake == 0 || t->deadline < t->wake)
        timer_sleep(t, now);
}

void loop_timer_clear(struct loop_timer *t)
{
    t->deadline = 0;
}

void loop_timer_deinit(struct loop_timer *t)
{
    t->deadline = 0;
    if (t->loop)
        (void)event_del(&t->event);
    t->loop = NULL;
    t->wake = 0;
}

static const int NUMBERS[] = {SIGTERM, SIGINT, SIGHUP};

enum {
    N_SIGNALS = sizeof(NUMBERS) / sizeof(NUMBERS[0]),
};

_Static_assert(N_SIGNALS == sizeof(((struct signals *)0)->events) / sizeof(struct event *),
               "an event for each");

int signals_init(struct signals *s, struct loop *loop, event_callback_fn end,
                 event_callback_fn reload, void *arg)
{
    (void)signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < N_SIGNALS; i++) {
        /* libevent restores these handlers at the end: a late signal must not turn a good exit into
         * a failure. */
        (void)signal(NUMBERS[i], SIG_IGN);
        s->events[i] =
            evsignal_new(loop_base(loop), NUMBERS[i], NUMBERS[i] == SIGHUP ? reload : end, arg);
        if (!s->events[i] || event_add(s->events[i], NULL) < 0)
            return -ENOMEM;
    }
    return 0;
}

void signals_deinit(struct signals *s)
{
    for (unsigned i = 0; i < N_SIGNALS; i++)
        if (s->events[i])
            event_free(s->events[i]);
    *s = (struct signals){0};
}
