#include "ship/watch.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    TOLD_US = 2000000,  /* the clock beside inotify */
    UNTOLD_US = 250000, /* without it */
};

struct watch {
    void (*wake)(void *arg);
    void *arg;
    uint64_t delay_us;
    int inotify; /* -1: none */
    struct event *status;
    struct loop_timer delay, clock;
};

/* That something changed is all that counts. */
static void drain(const struct watch *w)
{
    char events[16 * 1024];

    while (read(w->inotify, events, sizeof(events)) > 0)
        ;
}

static void wake(struct watch *w)
{
    loop_timer_set(&w->clock, w->inotify < 0 ? UNTOLD_US : TOLD_US);
    w->wake(w->arg);
}

/* What comes from here on is for the next time. */
static void on_delay_over(void *arg)
{
    struct watch *w = arg;

    drain(w);
    (void)event_add(w->status, NULL);
    wake(w);
}

/* While it waits the kernel merges what it has to tell, and nobody is woken for it. */
static void on_status(evutil_socket_t fd, short what, void *arg)
{
    struct watch *w = arg;

    (void)fd;
    (void)what;
    (void)event_del(w->status);
    if (w->delay_us)
        loop_timer_set(&w->delay, w->delay_us);
    else
        on_delay_over(w);
}

static void on_clock(void *arg)
{
    wake(arg);
}

static int start_inotify(struct watch *w, struct loop *loop, const char *folder)
{
    w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (w->inotify >= 0 && inotify_add_watch(w->inotify, folder,
                                             IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0) {
        (void)close(w->inotify);
        w->inotify = -1;
    }
    if (w->inotify < 0) {
        log_warning("watch", "folder=%s why=\"inotify: %s; it is looked at by the clock\"", folder,
                    strerror(errno));
        return 0;
    }
    w->status = event_new(loop_base(loop), w->inotify, EV_READ | EV_PERSIST, on_status, w);
    return w->status && event_add(w->status, NULL) == 0 ? 0 : -ENOMEM;
}

int watch_new(struct watch **out, struct loop *loop, const char *folder, uint64_t delay_us,
              void (*call)(void *arg), void *arg)
{
    struct watch *w = calloc(1, sizeof(*w));

    if (!w)
        return -ENOMEM;
    w->wake = call;
    w->arg = arg;
    w->delay_us = delay_us;
    loop_timer_init(&w->delay, loop, on_delay_over, w);
    loop_timer_init(&w->clock, loop, on_clock, w);
    if (start_inotify(w, loop, folder) < 0) {
        watch_free(w);
        return -ENOMEM;
    }
    loop_timer_set(&w->clock, w->inotify < 0 ? UNTOLD_US : TOLD_US);
    *out = w;
    return 0;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    if (w->status)
        event_free(w->status);
    if (w->inotify >= 0)
        (void)close(w->inotify);
    loop_timer_deinit(&w->delay);
    loop_timer_deinit(&w->clock);
    free(w);
}
