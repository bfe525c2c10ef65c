#include "policy/rate.h"

void rate_init(struct rate *rate, double per_second, double burst)
{
    if (!(burst > 0))
        burst = per_second > 1 ? per_second : 1;
    *rate = (struct rate){.per_second = per_second, .burst = burst, .level = burst};
}

bool rate_take(struct rate *rate, uint64_t now_us)
{
    if (!(rate->per_second > 0))
        return true;
    if (now_us > rate->at) {
        rate->level += (double)(now_us - rate->at) * rate->per_second / 1e6;
        if (rate->level > rate->burst)
            rate->level = rate->burst;
        rate->at = now_us;
    }
    /* What a second's worth of small steps lacks by rounding is not held against anyone. */
    if (rate->level < 1 - 1e-9)
        return false;
    rate->level -= 1;
    return true;
}

void rate_continue(struct rate *rate, const struct rate *old)
{
    if (rate->per_second <= old->per_second && rate->per_second >= old->per_second &&
        rate->burst <= old->burst && rate->burst >= old->burst)
        *rate = *old;
}
