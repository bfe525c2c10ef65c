#include "central/nats/js_form.h"

#include "unit/unit.h"

#define LOG  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HASH "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define ID   LOG "/3/18446744073709551615/" HASH

static struct seal_key a_log(void)
{
    struct seal_key log;

    for (size_t i = 0; i < SEAL_KEY; i++)
        log.bytes[i] = (unsigned char)((i % 16) * 0x11);
    return log;
}

static struct ship_place a_place(void)
{
    struct ship_place place = {.epoch = 3, .seq = UINT64_MAX};

    for (size_t i = 0; i < CHAIN_HASH; i++)
        place.hash.bytes[i] = (unsigned char)(0xff - (i % 16) * 0x11);
    return place;
}

static void test_names(void)
{
    struct seal_key log = a_log(), back;
    char name[JS_STREAM], subject[JS_SUBJECT], longest[JS_PREFIX_MAX + 2];

    js_stream_name(name, "CENTION_AUDIT", &log);
    CU_ASSERT_STRING_EQUAL(name, "CENTION_AUDIT_0011223344556677");
    CU_ASSERT_TRUE(js_stream_read("CENTION_AUDIT", name, &back));
    CU_ASSERT_EQUAL(memcmp(back.bytes, log.bytes, 8), 0);
    for (size_t i = 8; i < SEAL_KEY; i++)
        CU_ASSERT_EQUAL(back.bytes[i], 0);
    CU_ASSERT_FALSE(js_stream_read("CENTION", name, &back));
    CU_ASSERT_FALSE(js_stream_read("CENTION_AUDIT", "CENTION_AUDIT_ALARMS", &back));
    CU_ASSERT_FALSE(js_stream_read("CENTION_AUDIT", "CENTION_AUDIT_00112233445566778", &back));
    js_alarm_stream_name(name, "A");
    CU_ASSERT_STRING_EQUAL(name, "A_ALARMS");
    js_subject(subject, &log);
    CU_ASSERT_STRING_EQUAL(subject, "cention.audit." LOG);
    CU_ASSERT_TRUE(js_subject_read(subject, &back));
    CU_ASSERT_EQUAL(memcmp(&back, &log, sizeof(log)), 0);
    CU_ASSERT_FALSE(js_subject_read("cention.audit.>", &back));
    CU_ASSERT_FALSE(js_subject_read("cention.alarm." LOG, &back));
    js_reply_prefix(subject, &log);
    CU_ASSERT_STRING_EQUAL(subject, "cention.reply.0011223344556677");
    memset(longest, 'a', sizeof(longest));
    CU_ASSERT_TRUE(js_prefix_ok(slice_of(longest, JS_PREFIX_MAX)));
    CU_ASSERT_FALSE(js_prefix_ok(slice_of(longest, JS_PREFIX_MAX + 1)));
    CU_ASSERT_FALSE(js_prefix_ok(SLICE_NULL));
    CU_ASSERT_FALSE(js_prefix_ok(SLICE_LIT("a.b")));
    CU_ASSERT_TRUE(js_prefix_ok(SLICE_LIT("Az09-_")));
}

static void test_id(void)
{
    struct seal_key log = a_log(), of;
    struct ship_place place = a_place(), back;
    char id[JS_ID];

    js_id_write(id, &log, &place);
    CU_ASSERT_STRING_EQUAL(id, ID);
    CU_ASSERT_TRUE_FATAL(js_id_read(id, &of, &back));
    CU_ASSERT_EQUAL(memcmp(&of, &log, sizeof(log)), 0);
    CU_ASSERT_EQUAL(back.epoch, 3);
    CU_ASSERT_EQUAL(back.seq, UINT64_MAX);
    CU_ASSERT_TRUE(chain_same(&back.hash, &place.hash));
}

static void test_no_id(void)
{
    struct seal_key of;
    struct ship_place back;
    char text[sizeof(ID)];

    for (size_t i = 0; i < sizeof(ID) - 1; i++) {
        memcpy(text, ID, sizeof(ID));
        text[i] = '\0';
        CU_ASSERT_FALSE(js_id_read(text, &of, &back));
        text[i] = 'G';
        CU_ASSERT_FALSE(js_id_read(text, &of, &back));
    }
    CU_ASSERT_FALSE(js_id_read(ID "0", &of, &back));
    CU_ASSERT_FALSE(js_id_read(LOG "/03/1/" HASH, &of, &back));
    CU_ASSERT_FALSE(js_id_read(LOG "/3/18446744073709551616/" HASH, &of, &back));
}

static void test_alarm(void)
{
    struct seal_key log = a_log(), of;
    struct ship_alarm alarm = {.kind = SHIP_CONFLICT,
                               .here = a_place(),
                               .there = {.epoch = 1, .seq = 2},
                               .why = "a \"b\" \\ c\nd \xc3\xa5"};
    struct buf out = BUF_INIT(JS_ALARM_MAX);
    struct js_alarm back;
    char subject[JS_SUBJECT], other[JS_SUBJECT];

    CU_ASSERT_EQUAL_FATAL(js_alarm_write(&out, &log, "a host\r\nX: y", &alarm), 0);
    CU_ASSERT_TRUE_FATAL(js_alarm_read(buf_slice(&out), &back));
    CU_ASSERT_STRING_EQUAL(back.host, "a?host??X:?y");
    CU_ASSERT_STRING_EQUAL(back.kind, "conflict");
    CU_ASSERT_STRING_EQUAL(back.why, "a 'b' ' c?d ??");
    CU_ASSERT_EQUAL(memcmp(&back.log, &log, sizeof(log)), 0);
    CU_ASSERT_EQUAL(back.here.seq, UINT64_MAX);
    CU_ASSERT_EQUAL(back.there.epoch, 1);
    CU_ASSERT_EQUAL(back.there.seq, 2);
    CU_ASSERT_TRUE(chain_same(&back.here.hash, &alarm.here.hash));
    /* Cut anywhere, it is none. */
    for (size_t i = 0; i < buf_len(&out); i++)
        CU_ASSERT_FALSE(js_alarm_read(slice_of(buf_slice(&out).data, i), &back));
    buf_deinit(&out);

    js_alarm_subject(subject, &log, &alarm);
    CU_ASSERT_STRING_EQUAL(subject,
                           "cention.alarm." LOG
                           ".conflict.18446744073709551615-ffeeddccbbaa9988.2-0000000000000000");
    alarm.there.hash.bytes[0] = 1;
    js_alarm_subject(other, &log, &alarm);
    CU_ASSERT_STRING_NOT_EQUAL(subject, other);
    CU_ASSERT(js_alarm_subject_read(subject, &of));
    CU_ASSERT(memcmp(&of, &log, sizeof(of)) == 0);
    CU_ASSERT(js_alarm_subject_read("cention.alarm." LOG, &of));
    CU_ASSERT_FALSE(js_alarm_subject_read("cention.alarm." LOG "0", &of));
    CU_ASSERT_FALSE(js_alarm_subject_read("cention.alarm.x", &of));
    CU_ASSERT_FALSE(js_alarm_subject_read("cention.audit." LOG, &of));
}

/* Texts that don't fit are cut when written, and refused when read. */
static void test_long_texts(void)
{
    static char text[2000];
    struct seal_key log = a_log();
    struct ship_alarm alarm = {.kind = SHIP_TRUNCATED, .why = text};
    struct buf out = BUF_INIT(JS_ALARM_MAX), more = BUF_INIT(2 * JS_ALARM_MAX);
    struct js_alarm back;
    char host[JS_HOST];

    memset(text, 'a', sizeof(text) - 1);
    js_host_write(host, text);
    CU_ASSERT_EQUAL(strlen(host), JS_HOST - 1);
    js_host_write(host, NULL);
    CU_ASSERT_STRING_EQUAL(host, "");
    CU_ASSERT_EQUAL_FATAL(js_alarm_write(&out, &log, text, &alarm), 0);
    CU_ASSERT_TRUE(js_alarm_read(buf_slice(&out), &back));
    CU_ASSERT_EQUAL(strlen(back.why), SHIP_WHY - 1);
    CU_ASSERT_EQUAL(buf_append(&more, buf_slice(&out).data, buf_len(&out) - 2), 0);
    CU_ASSERT_EQUAL(buf_append(&more, "a\"}", 3), 0);
    CU_ASSERT_FALSE(js_alarm_read(buf_slice(&more), &back));
    buf_deinit(&out);
    buf_deinit(&more);
}

static const struct unit_case CASES[] = {
    {"names", test_names},           {"id", test_id}, {"no id", test_no_id}, {"alarm", test_alarm},
    {"long texts", test_long_texts},
};

UNIT_MAIN("js_form", CASES)
