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
int process_harden(struct err *err) MUST_CHECK;

/* Raises the soft limit to `wanted` as far as the hard one allows; returns the limit in force. */
unsigned process_descriptors_allow(unsigned wanted);

/*
 * How many of `wanted` connections there may be beside `reserve` other descriptors when `limit` may
 * be open in all: `wanted` where that fits, at least 1. What is too small for both is shared.
 */
unsigned process_descriptors_share(unsigned limit, unsigned wanted, unsigned reserve);

/*
 * The end of a process whose libraries have threads of their own. Such a thread may still be at
 * work when main returns (libnats has one that outlives its connection), and what libraries clean
 * up at exit, libcrypto above all, doesn't wait for it: so nothing is cleaned up.
 */

/* Ends the process. What stands in stdio's buffers is lost: the caller has flushed them. Builds
 * that look for leaks look here. */
_Noreturn void process_exit(int code);

#endif
