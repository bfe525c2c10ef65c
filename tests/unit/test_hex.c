#include "trail/hex.h"
#include "unit/unit.h"

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
    {"no digits", test_bad},
};

UNIT_MAIN("hex", CASES)
