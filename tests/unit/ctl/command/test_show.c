#include "ctl/command/show.h"
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

static void expect(const char *in, size_t len, const char *wanted, bool escaped)
{
    char *got = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&got, &n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(show_text(f, slice_of(in, len)), escaped);
    (void)fclose(f);
    CU_ASSERT_STRING_EQUAL(got, wanted);
    free(got);
}

#define EXPECT(in, wanted, escaped) expect(in, sizeof(in) - 1, wanted, escaped)

static void plain_text_stays(void)
{
    EXPECT("", "", false);
    EXPECT("a b\xc3\xa5\xf0\x9f\x98\x80", "a b\xc3\xa5\xf0\x9f\x98\x80", false);
}

/* What could drive a terminal, or make one text look like another. */
static void the_rest_is_escaped(void)
{
    EXPECT("a\\b", "a\\\\b", true);
    EXPECT("a\nb\tc\r", "a\\nb\\tc\\r", true);
    EXPECT("\x1b[2J\x07\0", "\\u001b[2J\\u0007\\u0000", true);
    EXPECT("\x7f\xc2\x9b", "\\u007f\\u009b", true);
    EXPECT("\xff\xc3", "\\xff\\xc3", true);
    EXPECT("\xe2\x80\xae", "\\u202e", true); /* right-to-left override */
    EXPECT("\xe2\x80\xa8", "\\u2028", true); /* line separator */
}

static void a_message_keeps_its_backslashes(void)
{
    char *got = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&got, &n);

    show_message(f, "a\\b \x1b");
    (void)fclose(f);
    CU_ASSERT_STRING_EQUAL(got, "a\\b \\u001b");
    free(got);
}

static const struct unit_case CASES[] = {
    {"plain text stays", plain_text_stays},
    {"the rest is escaped", the_rest_is_escaped},
    {"a message keeps its backslashes", a_message_keeps_its_backslashes},
};
UNIT_MAIN("show", CASES)
