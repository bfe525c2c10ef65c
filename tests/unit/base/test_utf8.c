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

enum { LONGEST = 43 };

static bool is_plain(unsigned char c, bool del)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && (del || c != 0x7f);
}

static const unsigned char *slow_end(const unsigned char *p, const unsigned char *end, bool del)
{
    while (p < end && is_plain(*p, del))
        p++;
    return p;
}

static void every_byte_at_every_place(void)
{
    unsigned char text[LONGEST];
    unsigned wrong = 0;

    for (size_t len = 0; len <= LONGEST; len++)
        for (size_t at = 0; at < len; at++)
            for (unsigned c = 0; c < 256; c++)
                for (int other = 0; other < 3; other++) {
                    const unsigned char *end = text + len;

                    memset(text, "a\x7f\x80"[other], len);
                    text[at] = (unsigned char)c;
                    for (int del = 0; del < 2; del++)
                        wrong += ascii_end(text, end, del) != slow_end(text, end, del);
                    for (const unsigned char *p = text;; p++)
                        if (p == end || *p >= 0x80) {
                            wrong += ascii_run_end(text, end) != p;
                            break;
                        }
                }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void nothing(void)
{
    unsigned char c = 'a';

    CU_ASSERT_PTR_EQUAL(ascii_end(&c, &c, true), &c);
    CU_ASSERT_PTR_EQUAL(ascii_run_end(&c, &c), &c);
}

static const struct unit_case CASES[] = {
    {"every code point", every_code_point},
    {"nothing else", nothing_else},
    {"every byte at every place", every_byte_at_every_place},
    {"nothing", nothing},
};

UNIT_MAIN("utf8", CASES)
