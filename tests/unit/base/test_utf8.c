#include "base/utf8.h"
#include "unit/unit.h"

/* Writes a code point by the book; 0 when it has no UTF-8 form. */
static size_t encode(unsigned char out[4], unsigned long c)
{
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (unsigned char)(0xc0 | c >> 6);
        out[1] = (unsigned char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (unsigned char)(0xe0 | c >> 12);
        out[1] = (unsigned char)(0x80 | (c >> 6 & 63));
        out[2] = (unsigned char)(0x80 | (c & 63));
        return c >= 0xd800 && c < 0xe000 ? 0 : 3;
    }
    out[0] = (unsigned char)(0xf0 | c >> 18);
    out[1] = (unsigned char)(0x80 | (c >> 12 & 63));
    out[2] = (unsigned char)(0x80 | (c >> 6 & 63));
    out[3] = (unsigned char)(0x80 | (c & 63));
    return c < 0x110000 ? 4 : 0;
}

static void every_code_point(void)
{
    unsigned long bad = 0;

    for (unsigned long c = 0; c < 0x140000; c++) {
        unsigned char s[4] = {0};
        size_t n = encode(s, c);

        bad += utf8_len(s, 4) != n;
        for (size_t left = 1; left < n; left++)
            bad += utf8_len(s, left) != 0;
    }
    CU_ASSERT_EQUAL(bad, 0);
}

/* All of two bytes, and of three where the third goes on: only what encode makes is accepted. */
static void nothing_else(void)
{
    unsigned long two = 0, three = 0;

    for (unsigned a = 0x80; a < 0x100; a++)
        for (unsigned b = 0; b < 0x100; b++) {
            unsigned char s[3] = {(unsigned char)a, (unsigned char)b, 0x80};

            two += utf8_len(s, 2) == 2;
            three += utf8_len(s, 3) == 3;
        }
    CU_ASSERT_EQUAL(two, 0x800 - 0x80);
    CU_ASSERT_EQUAL(three * 64, 0x10000 - 0x800 - 0x800);
}

static const struct unit_case CASES[] = {
    {"every code point", every_code_point},
    {"nothing else", nothing_else},
};
UNIT_MAIN("utf8", CASES)
