/*
 * Wakes the shippers when something may have changed in the audit folder: by inotify(7), and by a
 * slow clock, because inotify can miss changes. However often the keeper writes, a wake comes at
 * most once in every `delay`, so that a steady trickle of records makes few batches.
 */
#ifndef CENTION_SHIP_WATCH_H
#define CENTION_SHIP_WATCH_H

#include "base/loop.h"

struct watch;

/* Without inotify the clock is quicker. 0 or -ENOMEM. `folder` is its path. */
int watch_new(struct watch **out, struct loop *loop, const char *folder, uint64_t delay_us,
              void (*wake)(void *arg), void *arg) MUST_CHECK;
void watch_free(struct watch *watch); /* NULL is allowed */

#endif
