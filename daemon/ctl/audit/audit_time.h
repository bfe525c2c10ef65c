/*
 * The moments of --since, --until and --time, in the one form that records have, so that comparing
 * two times is comparing their bytes.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_TIME_H
#define CENTION_CTL_AUDIT_AUDIT_TIME_H

#include "audit/seal.h"

#include <stdint.h>

/*
 * RFC 3339 in UTC (2026-11-24T09:15:02Z, with up to nine digits of a fraction, of which six count),
 * a date (the day's first moment), or an age before `now_us` (microseconds since 1970): a number
 * and s, m, h, d or w. 0, or -EINVAL with *out untouched.
 */
int audit_time_parse(char out[SEAL_TIME], const char *text, uint64_t now_us)
    __attribute__((warn_unused_result));

/* The host's clock: microseconds since 1970. */
uint64_t audit_time_now(void);

#endif
