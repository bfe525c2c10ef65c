/* What fuzz targets say of what they see: it holds, or the process ends and the input is a finding.
 */
#ifndef CENTION_TESTS_FUZZ_MUST_H
#define CENTION_TESTS_FUZZ_MUST_H

#include "base/slice.h"

#include <stdlib.h>

static inline void must(bool holds)
{
    if (!holds)
        abort();
}

/* Nothing that a terminal could take for a command. */
static inline void must_print(const char *text)
{
    for (; *text; text++)
        must(*text >= 0x20 && *text <= 0x7e);
}

/* A copy of its bytes up to the first NUL, as a C string; free it. */
static inline char *must_copy(struct slice s)
{
    char *text = strndup(s.len ? s.data : "", s.len);

    must(text != NULL);
    return text;
}

#endif
