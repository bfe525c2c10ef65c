/*
 * Tells the service manager that the event loop still turns, so that it ends and restarts a daemon
 * that hangs (WatchdogSec= of its unit). The word is given by a timer of the loop itself: a turn
 * that does not come to its end gives none.
 */
#ifndef CENTION_BASE_WATCHDOG_H
#define CENTION_BASE_WATCHDOG_H

#include "base/loop.h"

struct watchdog {
    struct loop_timer timer;
    uint64_t every_us; /* half of what the manager allows; 0 when it doesn't watch */
    /* Whether the rest of the process is well, too; NULL: there is none. */
    bool (*well)(void *arg, uint64_t every_us);
    void *arg;
};

/*
 * Speaks at once, then twice in each of the manager's periods, unless `well`, if set by then, says
 * no. *w is zeroed but for those. Without a manager: nothing.
 */
void watchdog_start(struct watchdog *w, struct loop *loop);
void watchdog_stop(struct watchdog *w); /* before the loop goes; a zeroed one is fine */

#endif
