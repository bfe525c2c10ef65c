/*
 * seccomp: which system calls a process may still make, and with which arguments.
 */
#ifndef CENTION_SANDBOX_SECCOMP_H
#define CENTION_SANDBOX_SECCOMP_H

#include "sandbox/sandbox.h"

/*
 * Enters the filter of the role. Afterwards a call that only an exploit would make (execve, ptrace,
 * mount, loading a module ...) kills the process with SIGSYS, and every other that the role doesn't
 * need fails with EPERM. The proxy's and the shipper's cover all of their threads. -errno with err
 * filled when the kernel can't; it says what to do.
 */
int seccomp_filter_enter(const struct sandbox *c, struct err *err) MUST_CHECK;

#endif
