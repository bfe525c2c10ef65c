#include "base/leave.h"

#include "base/asan.h"

#include <stdlib.h>

#if CENTION_ASAN
#include <sanitizer/lsan_interface.h>
#endif

void leave_now(int code)
{
#if CENTION_ASAN
    __lsan_do_leak_check(); /* does not return when it finds one */
#endif
    quick_exit(code);
}
