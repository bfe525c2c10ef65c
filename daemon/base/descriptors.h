/*
 * How many descriptors this process may have open (RLIMIT_NOFILE).
 */
#ifndef CENTION_BASE_DESCRIPTORS_H
#define CENTION_BASE_DESCRIPTORS_H

/* Raises the soft limit to `wanted` as far as the hard one allows; returns the limit in force. */
unsigned descriptors_allow(unsigned wanted);

/*
 * How many of `wanted` connections there may be beside `reserve` other descriptors when `limit` may
 * be open in all: `wanted` where that fits, at least 1. What is too small for both is shared.
 */
unsigned descriptors_share(unsigned limit, unsigned wanted, unsigned reserve);

#endif
