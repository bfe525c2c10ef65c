/*
 * Landlock: which files a process may still reach, and which TCP ports. It speaks to the kernel by
 * itself; headers of an old kernel don't know what a new one can.
 */
#ifndef CENTION_SANDBOX_LANDLOCK_H
#define CENTION_SANDBOX_LANDLOCK_H

#include "sandbox/sandbox.h"

enum {
    LANDLOCK_ABI_PORTS = 4, /* from this version of Landlock on TCP ports are confined */
};

/*
 * Confines the process to the paths and ports of *c. Returns the version of the kernel's Landlock,
 * or 0 when it has none and nothing was confined; -errno with err filled when it has, but refuses.
 */
int landlock_enter(const struct sandbox *c, struct err *err) MUST_CHECK;

#endif
