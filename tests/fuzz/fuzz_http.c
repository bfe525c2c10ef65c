/*
 * Arbitrary bytes as a request head, an answer head and a chunked body: the verdict must not
 * depend on how the bytes were split. The first byte says where.
 */
#include "http/http_chunked.h"
#include "http/http_parse.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef enum http_result (*parse_function)(const char *, size_t, struct http_progress *,
                                           struct http_head *, const char **);

static enum http_result parse_answer(const char *data, size_t len, struct http_progress *p,
                                     struct http_head *head, const char **why)
{
    return http_answer_parse(data, len, false, p, head, why);
}

static void heads(parse_function parse, const char *data, size_t len, size_t step)
{
    struct http_progress whole_progress = {0}, progress = {0};
    struct http_head whole, pieces;
    const char *why;
    enum http_result r = parse(data, len, &whole_progress, &whole, &why), s = HTTP_PARTIAL;

    for (size_t have = 0; s == HTTP_PARTIAL; have = len - have < step ? len : have + step) {
        s = parse(data, have, &progress, &pieces, &why);
        if (have == len)
            break;
    }
    if (r != s)
        abort();
    if (r == HTTP_DONE && (whole.head_len != pieces.head_len || whole.head_len > len ||
                           whole.n_fields != pieces.n_fields || whole.framing != pieces.framing))
        abort();
}

static void chunks(const char *data, size_t len, size_t step, bool extensions)
{
    struct http_chunked one = {.extensions = extensions}, many = one;
    char *copy = malloc(len + 1), *other = malloc(len + 1);
    size_t n = len, surplus = 0, got = 0;
    enum http_result r, s = HTTP_PARTIAL;
    const char *why;

    if (!copy || !other)
        abort();
    memcpy(copy, data, len);
    r = http_chunked_decode(&one, copy, &n, &surplus, &why);
    for (size_t at = 0; at < len && s == HTTP_PARTIAL; at += step) {
        size_t take = len - at < step ? len - at : step, left = 0;

        memcpy(other + got, data + at, take);
        s = http_chunked_decode(&many, other + got, &take, &left, &why);
        got += s == HTTP_BAD ? 0 : take;
    }
    if (r != s || (r != HTTP_BAD && (n != got || memcmp(copy, other, n) != 0)))
        abort();
    free(copy);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t step;

    if (size == 0)
        return 0;
    step = 1 + data[0] % 31;
    heads(http_request_parse, (const char *)data + 1, size - 1, step);
    heads(parse_answer, (const char *)data + 1, size - 1, step);
    chunks((const char *)data + 1, size - 1, step, false);
    chunks((const char *)data + 1, size - 1, step, true);
    return 0;
}
