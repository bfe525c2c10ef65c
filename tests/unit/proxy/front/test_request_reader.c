/* Requests from bytes, cut at every place. */
#include "proxy/front/request_reader.h"
#include "unit/unit.h"

#include <string.h>

enum {
    HEAD_MOST = 100,
    BODY_MOST = 10,
};

struct reading {
    struct request_reader reader;
    struct buf in;
    struct http_head head;
    struct refusal why;
};

/* What comes of the bytes when they arrive in two pieces, the first of `cut` bytes. */
static enum request_part read_cut(struct reading *r, const char *text, size_t n, size_t cut)
{
    enum request_part part = REQUEST_PARTIAL;
    bool headed = false;

    *r = (struct reading){.in = BUF_INIT(1000)};
    for (size_t from = 0; part == REQUEST_PARTIAL && from < n; from = from == 0 && cut ? cut : n) {
        size_t to = from == 0 && cut ? cut : n;

        CU_ASSERT_EQUAL_FATAL(buf_append(&r->in, text + from, to - from), 0);
        if (!headed) {
            part = request_reader_head(&r->reader, &r->in, HEAD_MOST, &r->head, &r->why);
            headed = part == REQUEST_HEAD;
            if (!headed)
                continue;
            if (!request_reader_begin_body(&r->reader, &r->head, BODY_MOST, &r->why))
                return REQUEST_REFUSED;
        }
        part = request_reader_body(&r->reader, &r->in, BODY_MOST, &r->why);
    }
    return part;
}

struct wanted {
    const char *text;
    enum request_part part;
    unsigned status;
    const char *body;
    size_t behind; /* bytes behind the request */
};

static void check(const struct wanted *w)
{
    size_t n = strlen(w->text);

    for (size_t cut = 0; cut < n; cut++) {
        struct reading r;
        struct http_head again;
        enum request_part part = read_cut(&r, w->text, n, cut);

        CU_ASSERT_EQUAL(part, w->part);
        if (part == REQUEST_REFUSED)
            CU_ASSERT_EQUAL(r.why.status, w->status);
        if (part == REQUEST_WHOLE) {
            struct slice all = buf_slice(&r.in);

            CU_ASSERT(slice_eq(slice_of(all.data + r.reader.head_len, r.reader.body_len),
                               slice_str(w->body)));
            /* What came behind may not be read yet. */
            CU_ASSERT(all.len - r.reader.len == w->behind || all.len - r.reader.len < w->behind);
            CU_ASSERT(request_reader_head_again(&r.reader, &r.in, &again));
            CU_ASSERT(slice_eq(again.target, SLICE_LIT("/x")));
        }
        buf_deinit(&r.in);
    }
}

static void test_cut_anywhere(void)
{
    static const struct wanted T[] = {
        {"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}", REQUEST_WHOLE, 0, "{}", 0},
        {"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}P", REQUEST_WHOLE, 0, "{}", 1},
        {"GET /x HTTP/1.1\r\nHost: h\r\n\r\n", REQUEST_WHOLE, 0, "", 0},
        {"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{", REQUEST_PARTIAL, 0, "", 0},
        {"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n"
         "0\r\n\r\n",
         REQUEST_WHOLE, 0, "{}", 0},
        {"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\nx\r\n",
         REQUEST_REFUSED, 400, "", 0},
        {"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n"
         "12345\r\n0\r\n\r\n",
         REQUEST_REFUSED, 413, "", 0},
        {"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", REQUEST_REFUSED, 413, "", 0},
        {"POST /x HTTP/1.1\nHost: h\r\n\r\n", REQUEST_REFUSED, 400, "", 0},
        {"GET /x HTTP/1.1\r\nHost: h\r\nA: "
         "0123456789012345678901234567890123456789012345678901234567890"
         "1234567890\r\n\r\n",
         REQUEST_REFUSED, 431, "", 0},
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
        check(&T[i]);
}

static void test_skip(void)
{
    static const char TEXT[] = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";
    struct reading r = {.in = BUF_INIT(1000)};

    CU_ASSERT_EQUAL_FATAL(buf_append(&r.in, TEXT, sizeof(TEXT) - 2), 0);
    CU_ASSERT_EQUAL(request_reader_head(&r.reader, &r.in, HEAD_MOST, &r.head, &r.why),
                    REQUEST_HEAD);
    CU_ASSERT(request_reader_begin_body(&r.reader, &r.head, BODY_MOST, &r.why));
    CU_ASSERT_FALSE(request_reader_has_body(&r.reader, &r.in));
    CU_ASSERT_EQUAL_FATAL(buf_append(&r.in, "}", 1), 0);
    CU_ASSERT(request_reader_has_body(&r.reader, &r.in));
    request_reader_skip_body(&r.reader);
    CU_ASSERT_EQUAL(r.reader.len, buf_len(&r.in));
    buf_deinit(&r.in);
}

static const struct unit_case CASES[] = {
    {"cut anywhere", test_cut_anywhere},
    {"a body that is not looked at", test_skip},
};

UNIT_MAIN("request_reader", CASES)
