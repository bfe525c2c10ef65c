/*
 * The usual soft limit, 1,024, exists for programs that use select(2); the hard limit is what the
 * administrator meant. Below both, accepting fewer clients is better than having no descriptor left
 * for the upstream.
 */
#include "base/descriptors.h"

#include <limits.h>
#include <sys/resource.h>

unsigned descriptors_allow(unsigned wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return wanted;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
            return wanted;
    }
    return limit.rlim_cur > UINT_MAX ? UINT_MAX : (unsigned)limit.rlim_cur;
}

unsigned descriptors_share(unsigned limit, unsigned wanted, unsigned reserve)
{
    unsigned left = limit > 2 * reserve ? limit - reserve : limit / 4;

    if (wanted < left)
        return wanted;
    return left ? left : 1;
}
