/*
 * Fuzzes patterns with texts: the input is a pattern, a NUL and a text. Beside not crashing or
 * growing without bound: a pattern that is unanchored finds what it matches behind other
 * characters too, and compiling twice gives the same answer.
 */
#include "api/pattern.h"
#include "fuzz/must.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t split = end ? (size_t)(end - data) : size;
    struct slice source = slice_of(data, split);
    struct pattern *one = NULL, *other = NULL;
    struct err err = ERR_INIT, again = ERR_INIT;
    int r = pattern_new(&one, source, &err);

    must(r == 0 ? one != NULL : r == -EINVAL && !one && err.text[0]);
    must(pattern_new(&other, source, &again) == r && strcmp(err.text, again.text) == 0);
    if (r == 0 && end) {
        struct slice text = slice_of(data + split + 1, size - split - 1);
        bool found = pattern_match(one, text);

        must(pattern_match(other, text) == found);
        if (found && split && !memchr(data, '^', split)) {
            char *longer = malloc(text.len + 2);

            must(longer != NULL);
            longer[0] = 'x';
            if (text.len)
                memcpy(longer + 1, text.data, text.len);
            must(pattern_match(one, slice_of(longer, text.len + 1)));
            free(longer);
        }
    }
    pattern_free(one);
    pattern_free(other);
    return 0;
}
