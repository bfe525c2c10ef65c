/* Words against bytes: every byte at every place of texts of every small length. */
#include "base/ascii.h"
#include "unit/unit.h"

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
                        wrong += plain_end(text, end, del) != slow_end(text, end, del);
                    for (const unsigned char *p = text;; p++)
                        if (p == end || *p >= 0x80) {
                            wrong += plain_ascii_end(text, end) != p;
                            break;
                        }
                }
    CU_ASSERT_EQUAL(wrong, 0);
}

static void nothing(void)
{
    unsigned char c = 'a';

    CU_ASSERT_PTR_EQUAL(plain_end(&c, &c, true), &c);
    CU_ASSERT_PTR_EQUAL(plain_ascii_end(&c, &c), &c);
}

static const struct unit_case CASES[] = {
    {"every byte at every place", every_byte_at_every_place},
    {"nothing", nothing},
};

UNIT_MAIN("plain", CASES)
