/*
 * A token bucket: `per_second` requests in the long run, up to `burst` at once. The clock is the
 * caller's, monotonic, in microseconds.
 */
#ifndef CENTION_POLICY_RATE_H
#define CENTION_POLICY_RATE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stdint.h>

struct rate {
    double per_second, burst; /* per_second 0: no limit */
    double level;             /* what may be taken at `at` */
    uint64_t at;
};

/* A full bucket. `burst` 0: the larger of 1 and `per_second`. */
void rate_init(struct rate *rate, double per_second, double burst);

/* Takes one; false when there is none. A clock that steps back fills nothing. */
bool rate_take(struct rate *rate, uint64_t now_us) MUST_CHECK;

/* Goes on with what `old` has left, when both have the same limits. */
void rate_continue(struct rate *rate, const struct rate *old);

#endif
