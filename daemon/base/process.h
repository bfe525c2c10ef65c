/*
 * What a process gives up for good before it reads the first outside byte.
 */
#ifndef CENTION_BASE_PROCESS_H
#define CENTION_BASE_PROCESS_H

#include "base/err.h"

/*
 * No core dumps, not traceable by the same user, no new privileges. Call it once, first thing in
 * main. -errno with err filled when the kernel refuses: the caller must not go on then.
 */
int sandbox_enter(struct err *err) __attribute__((warn_unused_result));

#endif
