#include "base/hex.h"
#include "unit/unit.h"

#include <stdio.h>

static void test_both_ways(void)
{
    static const unsigned char BYTES[] = {0x00, 0x1f, 0xa0, 0xff};
    unsigned char back[4];
    char text[8];

    hex_put(text, BYTES, 4);
    CU_ASSERT(memcmp(text, "001fa0ff", 8) == 0);
    CU_ASSERT(hex_get(back, 4, slice_of(text, 8)));
    CU_ASSERT(memcmp(back, BYTES, 4) == 0);
}

/* Every value at every place, of every small length; nothing behind the end is touched. */
static void test_lengths(void)
{
    unsigned wrong = 0;

    for (size_t n = 0; n <= 11; n++)
        for (unsigned value = 0; value < 256; value++) {
            unsigned char bytes[11];
            char text[24], expected[24] = "";

            for (size_t i = 0; i < n; i++) {
                bytes[i] = (unsigned char)(value + 37 * i);
                (void)snprintf(expected + 2 * i, 3, "%02x", bytes[i]);
            }
            memset(text, '~', sizeof(text));
            hex_put(text, bytes, n);
            wrong += memcmp(text, expected, 2 * n) != 0 || text[2 * n] != '~';
        }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void test_bad(void)
{
    static const char *const BAD[] = {"",         "00",       "001fa0f",  "001fa0ff0",
                                      "001FA0FF", "001fa0fg", "001fa0f ", "0x1fa0ff"};
    unsigned char back[4];

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        CU_ASSERT_FALSE(hex_get(back, 4, slice_str(BAD[i])));
}

static const struct unit_case CASES[] = {
    {"both ways", test_both_ways},
    {"lengths", test_lengths},
    {"no digits", test_bad},
};

UNIT_MAIN("hex", CASES)
