#include "proxy/answer.h"
#include "unit/unit.h"

#include <stdio.h>

static const struct answer_to TO = {{"id-1", 4}, 1, true, false, UINT64_C(784111777000000)};

static struct http_head head_of(const char *text)
{
    struct http_progress progress = {0};
    struct http_head head;
    const char *why;

    CU_ASSERT_EQUAL_FATAL(http_answer_parse(text, strlen(text), false, &progress, &head, &why),
                          HTTP_DONE);
    return head;
}

static void is(const struct buf *b, const char *wanted)
{
    struct slice got = buf_slice(b);

    if (!slice_eq(got, slice_str(wanted))) {
        printf("\n    got: %.*s\n", (int)got.len, got.data);
        CU_FAIL("another answer was expected");
    }
}

static void a_refusal(void)
{
    struct buf b = BUF_INIT(65536);
    struct refusal no;

    (void)refuse(&no, 405, "method_not_allowed", "%s can't", "GET");
    no.allow = "POST";
    CU_ASSERT_EQUAL(answer_refusal(&b, &TO, &no, 0, SLICE_NULL), 0);
    is(&b, "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/json\r\n"
           "Content-Length: 76\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
           "Cross-Origin-Resource-Policy: same-origin\r\n"
           "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nAllow: POST\r\n"
           "X-Request-Id: id-1\r\n\r\n"
           "{\"error\": \"GET can't\", \"code\": \"method_not_allowed\", "
           "\"outcome\": \"not-sent\"}\n");
    buf_deinit(&b);
}

/* What a client may do about it is in the head (RFC 9110, 11.6.1 and 10.2.3). */
static void what_to_do_about_it(void)
{
    static const struct {
        unsigned status;
        const char *code, *line;
    } CASES[] = {
        {401, "unknown_client", "HTTP/1.1 401 Unauthorized\r\n"},
        {401, "unknown_client", "WWW-Authenticate: Bearer\r\n"},
        {503, "overloaded", "Retry-After: 1\r\n"},
    };
    struct refusal no;

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf b = BUF_INIT(65536);

        (void)refuse(&no, CASES[i].status, CASES[i].code, "no");
        CU_ASSERT_EQUAL(answer_refusal(&b, &TO, &no, 0, SLICE_NULL), 0);
        CU_ASSERT_PTR_NOT_NULL(memmem(b.data, b.tail, CASES[i].line, strlen(CASES[i].line)));
        CU_ASSERT_EQUAL(memmem(b.data, b.tail, "Retry-After", 11) != NULL, CASES[i].status == 503);
        CU_ASSERT_EQUAL(memmem(b.data, b.tail, "WWW-Auth", 8) != NULL, CASES[i].status == 401);
        buf_deinit(&b);
    }
    (void)refuse(&no, 503, "draining", "no");
    {
        struct buf b = BUF_INIT(65536);

        CU_ASSERT_EQUAL(answer_refusal(&b, &TO, &no, 0, SLICE_NULL), 0);
        CU_ASSERT_PTR_NULL(memmem(b.data, b.tail, "Retry-After", 11));
        buf_deinit(&b);
    }
}

static void all_members_and_a_closed_connection(void)
{
    struct answer_to to = {SLICE_LIT("x"), 0, false, false, 0};
    struct buf b = BUF_INIT(65536);
    struct refusal no;

    (void)refuse(&no, 500, "audit_unavailable", "no");
    no.outcome = "unknown";
    strcpy(no.field, "a[1].b");
    CU_ASSERT_EQUAL(answer_refusal(&b, &to, &no, 200, SLICE_NULL), 0);
    CU_ASSERT_PTR_NOT_NULL(memmem(b.data, b.tail, "Connection: close\r\n", 19));
    CU_ASSERT_PTR_NOT_NULL(memmem(b.data, b.tail,
                                  "\"field\": \"a[1].b\", \"outcome\": \"unknown\", "
                                  "\"upstream_status\": 200}",
                                  63));
    buf_deinit(&b);
}

static void head_leaves_the_body_out(void)
{
    struct answer_to to = {SLICE_LIT("x"), 1, true, true, 0};
    struct buf b = BUF_INIT(65536);

    CU_ASSERT_EQUAL(answer_text(&b, &to, 200, "text/plain", SLICE_LIT("alive\n")), 0);
    is(&b, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n"
           "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
           "Cross-Origin-Resource-Policy: same-origin\r\n"
           "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Request-Id: x\r\n\r\n");
    buf_deinit(&b);
}

static void strings(void)
{
    static const struct {
        const char *in, *out;
    } T[] = {
        {"plain", "\"plain\""},
        {"q\"b\\", "\"q\\\"b\\\\\""},
        {"a\nb\x01\x7f", "\"a\\u000ab\\u0001\\u007f\""},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xc3", "\"?\""},
        {"\xc0\xaf", "\"??\""},
        {"\xed\xa0\x80", "\"???\""},
        {"\xf5\x80\x80\x80", "\"????\""},
        {"\xe2\x82", "\"??\""},
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        struct buf b = BUF_INIT(1024);

        CU_ASSERT_EQUAL(answer_json_string(&b, slice_str(T[i].in)), 0);
        is(&b, T[i].out);
        buf_deinit(&b);
    }
}

static void relayed(const char *upstream, unsigned minor, bool wish, const char *wanted,
                    bool want_chunked, bool want_keep)
{
    struct answer_to to = {SLICE_LIT("mine"), minor, wish, false, 0};
    struct http_head head = head_of(upstream);
    struct buf b = BUF_INIT(65536);
    bool chunked, keep;

    CU_ASSERT_EQUAL(answer_head(&b, &to, &head, &chunked, &keep), 0);
    is(&b, wanted);
    CU_ASSERT_EQUAL(chunked, want_chunked);
    CU_ASSERT_EQUAL(keep, want_keep);
    buf_deinit(&b);
}

static void relayed_heads(void)
{
    relayed(
        "HTTP/1.1 200 Fine\r\nLink: b\r\nConnection: close, ETag\r\nETag: y\r\nKeep-Alive: 5\r\n"
        "X-Request-Id: theirs\r\nContent-Length: 3\r\nLink: c\r\n\r\n",
        1, true,
        "HTTP/1.1 200 Fine\r\nLink: b\r\nLink: c\r\nContent-Length: 3\r\nX-Request-Id: "
        "mine\r\n\r\n",
        false, true);
    relayed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 1, true,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Request-Id: mine\r\n\r\n", true,
            true);
    relayed("HTTP/1.0 200 OK\r\n\r\n", 0, true,
            "HTTP/1.1 200 OK\r\nX-Request-Id: mine\r\nConnection: close\r\n\r\n", false, false);
    relayed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, true,
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request-Id: mine\r\n"
            "Connection: keep-alive\r\n\r\n",
            false, true);
    relayed("HTTP/1.1 204 No\r\n\r\n", 1, false,
            "HTTP/1.1 204 No\r\nX-Request-Id: mine\r\nConnection: close\r\n\r\n", false, false);
}

/* What acts on the client's state, belongs to the signature or is unknown stays here. */
static void fields_that_are_not_relayed(void)
{
    static const char *const DROPPED[] = {
        "Access-Control-Allow-Origin: *",
        "access-control-expose-headers: X",
        "Set-Cookie: a=b",
        "Set-Cookie2: a=b",
        "Authorization: CENTION1-HMAC-SHA256 a,b",
        "WWW-Authenticate: Basic",
        "Authentication-Info: x",
        "Proxy-Authenticate: Basic",
        "Proxy-Authentication-Info: x",
        "Keep-Alive: timeout=5",
        "Upgrade: h2c",
        "Trailer: A",
        "TE: trailers",
        "Alt-Svc: h3=\":1\"",
        "Clear-Site-Data: *",
        "Strict-Transport-Security: max-age=1",
        "Refresh: 0",
        "X-Own: y",
        "Cross-Origin-Resource-Policy: cross-origin",
        "Timing-Allow-Origin: *",
        "X-Request-Id: 1",
        "Service-Worker-Allowed: /",
        "SourceMap: /x",
        "Report-To: {}",
        "NEL: {}",
    };

    for (size_t i = 0; i < sizeof(DROPPED) / sizeof(DROPPED[0]); i++) {
        char upstream[256];

        (void)snprintf(upstream, sizeof(upstream),
                       "HTTP/1.1 200 OK\r\n%s\r\nContent-Length: 0\r\n\r\n", DROPPED[i]);
        relayed(upstream, 1, true,
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Request-Id: mine\r\n\r\n", false, true);
    }
}

static void a_full_buffer_is_an_error(void)
{
    struct http_head head =
        head_of("HTTP/1.1 200 OK\r\nETag: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n\r\n");
    struct buf b = BUF_INIT(40);
    bool chunked, keep;

    CU_ASSERT(answer_head(&b, &TO, &head, &chunked, &keep) < 0);
    buf_deinit(&b);
}

static const struct unit_case CASES[] = {
    {"fields that are not relayed", fields_that_are_not_relayed},
    {"a refusal", a_refusal},
    {"what a client may do about it", what_to_do_about_it},
    {"all members and a closed connection", all_members_and_a_closed_connection},
    {"HEAD leaves the body out", head_leaves_the_body_out},
    {"strings", strings},
    {"relayed heads", relayed_heads},
    {"a full buffer is an error", a_full_buffer_is_an_error},
};
UNIT_MAIN("answer", CASES)
