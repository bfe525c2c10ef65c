/*
 * Four bytes a step: the log has some hundred of them in each request's records. There is no table,
 * so that the time does not depend on a signature's digits.
 */
#include "base/hex.h"

#include <endian.h>
#include <stdint.h>
#include <string.h>

enum {
    STEP = 4,
    STEP_HEX = 2 * STEP,
};

/* The digits of four bytes; in memory's order, as they were. */
static uint64_t eight_digits(uint32_t bytes)
{
    uint64_t v = bytes, above;

    v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
    v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v >> 4 | v << 8) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    above = (v + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101); /* 9 */
    return v + UINT64_C(0x3030303030303030) + above * ('a' - '0' - 10);
}

static void step(char *out, const unsigned char *in)
{
    uint32_t bytes;
    uint64_t digits;

    memcpy(&bytes, in, STEP);
    digits = htole64(eight_digits(le32toh(bytes)));
    memcpy(out, &digits, sizeof(digits));
}

void hex_put(char *out, const unsigned char *in, size_t n)
{
    unsigned char last[STEP] = {0};
    char digits[STEP_HEX];

    for (; n >= STEP; in += STEP, out += STEP_HEX, n -= STEP)
        step(out, in);
    if (n == 0)
        return;
    memcpy(last, in, n);
    step(digits, last);
    memcpy(out, digits, 2 * n);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_get(unsigned char *out, size_t n, struct slice digits)
{
    if (digits.len != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = digit(digits.data[2 * i]), low = digit(digits.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
