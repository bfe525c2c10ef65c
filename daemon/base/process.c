#include "base/process.h"

#include "base/asan.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

int sandbox_enter(struct err *err)
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
