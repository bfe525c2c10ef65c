/*
 * For builds with --enable-debug-sandbox only: a system call that the filter denies is logged by
 * its name, to standard error, and fails with EPERM as it would in another build.
 */
#ifndef CENTION_SANDBOX_TRAP_H
#define CENTION_SANDBOX_TRAP_H

#include "base/attributes.h"

/* Installs the handler of SIGSYS. Call it before the filter is entered. 0 or -errno. */
int trap_install(void) MUST_CHECK;

#endif
