#include "central/nats/js_ack.h"

#include "unit/unit.h"

#include <string.h>

static bool read_text(const char *text, struct js_ack *out)
{
    size_t n = strlen(text);
    char *guarded = unit_guard(text, n);
    bool good = js_ack_read(slice_of(guarded, n), out);

    unit_guard_free(guarded, n);
    return good;
}

static void test_stored(void)
{
    struct js_ack ack;

    CU_ASSERT_TRUE(read_text("{\"stream\":\"S\",\"seq\":22}", &ack));
    CU_ASSERT_EQUAL(ack.seq, 22);
    CU_ASSERT_FALSE(ack.failed);
    CU_ASSERT_TRUE(read_text(" { \"domain\" : \"a\\\"}b\", \"seq\" : 18446744073709551615 ,"
                             "\"duplicate\": true, \"x\": [1, {\"seq\": 3}, []], \"y\": {} } ",
                             &ack));
    CU_ASSERT_EQUAL(ack.seq, UINT64_MAX);
}

static void test_refused(void)
{
    struct js_ack ack;

    CU_ASSERT_TRUE(read_text("{\"error\":{\"code\":400,\"err_code\":10071,\"description\":"
                             "\"wrong last sequence: 5\",\"seq\":7},\"stream\":\"S\",\"seq\":9}",
                             &ack));
    CU_ASSERT_TRUE(ack.failed);
    CU_ASSERT_EQUAL(ack.seq, 0);
    CU_ASSERT_EQUAL(ack.code, JS_WRONG_LAST_SEQUENCE);
    CU_ASSERT_STRING_EQUAL(ack.why, "wrong last sequence: 5");
    /* Whatever it says, it stays one line that fits. */
    CU_ASSERT_TRUE(read_text("{\"error\":{\"description\":\"a\nb\x80\"}}", &ack));
    CU_ASSERT_STRING_EQUAL(ack.why, "a?b?");
    CU_ASSERT_EQUAL(ack.code, 0);
}

static void test_long_reason(void)
{
    char text[1024];
    struct js_ack ack;

    (void)strcpy(text, "{\"error\":{\"description\":\"");
    memset(text + strlen("{\"error\":{\"description\":\""), 'a', 800);
    (void)strcpy(text + strlen("{\"error\":{\"description\":\"") + 800, "\"}}");
    CU_ASSERT_TRUE(read_text(text, &ack));
    CU_ASSERT_EQUAL(strlen(ack.why), sizeof(ack.why) - 1);
}

static void test_none(void)
{
    static const char *const NONE[] = {
        "",
        "{}",
        "x",
        "{\"seq\":0}",
        "{\"seq\":-1}",
        "{\"seq\":1.5}",
        "{\"seq\":18446744073709551616}",
        "{\"seq\":\"5x\"}",
        "{\"seq\":1}x",
        "{\"seq\":1",
        "{\"seq\":1,}",
        "{\"seq\"}",
        "{\"a\":{\"seq\":1}}",
        "{\"seq\":1,\"a\":\"b}",
        "{\"seq\":1,\"a\":\"b\\",
        "{\"seq\":1,\"a\":[[[[[[1]]]]]]}",
        "{\"seq\":1,\"a\":[1,]}",
    };
    struct js_ack ack;

    for (size_t i = 0; i < sizeof(NONE) / sizeof(NONE[0]); i++)
        if (read_text(NONE[i], &ack))
            CU_FAIL(NONE[i]);
}

static void test_too_long(void)
{
    static char text[JS_ACK_MAX + 2];
    struct js_ack ack;

    memset(text, ' ', JS_ACK_MAX + 1);
    memcpy(text, "{\"seq\":1}", 9);
    CU_ASSERT_TRUE(js_ack_read(slice_of(text, JS_ACK_MAX), &ack));
    CU_ASSERT_FALSE(js_ack_read(slice_of(text, JS_ACK_MAX + 1), &ack));
}

static const struct unit_case CASES[] = {
    {"stored", test_stored}, {"refused", test_refused},   {"long reason", test_long_reason},
    {"none", test_none},     {"too long", test_too_long},
};

UNIT_MAIN("js_ack", CASES)
