#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

void err_text(struct err *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    /* Quoted text comes from a file and may hold a line end. */
    for (char *p = err->text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
}
