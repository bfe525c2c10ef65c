#include "audit/line.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct record_head HEAD = {7, 1795453620123456u};

#define HEAD_TEXT "{\"seq\":7,\"time\":\"2026-11-23T17:07:00.123456Z\",\"type\":"

static struct client_identity nobody(void)
{
    return (struct client_identity){.uid = CLIENT_UID_UNKNOWN};
}

/* Formatted without failure, exactly this line, and the reader takes it. */
static void expect(struct buf *b, int result, const char *line)
{
    static const struct chain_hash HASH = {{0xab, 1}};
    size_t n = strlen(line) - 1; /* without the brace, which the hash takes along */
    struct slice s;
    struct line read;

    CU_ASSERT_EQUAL(result, 0);
    CU_ASSERT_EQUAL(record_close(b, &HASH), 0);
    s = buf_slice(b);
    CU_ASSERT_EQUAL_FATAL(s.len, n + CHAIN_TAIL + 1);
    CU_ASSERT(memcmp(s.data, line, n) == 0);
    CU_ASSERT(memcmp(s.data + n, ",\"h\":\"ab01000000", 16) == 0);
    CU_ASSERT(memcmp(s.data + s.len - 5, "00\"}\n", 5) == 0);
    CU_ASSERT_PTR_NULL(line_read(slice_of(s.data, s.len - 1), &read));
    CU_ASSERT_EQUAL(read.seq, 7);
    CU_ASSERT_EQUAL(line_time(&read), HEAD.time_us);
    CU_ASSERT_EQUAL(read.covered.len, n);
    CU_ASSERT(chain_same(&read.hash, &HASH));
    buf_deinit(b);
}

#define ZEROS    "00000000000000000000000000000000000000000000000000000000000000"
#define BODY_MAC "\"body_mac\":\"b0d1000000000000000000000000000000000000000000000000000000000000\""

static const struct record_form PLAIN[2];
static const struct record_redaction REDACTION = {PLAIN, {0xb0, 0xd1}};

static void test_intent(void)
{
    struct request_field fields[] = {
        {SLICE_LIT("active"), SLICE_LIT("true"), REQUEST_STRING},
        {SLICE_LIT("name"), SLICE_LIT("G\xc3\xb6teborg \"1\"\\\n\x7f\xf0\x9f\x98\x80"),
         REQUEST_STRING},
    };
    struct sign_request sign = {
        .request_id = SLICE_LIT("a-1"),
        .client = {.name = SLICE_LIT("crm"),
                   .uid = 1000,
                   .user = SLICE_LIT("eva"),
                   .pid = 42,
                   .exe = SLICE_LIT("/usr/bin/curl"),
                   .via = SLICE_LIT("unix"),
                   .address = SLICE_LIT("/run/x.sock"),
                   .unit = SLICE_LIT("crm.service"),
                   .certificate = SLICE_LIT("site-1"),
                   .token = SLICE_LIT("not for the log"),
                   .vouched = true},
        .method = SLICE_LIT("PUT"),
        .workspace = SLICE_LIT("space"),
        .path = SLICE_LIT("/v1/org/1"),
        .n_fields = 2,
        .fields = fields,
    };
    struct buf b = BUF_INIT(65536);

    expect(&b, record_intent(&b, &HEAD, &sign, &REDACTION, SLICE_LIT("xyz")),
           HEAD_TEXT
           "\"intent\",\"id\":\"a-1\",\"client\":{\"name\":\"crm\",\"uid\":1000,\"user\":"
           "\"eva\",\"pid\":42,\"exe\":\"/usr/bin/curl\",\"via\":\"unix\",\"address\":"
           "\"/run/"
           "x.sock\",\"unit\":\"crm.service\",\"certificate\":\"site-1\",\"vouched\":\"kernel\"},"
           "\"method\":\"PUT\",\"workspace\":\"space\",\"path\":"
           "\"/v1/org/1\",\"fields\":{\"active\":\"true\",\"name\":"
           "\"G\xc3\xb6teborg \\\"1\\\"\\\\\\u000a\\u007f\xf0\x9f\x98\x80\"}," BODY_MAC ",\"key\":"
           "\"xyz\"}");
    sign.client = nobody();
    sign.client.uid = 0;
    sign.n_fields = 0;
    expect(
        &b, record_intent(&b, &HEAD, &sign, &REDACTION, SLICE_LIT("xyz")),
        HEAD_TEXT
        "\"intent\",\"id\":\"a-1\",\"client\":{\"uid\":0,\"vouched\":\"proxy\"},\"method\":\"PUT\","
        "\"workspace\":\"space\",\"path\":\"/v1/org/1\",\"fields\":{}," BODY_MAC
        ",\"key\":\"xyz\"}");
    sign.client = nobody();
    fields[0] = (struct request_field){SLICE_LIT(""), SLICE_LIT(""), REQUEST_STRING};
    sign.n_fields = 1;
    expect(&b, record_intent(&b, &HEAD, &sign, &REDACTION, SLICE_LIT("xyz")),
           HEAD_TEXT "\"intent\",\"id\":\"a-1\",\"client\":{\"vouched\":\"proxy\"},\"method\":"
                     "\"PUT\",\"workspace\":"
                     "\"space\",\"path\":\"/v1/org/1\",\"fields\":{\"\":\"\"}," BODY_MAC
                     ",\"key\":\"xyz\"}");
}

/* A kept-back value is no string, so that no string can look like one. */
static void test_forms(void)
{
    static const struct request_field FIELDS[] = {
        {SLICE_LIT("a"), SLICE_LIT("{\"omitted\":true}"), REQUEST_STRING},
        {SLICE_LIT("b\n"), SLICE_LIT("secret"), REQUEST_STRING},
        {SLICE_LIT("c"), SLICE_LIT("secret"), REQUEST_STRING},
    };
    static const struct record_form FORMS[] = {
        {.keep = RECORD_PLAIN}, {.keep = RECORD_MAC, .mac = {0xab}}, {.keep = RECORD_OMIT}};
    struct record_redaction redaction = {FORMS, {0xb0, 0xd1}};
    struct sign_request sign = {
        .request_id = SLICE_LIT("a-1"), .client = nobody(), .n_fields = 3, .fields = FIELDS};
    struct buf b = BUF_INIT(65536);

    expect(&b, record_intent(&b, &HEAD, &sign, &redaction, SLICE_LIT("xyz")),
           HEAD_TEXT "\"intent\",\"id\":\"a-1\",\"client\":{\"vouched\":\"proxy\"},\"fields\":{"
                     "\"a\":\"{\\\"omitted\\\":true}\",\"b\\u000a\":{\"mac\":\"ab" ZEROS
                     "\"},\"c\":{\"omitted\":true}}," BODY_MAC ",\"key\":\"xyz\"}");
}

static void test_outcome(void)
{
    struct record_outcome o = {.request_id = SLICE_LIT("a-1"),
                               .intent = 7,
                               .status = 201,
                               .sent = "all",
                               .timed = true,
                               .duration_us = UINT64_MAX};
    struct buf b = BUF_INIT(65536);

    expect(&b, record_outcome(&b, &HEAD, &o),
           HEAD_TEXT "\"outcome\",\"id\":\"a-1\",\"intent\":7,\"status\":201,\"sent\":\"all\","
                     "\"duration_us\":18446744073709551615}");
    o = (struct record_outcome){.request_id = SLICE_LIT("a-1"),
                                .intent = UINT64_MAX,
                                .sent = "unknown",
                                .error = SLICE_LIT("the proxy went away")};
    expect(&b, record_outcome(&b, &HEAD, &o),
           HEAD_TEXT
           "\"outcome\",\"id\":\"a-1\",\"intent\":18446744073709551615,\"sent\":\"unknown\","
           "\"error\":\"the proxy went away\"}");
}

static void test_reject(void)
{
    struct reject_request x = {.client = nobody(), .status = 400, .code = SLICE_LIT("bad_request")};
    struct buf b = BUF_INIT(65536);

    expect(
        &b, record_reject(&b, &HEAD, &x),
        HEAD_TEXT
        "\"reject\",\"client\":{\"vouched\":\"proxy\"},\"status\":400,\"code\":\"bad_request\"}");
    x.request_id = SLICE_LIT("q\"1");
    x.client.via = SLICE_LIT("tcp");
    x.method = SLICE_LIT("POST");
    x.workspace = SLICE_LIT("space");
    x.path = SLICE_LIT("/v1/org");
    x.error = SLICE_LIT("no");
    x.field = SLICE_LIT("name");
    expect(&b, record_reject(&b, &HEAD, &x),
           HEAD_TEXT "\"reject\",\"id\":\"q\\\"1\",\"client\":{\"via\":\"tcp\",\"vouched\":"
                     "\"proxy\"},\"method\":\"POST\","
                     "\"workspace\":\"space\",\"path\":\"/v1/org\",\"status\":400,"
                     "\"code\":\"bad_request\",\"error\":\"no\",\"field\":\"name\"}");
}

static void test_problems(void)
{
    static const struct request_problem LIST[] = {
        {SLICE_LIT("a[1].b"), SLICE_LIT("invalid_field"), SLICE_LIT("a[1].b: \"x\"\n is no y")},
        {SLICE_NULL, SLICE_LIT("unknown_endpoint"), SLICE_LIT("\xff")},
    };
    struct sign_request sign = {.request_id = SLICE_LIT("a-1"),
                                .client = nobody(),
                                .method = SLICE_LIT("PUT"),
                                .workspace = SLICE_LIT("s"),
                                .path = SLICE_LIT("/v1/org/1"),
                                .n_problems = 2,
                                .problems = LIST};
    struct reject_request x = {
        .client = nobody(), .status = 422, .n_problems = 1, .problems = LIST};
    struct buf b = BUF_INIT(65536);

    expect(&b, record_intent(&b, &HEAD, &sign, &REDACTION, SLICE_LIT("xyz")),
           HEAD_TEXT
           "\"intent\",\"id\":\"a-1\",\"client\":{\"vouched\":\"proxy\"},\"method\":\"PUT\","
           "\"workspace\":\"s\","
           "\"path\":\"/v1/org/1\",\"fields\":{}," BODY_MAC
           ",\"problems\":[{\"field\":\"a[1].b\",\"code\":"
           "\"invalid_field\",\"error\":\"a[1].b: \\\"x\\\"\\u000a is no y\"},{\"field\":\"\","
           "\"code\":\"unknown_endpoint\",\"error\":\"\\ufffd\"}],\"key\":\"xyz\"}");
    expect(&b, record_reject(&b, &HEAD, &x),
           HEAD_TEXT
           "\"reject\",\"client\":{\"vouched\":\"proxy\"},\"status\":422,\"problems\":[{\"field\":"
           "\"a[1].b\",\"code\":\"invalid_field\",\"error\":"
           "\"a[1].b: \\\"x\\\"\\u000a is no y\"}]}");
}

static void test_others(void)
{
    static const struct chain_hash hash = {{0x10}};
    struct buf b = BUF_INIT(65536);

    expect(&b, record_start(&b, &HEAD, SLICE_LIT("1.0"), 99, SLICE_LIT("0123456789abcdef"), 3600),
           HEAD_TEXT "\"start\",\"version\":\"1.0\",\"pid\":99,\"fields_key\":\"0123456789abcdef\","
                     "\"heartbeat\":3600}");
    expect(&b, record_fields_key(&b, &HEAD, SLICE_LIT("0123456789abcdef")),
           HEAD_TEXT "\"fields\",\"event\":\"key_created\",\"key_id\":\"0123456789abcdef\"}");
    expect(&b, record_key(&b, &HEAD, SLICE_LIT("space"), SLICE_LIT("xyz"), "loaded"),
           HEAD_TEXT "\"key\",\"workspace\":\"space\",\"key\":\"xyz\",\"event\":\"loaded\"}");
    expect(&b, record_config(&b, &HEAD, "applied", SLICE_NULL),
           HEAD_TEXT "\"config\",\"result\":\"applied\"}");
    expect(&b, record_config(&b, &HEAD, "refused", SLICE_LIT("bad")),
           HEAD_TEXT "\"config\",\"result\":\"refused\",\"error\":\"bad\"}");
    expect(&b, record_recovery(&b, &HEAD, SLICE_LIT("audit-1.jsonl"), 5, &hash, SLICE_LIT("t")),
           HEAD_TEXT "\"recovery\",\"segment\":\"audit-1.jsonl\",\"bytes\":5,\"sha256\":\"10" ZEROS
                     "\",\"torn\":\"t\"}");
    expect(&b, record_stop(&b, &HEAD), HEAD_TEXT "\"stop\"}");
}

/* Whatever bytes come in, the line stays one line of valid UTF-8. */
static void test_hostile_text(void)
{
    static const struct {
        struct slice in;
        const char *out;
    } CASES[] = {
        {{"a\0b", 3}, "a\\u0000b"},
        {{"\xff", 1}, "\\ufffd"},
        {{"\xc3", 1}, "\\ufffd"},
        {{"\xc0\x80", 2}, "\\ufffd\\ufffd"},
        {{"\xed\xa0\x80", 3}, "\\ufffd\\ufffd\\ufffd"},
        {{"\xf4\x90\x80\x80", 4}, "\\ufffd\\ufffd\\ufffd\\ufffd"},
        {{"\xf4\x8f\xbf\xbf", 4}, "\xf4\x8f\xbf\xbf"},
        {{"\xe2\x80\xa8\r", 4}, "\xe2\x80\xa8\\u000d"},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct buf b = BUF_INIT(65536);
        char *in = unit_guard(CASES[i].in.data, CASES[i].in.len);
        char line[256] = HEAD_TEXT "\"config\",\"result\":\"refused\",\"error\":\"";

        strcat(strcat(line, CASES[i].out), "\"}");
        expect(&b, record_config(&b, &HEAD, "refused", slice_of(in, CASES[i].in.len)), line);
        unit_guard_free(in, CASES[i].in.len);
    }
}

/* Texts are copied by words: every byte at every place of texts of every small length, and of long
 * ones where one piece ends. */
static void test_places(void)
{
    unsigned wrong = 0;

    for (size_t len = 1; len < 1050; len = len < 20 ? len + 1 : len + 1020)
        for (size_t at = len > 20 ? len - 20 : 0; at < len; at++)
            for (unsigned c = 0; c < 256; c++) {
                struct buf b = BUF_INIT(4096);
                char text[1100], shown[8], expected[1200], *p = text;

                memset(text, 'a', len);
                text[at] = (char)c;
                if (c == '"' || c == '\\')
                    (void)snprintf(shown, sizeof(shown), "\\%c", c);
                else if (c < 0x20 || c == 0x7f)
                    (void)snprintf(shown, sizeof(shown), "\\u%04x", c);
                else
                    (void)snprintf(shown, sizeof(shown), c < 0x80 ? "%c" : "\\ufffd", c);
                (void)snprintf(expected, sizeof(expected),
                               HEAD_TEXT "\"config\",\"result\":\"\",\"error\":\"%.*s%s%.*s\"",
                               (int)at, p, shown, (int)(len - at - 1), p + at + 1);
                wrong += record_config(&b, &HEAD, "", slice_of(text, len)) != 0 ||
                         buf_len(&b) != strlen(expected) ||
                         memcmp(b.data, expected, buf_len(&b)) != 0;
                buf_deinit(&b);
            }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_time(void)
{
    static const struct {
        uint64_t s;
        const char *text;
    } CASES[] = {
        {0, "1970-01-01T00:00:00.000001Z"},          {951782399, "2000-02-28T23:59:59.000001Z"},
        {951782400, "2000-02-29T00:00:00.000001Z"},  {951868800, "2000-03-01T00:00:00.000001Z"},
        {1704067199, "2023-12-31T23:59:59.000001Z"}, {1735603200, "2024-12-31T00:00:00.000001Z"},
        {4107542400, "2100-03-01T00:00:00.000001Z"}, {253402300799, "9999-12-31T23:59:59.000001Z"},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct record_head head = {1, CASES[i].s * 1000000 + 1};
        struct buf b = BUF_INIT(65536);

        CU_ASSERT_EQUAL(record_stop(&b, &head), 0);
        CU_ASSERT(memcmp(b.data + strlen("{\"seq\":1,\"time\":\""), CASES[i].text, 27) == 0);
        buf_deinit(&b);
    }
}

static void test_full_buffer(void)
{
    struct buf b = BUF_INIT(40);

    CU_ASSERT_EQUAL(record_stop(&b, &HEAD), -ENOBUFS);
    buf_deinit(&b);
}

static void test_text_ok(void)
{
    CU_ASSERT(record_text_ok(SLICE_NULL));
    CU_ASSERT(record_text_ok(SLICE_LIT("a\xc3\xa5\xe2\x82\xac\xf0\x9f\x98\x80\x7f")));
    CU_ASSERT_FALSE(record_text_ok(SLICE_LIT("a\x80")));
    CU_ASSERT_FALSE(record_text_ok(SLICE_LIT("\xc1\xbf")));
    CU_ASSERT_FALSE(record_text_ok(SLICE_LIT("\xe0\x9f\xbf")));
    CU_ASSERT_FALSE(record_text_ok(SLICE_LIT("\xed\xbf\xbf")));
    CU_ASSERT_FALSE(record_text_ok(SLICE_LIT("\xf0\x8f\xbf\xbf")));
    CU_ASSERT_FALSE(record_text_ok(SLICE_LIT("\xf5\x80\x80\x80")));
    CU_ASSERT_FALSE(record_text_ok(SLICE_LIT("\xe2\x82")));
}

static void test_request_id(void)
{
    char long_id[129];

    memset(long_id, 'a', sizeof(long_id));
    CU_ASSERT(record_request_id_ok(SLICE_LIT("aZ09._:+/=@-")));
    CU_ASSERT(record_request_id_ok(slice_of(long_id, 128)));
    CU_ASSERT_FALSE(record_request_id_ok(slice_of(long_id, 129)));
    CU_ASSERT_FALSE(record_request_id_ok(SLICE_NULL));
    CU_ASSERT_FALSE(record_request_id_ok(slice_of("a\0b", 3)));
    CU_ASSERT_FALSE(record_request_id_ok(SLICE_LIT("a b")));
    CU_ASSERT_FALSE(record_request_id_ok(SLICE_LIT("a\"")));
    CU_ASSERT_FALSE(record_request_id_ok(SLICE_LIT("a\\")));
    CU_ASSERT_FALSE(record_request_id_ok(SLICE_LIT("\xc3\xa5")));
}

static const struct unit_case CASES[] = {
    {"intent", test_intent},
    {"how values are written", test_forms},
    {"outcome", test_outcome},
    {"reject", test_reject},
    {"problems", test_problems},
    {"start, key, config, recovery, stop", test_others},
    {"hostile text", test_hostile_text},
    {"bytes at every place", test_places},
    {"time", test_time},
    {"full buffer", test_full_buffer},
    {"UTF-8", test_text_ok},
    {"request id", test_request_id},
};

UNIT_MAIN("record", CASES)
