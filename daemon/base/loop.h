/*
 * The event loop of a daemon: libevent's loop taken turn by turn, so that work which the events of
 * one turn produced is done once at its end (one write for all messages, one fdatasync for all
 * records), cheap timers, and signals. Nothing here blocks but the wait for events itself.
 */
#ifndef CENTION_BASE_LOOP_H
#define CENTION_BASE_LOOP_H

#include "base/attributes.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct loop;

int loop_new(struct loop **out) MUST_CHECK;
void loop_free(struct loop *loop); /* runs what is still due first; NULL is allowed */

struct event_base *loop_base(struct loop *loop);

/* Runs until loop_stop, at once if that came before; may be called again then. 0, or -EIO when the
 * loop itself failed. */
int loop_run(struct loop *loop) MUST_CHECK;
void loop_stop(struct loop *loop);

/* CLOCK_MONOTONIC in microseconds. */
uint64_t loop_now(void);

/* The host's wall clock, which may jump: microseconds since 1970, UTC. */
uint64_t loop_wall(void);
/* As loop_now, but read once a turn, when it is first asked for: as accurate as timers are. */
uint64_t loop_time(struct loop *loop);

/*
 * A function to run once at the end of the turn in which it was deferred. Hooks run in the order
 * of deferral; a hook deferred by a hook runs in the same turn's end. Embed it zeroed but for
 * `run` and `arg`; cancel it before its owner goes.
 */
struct loop_hook {
    void (*run)(void *arg);
    void *arg;
    struct loop_hook *next, *prev;
    bool queued;
};

void loop_defer(struct loop *loop, struct loop_hook *hook);
/* Likewise, for the end of the next turn, which takes what is there and doesn't wait. */
void loop_defer_next(struct loop *loop, struct loop_hook *hook);
void loop_cancel(struct loop *loop, struct loop_hook *hook);

/*
 * A timer that is cheap to postpone: setting a later deadline does not touch libevent's heap; when
 * the event fires early, it is armed again. Accuracy is one turn. deinit before the owner goes;
 * deinit of a zeroed timer is fine.
 */
struct loop_timer {
    struct event event;
    struct loop *loop;
    void (*run)(void *arg);
    void *arg;
    uint64_t deadline; /* monotonic microseconds; 0 when off */
    uint64_t wake;     /* when the event fires; 0 when not pending */
};

void loop_timer_init(struct loop_timer *t, struct loop *loop, void (*run)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *t, uint64_t delay_us);
void loop_timer_clear(struct loop_timer *t);
void loop_timer_deinit(struct loop_timer *t);

static inline bool loop_timer_armed(const struct loop_timer *t)
{
    return t->deadline != 0;
}

/*
 * The signals of a daemon, delivered on its loop: SIGTERM and SIGINT end it, SIGHUP makes it read
 * its settings again. SIGPIPE is ignored: a write to a closed pipe or socket is an error return.
 */

struct signals {
    struct event *events[3];
};

/* Into a zeroed one. The functions get the signal's number as their first argument. -ENOMEM: then
 * some may be set; deinit it in every case. */
int signals_init(struct signals *s, struct loop *loop, event_callback_fn end,
                 event_callback_fn reload, void *arg) MUST_CHECK;
/* From then on they are ignored. Before the loop goes; a zeroed one is allowed. */
void signals_deinit(struct signals *s);

#endif
