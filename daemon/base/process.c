#include "base/process.h"

#include "base/asan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

int process_harden(struct err *err)
{
    struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) < 0)
        return err_set(err, -errno, "core dumps can't be turned off: %s", strerror(errno));
#if !CENTION_ASAN
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_set(err, -errno, "tracing can't be turned off: %s", strerror(errno));
#endif
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(err, -errno, "new privileges can't be given up: %s", strerror(errno));
    return 0;
}

/*
 * The usual soft limit, 1,024, exists for programs that use select(2); the hard limit is what the
 * administrator meant. Below both, accepting fewer clients is better than having no descriptor left
 * for the upstream.
 */
unsigned process_descriptors_allow(unsigned wanted)
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

unsigned process_descriptors_share(unsigned limit, unsigned wanted, unsigned reserve)
{
    unsigned left = limit > 2 * reserve ? limit - reserve : limit / 4;

    if (wanted < left)
        return wanted;
    return left ? left : 1;
}

#if CENTION_ASAN
#include <sanitizer/lsan_interface.h>
#endif

void process_exit(int code)
{
#if CENTION_ASAN
    __lsan_do_leak_check(); /* does not return when it finds one */
#endif
    quick_exit(code);
}
