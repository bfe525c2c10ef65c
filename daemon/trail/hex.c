#include "trail/hex.h"

void hex_put(char *out, const unsigned char *in, size_t n)
{
    static const char DIGITS[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = DIGITS[in[i] >> 4];
        out[2 * i + 1] = DIGITS[in[i] & 15];
    }
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
