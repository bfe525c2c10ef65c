#include "base/signals.h"

#include <errno.h>
#include <signal.h>

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
        /* What libevent puts back at the end: a late signal must not turn a good end into a bad. */
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
