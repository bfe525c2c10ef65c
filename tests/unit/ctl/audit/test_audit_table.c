#include "ctl/audit/audit_table.h"
#include "ctl/command/show.h"
#include "unit/unit.h"

#include <stdlib.h>

#define DOTS "\xe2\x80\xa6"

static void expect_cell(struct slice text, size_t most, const char *wanted)
{
    char *got = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&got, &n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    show_cell_put(f, text, most);
    (void)fclose(f);
    CU_ASSERT_STRING_EQUAL(got, wanted);
    CU_ASSERT(show_cell_width(got) <= most);
    free(got);
}

#define CELL(text, most, wanted) expect_cell(SLICE_LIT(text), most, wanted)

static void words_and_quotes(void)
{
    CELL("plain", 20, "plain");
    CELL("a=b,/c:1", 20, "a=b,/c:1");
    CELL("", 20, "\"\"");
    CELL("two words", 20, "\"two words\"");
    CELL("a\"b", 20, "\"a\\\"b\"");
    CELL("\xc3\xa5", 20, "\"\xc3\xa5\"");
    CELL("(omitted)", 20, "\"(omitted)\"");
    CELL("\\", 20, "\"\\\\\"");
    CELL("\x1b[2J\xe2\x80\xae\xc2\x9b", 80, "\"\\u001b[2J\\u202e\\u009b\"");
    CELL("\xff\0", 80, "\"\\xff\\u0000\"");
}

static void cut_to_columns(void)
{
    CELL("abcdef", 6, "abcdef");
    CELL("abcdefg", 6, "abcde" DOTS);
    CELL("a b c d", 4, "\"a " DOTS);
    CELL("abc", 1, DOTS);
    /* Wide characters take two, and none is cut in the middle. */
    CELL("\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97", 8, "\"\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97\"");
    CELL("\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97", 7, "\"\xe4\xb8\xad\xe6\x96\x87" DOTS);
    CELL("\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97", 5, "\"\xe4\xb8\xad" DOTS);
    CELL("\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80" DOTS);
}

static void a_long_text(void)
{
    char *text = malloc(1000000), *guarded;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'x', 1000000);
    guarded = unit_guard(text, 1000000);
    expect_cell(slice_of(guarded, 1000000), 4, "xxx" DOTS);
    unit_guard_free(guarded, 1000000);
    free(text);
}

static void expect_value(const char *json, const char *wanted)
{
    struct json_object *value = json_tokener_parse(json);
    struct audit_value v = audit_value_of(value);
    char *got = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&got, &n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    audit_table_put_value(f, &v, 40);
    (void)fclose(f);
    CU_ASSERT_STRING_EQUAL(got, wanted);
    free(got);
    (void)json_object_put(value);
}

static void values(void)
{
    expect_value("\"CET\"", "CET");
    expect_value("{\"mac\":\"1234abcd00000000000000000000000000000000000000000000000000000000\"}",
                 "mac:1234abcd" DOTS);
    expect_value("{\"mac\":\"1234abcd\"}", "\"{\\\"mac\\\":\\\"1234abcd\\\"}\"");
    expect_value("{\"omitted\":true}", "(omitted)");
    expect_value("{\"omitted\":false}", "\"{\\\"omitted\\\":false}\"");
    expect_value("\"(omitted)\"", "\"(omitted)\"");
    expect_value("17", "17");
    expect_value("null", "null");
}

static const struct unit_case CASES[] = {
    {"words and quotes", words_and_quotes},
    {"cut to columns", cut_to_columns},
    {"a long text", a_long_text},
    {"values", values},
};

UNIT_MAIN("audit_table", CASES)
