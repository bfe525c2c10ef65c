#include "audit/private_value.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

static void expect(const char *text, bool got, bool wanted)
{
    if (got != wanted)
        printf("\n  \"%s\" is%s private\n", text, got ? "" : " not");
    CU_ASSERT_EQUAL(got, wanted);
}

/* Against an unreadable page on either end of what is looked at. */
static bool value_is(const char *text)
{
    size_t n = strlen(text);
    char *in = unit_guard(text, n);
    bool is = private_value(slice_of(in, n));

    unit_guard_free(in, n);
    return is;
}

static bool text_is(const char *text)
{
    size_t n = strlen(text);
    char *in = unit_guard(text, n);
    bool is = private_text(slice_of(in, n));

    unit_guard_free(in, n);
    return is;
}

static const char *const ADDRESSES[] = {
    "bob@example.com",          "a@b",
    "user@localhost",           "Bob <bob+tag@example.com>",
    "1:a@b.c:1,2:d@e.f:2",      "mail bob.smith@example.com, please",
    "\"john doe\"@example.com", "{\"name\":\"\\\"john doe\\\"@example.com\"}",
    "user@[192.0.2.1]",         "g\xc3\xb6ran@\xc3\xa5sa.example",
    "@first bob@example.com",   "@@ x@y",
};

static const char *const NUMBERS[] = {
    "+46701234567",
    "+46 70 123 45 67",
    "+1 (555) 123-4567",
    "+1234567",
    "+123456789012345",
    "0701234567",
    "070-123 45 67",
    "(08) 123 456 78",
    "0046701234567",
    " 0701234567 ",
    "0123456",
    "Bob:0701234567",
    "0701234567,x",
    "a:b:08-123 45 67:c",
    "{\"phone\":\"0701234567\"}",
    "Ring +46 70 123 45 67 before noon",
    "x\n0701234567",
    "0701234567;",
};

static const char *const PLAIN[] = {
    "",
    "true",
    "0",
    "-1",
    "1,2,3",
    "365",
    "46701234567", /* a plain integer */
    "9223372036854775807",
    "123456",
    "012345",           /* six digits */
    "0123456789012345", /* sixteen */
    "+123456",
    "+1234567890123456",
    "#0012345",
    "00ff00",
    "000000",
    "2026-11-24",
    "20261124",
    "2026-11-24T09:15:02+01:00",
    "2026-11-24T09:15:02.123456Z",
    "2026-11-24 09:15:02 +0100",
    "01-02-2026",
    "01 02 2026",
    "31-12-1999",
    "01-02-2026 09:30",
    "0001-01-01",
    "0000-00-00",
    "0000-00-00 00:00:00",
    "00-00-0000",
    "09:00",
    "18:00:09:00:true,18:00:09:00:true",
    "00:00:00",
    "1:API Agents,2:B",
    "true:SE:123",
    "0.1234567",
    "0x1234567",
    "0e1234567",
    "01234567-89ab-cdef-0123-456789abcdef",
    "1.2.3.4",
    "x+4670123456",
    "1+2345678",
    "@support",
    "meet @ 5",
    "[\"@support\"]",
    "a @b",
    "bob@",
    "bob@ example",
    "@",
    "+",
    "(",
    "((((((((0",
    "(0",
    "TagLv1 / TagLv2",
    "https://example.com/area/1",
    "       ",
};

static void test_values(void)
{
    for (size_t i = 0; i < sizeof(ADDRESSES) / sizeof(ADDRESSES[0]); i++)
        expect(ADDRESSES[i], value_is(ADDRESSES[i]), true);
    for (size_t i = 0; i < sizeof(NUMBERS) / sizeof(NUMBERS[0]); i++)
        expect(NUMBERS[i], value_is(NUMBERS[i]), true);
    for (size_t i = 0; i < sizeof(PLAIN) / sizeof(PLAIN[0]); i++)
        expect(PLAIN[i], value_is(PLAIN[i]), false);
    CU_ASSERT_FALSE(private_value(SLICE_NULL));
}

static void test_texts(void)
{
    static const char *const YES[] = {
        "time_zone: \"bob@example.com\" is not a known time zone",
        "a: \"bob\\u0040example.com\" is not accepted",
        "a: \"bob@\\u0065xample.com\" is not accepted",
        "a: \"\\u002B46701234567\" is not accepted", /* as some encoders write + */
        "a: \"a long one that is cut bob@...\" is not accepted",
        "a: \"cut in an escape bob\\u00...\" is not accepted",
        "a: \"0701234567\" is not accepted",
        "a: \"\\n0701234567\" is not accepted",
        "a: \"bob\\",
        "a: \"bob\\u004",
        "a: \"bob\\u...\" is not accepted",
    };
    static const char *const NO[] = {
        "",
        "name: \"G\\u00f6teborg\" is not accepted; expected one of \"a\", \"b\"",
        "name: \"C:\\\\x\\/y\" does not match ^[a-z]+$",
        "anonymize_day: 46701234567 is not accepted; expected a string",
        "working_time_data.Friday.end: \"25:00\" is no time; expected ^[0-2][0-9]:[0-5][0-9]$",
        "date: \"01-02-2026\" is not accepted",
        "time_zone: \"XYZ\" is not a known time zone; expected one of \"SST\", \"HDT\"...",
        "line 1, column 3: a value is expected",
        "line 1, column 7: a control character in a string: escape it as \\n, \\t or \\u00XX",
    };
    static char longest[4096];

    for (size_t i = 0; i < sizeof(YES) / sizeof(YES[0]); i++)
        expect(YES[i], text_is(YES[i]), true);
    for (size_t i = 0; i < sizeof(NO) / sizeof(NO[0]); i++)
        expect(NO[i], text_is(NO[i]), false);
    /* Longer than any text can be: not judged. */
    memset(longest, 'a', sizeof(longest));
    CU_ASSERT_FALSE(private_text(slice_of(longest, 1024)));
    CU_ASSERT(private_text(slice_of(longest, sizeof(longest))));
}

static void test_names(void)
{
    static const char *const YES[] = {
        "reply_to_email_address",
        "server_emails",
        "external_experts_by_email",
        "done_date",
        "done_date_address",
        "external_experts_from_address",
        "external_forward_number",
        "external_experts_pre_filled_address",
        "Email",
        "userEMail",
        "e-mail",
        "work_e_mail",
        "phone",
        "telephone_number",
        "mobile",
        "MobilePhone",
    };
    static const char *const NO[] = {
        "",
        "name",
        "time_zone",
        "done_dates",
        "address",
        "chat_area_url",
        "external_id",
        "ema",
        "mail_order",
        "expected_done_date_note",
    };

    for (size_t i = 0; i < sizeof(YES) / sizeof(YES[0]); i++)
        expect(YES[i], private_name(slice_str(YES[i])), true);
    for (size_t i = 0; i < sizeof(NO) / sizeof(NO[0]); i++)
        expect(NO[i], private_name(slice_str(NO[i])), false);
}

/* Looking goes by words: the same must be found wherever in one it lies. */
static void test_places(void)
{
    static const struct {
        const char *text, *fill;
        bool value, name;
    } WHAT[] = {
        {"0701234567", "12,", true, false},   {"+46701234567", "12,", true, false},
        {"070-12 34 5", "a:", true, false},   {"(0701234567", "\n", true, false},
        {"0701234567", "0,", true, false},    {"0701234567", "1", false, false},
        {"0701234567", "00,x", false, false}, {"07012345x", "12,", false, false},
        {"+46701234567", "a", false, false},  {"PhOne", "pmh", false, true},
        {"moBile", "mpo", false, true},       {"e_mail", "me", false, true},
        {"E-MAIL", "em", false, true},        {"email", "p", false, true},
        {"-mail", "e-n", false, false},
    };
    char text[64];

    for (size_t i = 0; i < sizeof(WHAT) / sizeof(WHAT[0]); i++)
        for (size_t fills = 1; fills < 12; fills++) {
            struct slice s;

            text[0] = '\0';
            for (size_t n = 0; n < fills; n++)
                strcat(text, WHAT[i].fill);
            strcat(text, WHAT[i].text);
            s = slice_str(text);
            expect(text, private_value(s), WHAT[i].value);
            expect(text, private_name(s), WHAT[i].name);
        }
}

static void test_nothing(void)
{
    CU_ASSERT(private_nothing(SLICE_NULL));
    CU_ASSERT(private_nothing(SLICE_LIT("true")));
    CU_ASSERT(private_nothing(SLICE_LIT("false")));
    CU_ASSERT(private_nothing(SLICE_LIT("null")));
    CU_ASSERT_FALSE(private_nothing(SLICE_LIT("True")));
    CU_ASSERT_FALSE(private_nothing(SLICE_LIT("0")));
    CU_ASSERT_FALSE(private_nothing(SLICE_LIT("true,true")));
}

/* The longest value takes no longer than its bytes: nothing is looked at again and again. */
static void test_hostile(void)
{
    static const char *const UNITS[] = {"@", "+", "+1", "0", " 0 ", "((", "+1 ", "0,", "a@ "};
    size_t n = 8 * 1024 * 1024;
    char *value = malloc(n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(value);
    for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
        size_t unit = strlen(UNITS[i]);

        for (size_t at = 0; at < n; at++)
            value[at] = UNITS[i][at % unit];
        CU_ASSERT_FALSE(private_value(slice_of(value, n)));
    }
    free(value);
}

static const struct unit_case CASES[] = {
    {"values", test_values},       {"texts", test_texts},
    {"names", test_names},         {"values that tell nothing", test_nothing},
    {"long values", test_hostile}, {"places", test_places},
};

UNIT_MAIN("private_value", CASES)
