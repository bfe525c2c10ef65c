#include "base/watchdog.h"

#include "base/service.h"

static void watchdog_speak(void *arg)
{
    struct watchdog *w = arg;

    if (!w->well || w->well(w->arg, w->every_us))
        service_alive();
    loop_timer_set(&w->timer, w->every_us);
}

void watchdog_start(struct watchdog *w, struct loop *loop)
{
    w->every_us = service_watchdog_us() / 2;
    loop_timer_init(&w->timer, loop, watchdog_speak, w);
    if (w->every_us)
        watchdog_speak(w);
}

void watchdog_stop(struct watchdog *w)
{
    loop_timer_deinit(&w->timer);
}
