/*
 * The end of a process whose libraries have threads of their own. Such a thread may still be at
 * work when main returns (libnats has one that outlives its connection), and what libraries clean
 * up at exit, libcrypto above all, doesn't wait for it: so nothing is cleaned up.
 */
#ifndef CENTION_BASE_LEAVE_H
#define CENTION_BASE_LEAVE_H

/* Ends the process. What stands in stdio's buffers is lost: the caller has flushed them. Builds
 * that look for leaks look here. */
_Noreturn void leave_now(int code);

#endif
