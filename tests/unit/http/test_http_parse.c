/*
 * Every head is fed whole, cut in two at each byte, and byte by byte, always right before a page
 * that can't be read and from a fresh place each time: the verdict must be the same.
 */
#include "http/http_parse.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

struct sample {
    const char *data;
    size_t len;
};

#define S(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define H "Host: h\r\n"

static enum http_result parse(bool answer, const char *data, size_t len, struct http_progress *p,
                              struct http_head *head, const char **why)
{
    return answer ? http_answer_parse(data, len, false, p, head, why)
                  : http_request_parse(data, len, p, head, why);
}

/* Feeds data[0..len) in steps that grow to `first`, then by `step`; the first final verdict. */
static enum http_result feed(bool answer, const char *data, size_t len, size_t first, size_t step,
                             size_t *at)
{
    struct http_progress progress = {0};
    enum http_result r = HTTP_PARTIAL;
    size_t have = first;

    for (;;) {
        char *g = unit_guard(data, have);
        struct http_head head;
        const char *why = NULL;

        r = parse(answer, g, have, &progress, &head, &why);
        if (r == HTTP_BAD && !why)
            CU_FAIL("no reason is given");
        if (r == HTTP_DONE)
            *at = head.head_len;
        unit_guard_free(g, have);
        if (r != HTTP_PARTIAL || have == len)
            return r;
        have = len - have < step ? len : have + step;
    }
}

static void check(bool answer, const struct sample *s, enum http_result wanted)
{
    size_t at = 0, again = 0;
    enum http_result whole = feed(answer, s->data, s->len, s->len, 1, &at);

    if (whole != wanted) {
        printf("\n    verdict %d for: %.*s\n", (int)whole, (int)s->len, s->data);
        CU_FAIL("another verdict was expected");
    }
    for (size_t cut = 0; cut <= s->len; cut++) {
        if (feed(answer, s->data, s->len, cut, s->len, &again) != wanted || again != at) {
            printf("\n    cut at %zu: %.*s\n", cut, (int)s->len, s->data);
            CU_FAIL("a split changes the verdict");
        }
    }
    CU_ASSERT_EQUAL(feed(answer, s->data, s->len, 0, 1, &again), wanted);
    CU_ASSERT_EQUAL(again, at);
}

static const struct sample GOOD_REQUESTS[] = {
    S("GET / HTTP/1.1\r\n" H "\r\n"),
    S("POST /s/televox/v1/org HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 2\r\n\r\n"),
    S("DELETE /v1/org/1 HTTP/1.0\r\n" H "\r\n"),
    S("PUT /a?b=c&d=%20 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"),
    S("PUT /a HTTP/1.1\r\n" H "transfer-encoding:CHUNKED\r\n\r\n"),
    S("GET /-._~!$&'()*+,;=:@/? HTTP/1.1\r\nhOsT:[::1]:80\r\n\r\n"),
    S("G!#$%&'*+-.^_`|~9 / HTTP/1.1\r\n" H "\r\n"),
    S("GET / HTTP/1.1\r\nHost:\th \t\r\nA:\r\nB: \r\nC: a b\tc\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X: \x80\xff obs-text\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: a.b-c_d~e:65535\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: 999999999999999\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: 007\r\n\r\n"),
};

static const struct sample BAD_REQUESTS[] = {
    S("\r\nGET / HTTP/1.1\r\n" H "\r\n"),
    S("\nGET / HTTP/1.1\r\n" H "\r\n"),
    S(" GET / HTTP/1.1\r\n" H "\r\n"),
    S("GET / HTTP/1.1\nHost: h\n\n"),
    S("GET / HTTP/1.1\r\nHost: h\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: h\r\n\n"),
    S("GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n"),
    S("GET / HTTP/1.1\r\r\n" H "\r\n"),
    S("GET  / HTTP/1.1\r\n" H "\r\n"),
    S("GET /  HTTP/1.1\r\n" H "\r\n"),
    S("GET / HTTP/1.1 \r\n" H "\r\n"),
    S("GET\t/ HTTP/1.1\r\n" H "\r\n"),
    S("GET /\r\n" H "\r\n"),
    S("GET\r\n" H "\r\n"),
    S("GET / http/1.1\r\n" H "\r\n"),
    S("GET / HTTP/1.2\r\n" H "\r\n"),
    S("GET / HTTP/2.0\r\n" H "\r\n"),
    S("GET / HTTP/0.9\r\n" H "\r\n"),
    S("GET / HTTP/1.10\r\n" H "\r\n"),
    S("GET / HTTPS/1.1\r\n" H "\r\n"),
    S("G(T / HTTP/1.1\r\n" H "\r\n"),
    S("G\0T / HTTP/1.1\r\n" H "\r\n"),
    S("GETTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT / HTTP/1.1\r\n" H "\r\n"),
    S("OPTIONS * HTTP/1.1\r\n" H "\r\n"),
    S("CONNECT h:443 HTTP/1.1\r\n" H "\r\n"),
    S("CONNECT /v1/org HTTP/1.1\r\n" H "\r\n"),
    S("GET http://h/ HTTP/1.1\r\n" H "\r\n"),
    S("GET h/ HTTP/1.1\r\n" H "\r\n"),
    S("GET /#x HTTP/1.1\r\n" H "\r\n"),
    S("GET /\" HTTP/1.1\r\n" H "\r\n"),
    S("GET /<> HTTP/1.1\r\n" H "\r\n"),
    S("GET /\\ HTTP/1.1\r\n" H "\r\n"),
    S("GET /^ HTTP/1.1\r\n" H "\r\n"),
    S("GET /`{|} HTTP/1.1\r\n" H "\r\n"),
    S("GET /[] HTTP/1.1\r\n" H "\r\n"),
    S("GET /\x7f HTTP/1.1\r\n" H "\r\n"),
    S("GET /\xc3\xa9 HTTP/1.1\r\n" H "\r\n"),
    S("GET /\0 HTTP/1.1\r\n" H "\r\n"),
    S("GET /% HTTP/1.1\r\n" H "\r\n"),
    S("GET /%4 HTTP/1.1\r\n" H "\r\n"),
    S("GET /%4g HTTP/1.1\r\n" H "\r\n"),
    S("GET /a b HTTP/1.1\r\n" H "\r\n"),
    S("GET / HTTP/1.1\r\n\r\n"),
    S("GET / HTTP/1.0\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: \t \r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H H "\r\n"),
    S("GET / HTTP/1.1\r\n" H "hOST: h\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: a@h\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: h/\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: h:\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: h:8x\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: h:123456\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: []\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost : h\r\n\r\n"),
    S("GET / HTTP/1.1\r\nHost\t: h\r\n\r\n"),
    S("GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H " \r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H ": x\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X(: y\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X\xc3\xa9: y\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X\0: y\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X: a\0b\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X: a\x01\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X: a\x7f\r\n\r\n"),
    S("GET / HTTP/1.1\r\n" H "X: a\x0b\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: 0x1\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: 1 2\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: 1a\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: \"1\"\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Content-Length: 1000000000000000\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
    S("POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n"),
    S("POST / HTTP/1.1\r\n" H "Expect:\r\n\r\n"),
    S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    S("\x16\x03\x01\x02\x00\x01\x00"),
};

static const struct sample GOOD_ANSWERS[] = {
    S("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    S("HTTP/1.1 200 \r\n\r\n"),
    S("HTTP/1.1 200\r\n\r\n"),
    S("HTTP/1.0 200 OK\r\n\r\n"),
    S("HTTP/1.1 404 Not \xc3\xa9 Found\tX\r\nA: b\r\n\r\n"),
    S("HTTP/1.1 100 Continue\r\n\r\n"),
    S("HTTP/1.1 599 x\r\nTransfer-Encoding: chunked\r\n\r\n"),
    S("HTTP/1.1 204 No Content\r\n\r\n"),
};

static const struct sample BAD_ANSWERS[] = {
    S("HTTP/1.1 200 OK\n\n"),
    S("HTTP/1.1  200 OK\r\n\r\n"),
    S("HTTP/1.1 20 OK\r\n\r\n"),
    S("HTTP/1.1 2000 OK\r\n\r\n"),
    S("HTTP/1.1 099 OK\r\n\r\n"),
    S("HTTP/1.1 600 OK\r\n\r\n"),
    S("HTTP/1.1 2x0 OK\r\n\r\n"),
    S("HTTP/1.1 +20 OK\r\n\r\n"),
    S("HTTP/2 200 OK\r\n\r\n"),
    S("HTTP/1.2 200 OK\r\n\r\n"),
    S("http/1.1 200 OK\r\n\r\n"),
    S("HTTP/1.1 200 O\x01K\r\n\r\n"),
    S("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
    S("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
    S("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
    S("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    S("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
    S("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    S("HTTP/1.1 204 OK\r\nContent-Length: x\r\n\r\n"),
    S("\r\nHTTP/1.1 200 OK\r\n\r\n"),
    S("ICY 200 OK\r\n\r\n"),
    S("220 mail ESMTP\r\n\r\n"),
};

#define EACH(list, answer, wanted)                                                                 \
    for (size_t i = 0; i < sizeof(list) / sizeof((list)[0]); i++)                                  \
    check(answer, &(list)[i], wanted)

static void good_requests(void)
{
    EACH(GOOD_REQUESTS, false, HTTP_DONE);
}

static void bad_requests(void)
{
    EACH(BAD_REQUESTS, false, HTTP_BAD);
}

static void good_answers(void)
{
    EACH(GOOD_ANSWERS, true, HTTP_DONE);
}

static void bad_answers(void)
{
    EACH(BAD_ANSWERS, true, HTTP_BAD);
}

static struct http_head request(const char *text)
{
    struct http_progress progress = {0};
    struct http_head head;
    const char *why = NULL;

    CU_ASSERT_EQUAL_FATAL(http_request_parse(text, strlen(text), &progress, &head, &why),
                          HTTP_DONE);
    return head;
}

static struct http_head answer(const char *text, bool to_head)
{
    struct http_progress progress = {0};
    struct http_head head;
    const char *why = NULL;

    CU_ASSERT_EQUAL_FATAL(http_answer_parse(text, strlen(text), to_head, &progress, &head, &why),
                          HTTP_DONE);
    return head;
}

static void what_a_request_says(void)
{
    static const char TEXT[] =
        "PUT /v1/org/1 HTTP/1.1\r\nHost: h:80\r\nX-A:  b c \r\nx-a: d\r\n"
        "Content-Length: 12\r\nExpect: 100-continue\r\n\r\n{\"name\":\"n\"}GET /";
    struct http_head h = request(TEXT);

    CU_ASSERT_TRUE(slice_eq(h.method, SLICE_LIT("PUT")));
    CU_ASSERT_TRUE(slice_eq(h.target, SLICE_LIT("/v1/org/1")));
    CU_ASSERT_EQUAL(h.minor, 1);
    CU_ASSERT_EQUAL(h.framing, HTTP_LENGTH);
    CU_ASSERT_EQUAL(h.content_length, 12);
    CU_ASSERT_TRUE(h.expect_continue);
    CU_ASSERT_TRUE(h.keep_alive);
    CU_ASSERT_EQUAL(TEXT[h.head_len], '{');
    CU_ASSERT_EQUAL(h.n_fields, 5);
    CU_ASSERT_TRUE(slice_eq(http_field(&h, SLICE_LIT("X-a"))->value, SLICE_LIT("b c")));
    CU_ASSERT_EQUAL(http_field_count(&h, SLICE_LIT("X-A")), 2);
    CU_ASSERT_PTR_NULL(http_field(&h, SLICE_LIT("X-B")));
}

static void framing(void)
{
    CU_ASSERT_EQUAL(request("GET / HTTP/1.1\r\n" H "\r\n").framing, HTTP_NO_BODY);
    CU_ASSERT_EQUAL(request("PUT / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n").framing,
                    HTTP_NO_BODY);
    CU_ASSERT_EQUAL(request("PUT / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n").framing,
                    HTTP_CHUNKED);
    CU_ASSERT_FALSE(request("PUT / HTTP/1.0\r\n" H "Expect: 100-continue\r\n\r\n").expect_continue);
    CU_ASSERT_EQUAL(answer("HTTP/1.1 200 OK\r\n\r\n", false).framing, HTTP_UNTIL_CLOSE);
    CU_ASSERT_EQUAL(answer("HTTP/1.1 200 OK\r\n\r\n", true).framing, HTTP_NO_BODY);
    CU_ASSERT_EQUAL(answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false).framing,
                    HTTP_NO_BODY);
    CU_ASSERT_EQUAL(answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false).framing,
                    HTTP_LENGTH);
    CU_ASSERT_EQUAL(answer("HTTP/1.1 204 OK\r\nContent-Length: 3\r\n\r\n", false).framing,
                    HTTP_NO_BODY);
    CU_ASSERT_EQUAL(answer("HTTP/1.1 304 OK\r\n\r\n", false).framing, HTTP_NO_BODY);
    CU_ASSERT_EQUAL(answer("HTTP/1.1 100 OK\r\n\r\n", false).framing, HTTP_NO_BODY);
    CU_ASSERT_EQUAL(answer("HTTP/1.1 503 Busy Now\r\n\r\n", false).status, 503);
}

static void keep_alive(void)
{
    CU_ASSERT_TRUE(request("GET / HTTP/1.1\r\n" H "\r\n").keep_alive);
    CU_ASSERT_FALSE(request("GET / HTTP/1.0\r\n" H "\r\n").keep_alive);
    CU_ASSERT_TRUE(request("GET / HTTP/1.0\r\n" H "Connection: Keep-Alive\r\n\r\n").keep_alive);
    CU_ASSERT_FALSE(request("GET / HTTP/1.1\r\n" H "Connection: a , CLOSE,b\r\n\r\n").keep_alive);
    CU_ASSERT_FALSE(
        request("GET / HTTP/1.1\r\n" H "Connection: x\r\nConnection: close\r\n\r\n").keep_alive);
    CU_ASSERT_FALSE(
        request("GET / HTTP/1.0\r\n" H "Connection: keep-alive, close\r\n\r\n").keep_alive);
}

static void hop_by_hop(void)
{
    struct http_head h = request("GET / HTTP/1.1\r\n" H "Connection: X-Mine ,close\r\n\r\n");

    CU_ASSERT_TRUE(http_hop_by_hop(&h, SLICE_LIT("x-mine")));
    CU_ASSERT_TRUE(http_hop_by_hop(&h, SLICE_LIT("Connection")));
    CU_ASSERT_TRUE(http_hop_by_hop(&h, SLICE_LIT("Keep-Alive")));
    CU_ASSERT_TRUE(http_hop_by_hop(&h, SLICE_LIT("PROXY-Authorization")));
    CU_ASSERT_TRUE(http_hop_by_hop(&h, SLICE_LIT("te")));
    CU_ASSERT_TRUE(http_hop_by_hop(&h, SLICE_LIT("Trailer")));
    CU_ASSERT_TRUE(http_hop_by_hop(&h, SLICE_LIT("Transfer-Encoding")));
    CU_ASSERT_TRUE(http_hop_by_hop(&h, SLICE_LIT("Upgrade")));
    CU_ASSERT_FALSE(http_hop_by_hop(&h, SLICE_LIT("Accept")));
    CU_ASSERT_FALSE(http_hop_by_hop(&h, SLICE_LIT("Proxy-")));
}

static void as_many_fields_as_there_may_be(void)
{
    for (unsigned n = HTTP_FIELDS_MAX - 1; n <= HTTP_FIELDS_MAX; n++) {
        char text[4096] = "GET / HTTP/1.1\r\n" H;
        struct http_progress progress = {0};
        struct http_head head;
        const char *why = NULL;

        for (unsigned i = 0; i < n; i++)
            strcat(text, "A: b\r\n");
        strcat(text, "\r\n");
        CU_ASSERT_EQUAL(http_request_parse(text, strlen(text), &progress, &head, &why),
                        n < HTTP_FIELDS_MAX ? HTTP_DONE : HTTP_BAD);
    }
}

static const struct unit_case CASES[] = {
    {"good requests", good_requests},
    {"bad requests", bad_requests},
    {"good answers", good_answers},
    {"bad answers", bad_answers},
    {"what a request says", what_a_request_says},
    {"framing", framing},
    {"keep-alive", keep_alive},
    {"hop-by-hop", hop_by_hop},
    {"as many fields as there may be", as_many_fields_as_there_may_be},
};
UNIT_MAIN("http_parse", CASES)
