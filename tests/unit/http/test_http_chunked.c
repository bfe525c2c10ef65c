#include "http/http_chunked.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

/* Feeds in pieces of `step` bytes, each at the end of readable memory; collects the content. */
static enum http_result feed(const char *data, size_t len, size_t step, char *out, size_t *out_len,
                             size_t *rest)
{
    struct http_chunked c = {0};
    size_t at = 0;

    *out_len = 0;
    while (at < len) {
        size_t take = len - at < step ? len - at : step, n = take, surplus = 0;
        char *g = unit_guard(data + at, take);
        const char *why = NULL;
        enum http_result r = http_chunked_decode(&c, g, &n, &surplus, &why);

        if (r != HTTP_BAD) {
            memcpy(out + *out_len, g, n);
            *out_len += n;
        }
        if (r == HTTP_DONE) {
            *rest = surplus + (len - at - take);
            CU_ASSERT_EQUAL(memcmp(g + take - surplus, data + at + take - surplus, surplus), 0);
        }
        unit_guard_free(g, take);
        if (r == HTTP_BAD && !why)
            CU_FAIL("no reason is given");
        if (r != HTTP_PARTIAL)
            return r;
        at += take;
    }
    return HTTP_PARTIAL;
}

static void good(void)
{
    static const struct {
        const char *data, *content;
        size_t rest;
    } T[] = {
        {"0\r\n\r\n", "", 0},
        {"5\r\nhello\r\n0\r\n\r\n", "hello", 0},
        {"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\nGET / HTTP/1.1", "hello!", 14},
        {"00000000000000a\r\n0123456789\r\n0\r\n\r\n", "0123456789", 0},
        {"A\r\n0123456789\r\n000\r\n\r\n", "0123456789", 0},
        {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n", 0},
        {"1\r\na\r\n0\r\nX: y\r\nZ:\r\n\r\nrest", "a", 4},
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
        for (size_t step = 1; step <= strlen(T[i].data); step++) {
            char out[64];
            size_t n = 0, rest = 0;

            CU_ASSERT_EQUAL(feed(T[i].data, strlen(T[i].data), step, out, &n, &rest), HTTP_DONE);
            CU_ASSERT_EQUAL(n, strlen(T[i].content));
            CU_ASSERT_EQUAL(memcmp(out, T[i].content, n), 0);
            CU_ASSERT_EQUAL(rest, T[i].rest);
        }
}

static void bad(void)
{
    static const char *const T[] = {
        "\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5\rhello\r\n0\r\n\r\n",
        "g\r\n",
        "0000000000000005\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\n: y\r\n\r\n",
        "0\r\nX: \x01\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\n\rx",
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
        for (size_t step = 1; step <= strlen(T[i]); step++) {
            char out[64];
            size_t n = 0, rest = 0;

            if (feed(T[i], strlen(T[i]), step, out, &n, &rest) != HTTP_BAD) {
                printf("\n    accepted in steps of %zu: %s\n", step, T[i]);
                CU_FAIL("accepted");
            }
        }
}

static void cut_anywhere_is_partial(void)
{
    static const char DATA[] = "5\r\nhello\r\n0\r\nX: y\r\n\r\n";

    for (size_t cut = 0; cut < sizeof(DATA) - 1; cut++) {
        char out[64];
        size_t n = 0, rest = 0;

        CU_ASSERT_EQUAL(feed(DATA, cut, 3, out, &n, &rest), HTTP_PARTIAL);
    }
}

static void trailers_are_bounded(void)
{
    struct http_chunked c = {0};
    enum http_result r = HTTP_PARTIAL;
    const char *why = NULL;
    char piece[100];
    size_t sum = 0;

    memcpy(piece, "0\r\nX: ", 6);
    for (size_t n = 6; r == HTTP_PARTIAL && sum < 100000; n = sizeof(piece)) {
        size_t len = n, surplus;

        if (n == sizeof(piece))
            memset(piece, 'a', n);
        r = http_chunked_decode(&c, piece, &len, &surplus, &why);
        sum += n;
    }
    CU_ASSERT_EQUAL(r, HTTP_BAD);
    CU_ASSERT(sum < HTTP_TRAILER_MAX + 300);
}

static const struct unit_case CASES[] = {
    {"good", good},
    {"bad", bad},
    {"cut anywhere is partial", cut_anywhere_is_partial},
    {"trailers are bounded", trailers_are_bounded},
};
UNIT_MAIN("http_chunked", CASES)
