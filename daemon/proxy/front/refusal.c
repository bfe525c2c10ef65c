#include "proxy/front/refusal.h"

#include <stdarg.h>
#include <stdio.h>

bool refuse(struct refusal *r, unsigned status, const char *code, const char *format, ...)
{
    va_list args;

    *r = (struct refusal){.status = status, .code = code, .outcome = "not-sent"};
    va_start(args, format);
    (void)vsnprintf(r->text, sizeof(r->text), format, args);
    va_end(args);
    return false;
}
