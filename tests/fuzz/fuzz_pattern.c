/*
 * Fuzzes patterns with texts: the input is a pattern, a NUL and a text. Beside not crashing or
 * growing without bound: a pattern that is unanchored finds what it matches behind other
 * characters too, and compiling twice gives the same answer.
 */
#include "api/pattern.h"
#include "base/utf8.h"
#include "fuzz/must.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_utf8(const uint8_t *text, size_t n)
{
    size_t len = 1;

    for (size_t i = 0; i < n && len; i += len)
        len = text[i] < 0x80 ? 1 : utf8_len(text + i, n - i);
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t split = end ? (size_t)(end - data) : size;
    struct slice source = slice_of(data, split);
    static struct pattern_memory memory;
    struct pattern *one = NULL, *other = NULL;
    struct err err = ERR_INIT, again = ERR_INIT;
    int r = pattern_new(&one, source, &err);

    must(r == 0 ? one != NULL : r == -EINVAL && !one && err.text[0]);
    must(pattern_new(&other, source, &again) == r && strcmp(err.text, again.text) == 0);
    if (r == 0 && end && is_utf8(end + 1, size - split - 1)) {
        struct slice text = slice_of(data + split + 1, size - split - 1);
        enum pattern_answer found = pattern_match(one, text, &memory);

        must(pattern_match(other, text, &memory) == found);
        if (found == PATTERN_YES && split && !memchr(data, '^', split)) {
            char *longer = malloc(text.len + 2);

            must(longer != NULL);
            longer[0] = 'x';
            if (text.len)
                memcpy(longer + 1, text.data, text.len);
            must(pattern_match(one, slice_of(longer, text.len + 1), &memory) != PATTERN_NO);
            free(longer);
        }
    }
    pattern_free(one);
    pattern_free(other);
    return 0;
}
