/*
 * One UTF-8 sequence (RFC 3629, 4): no overlong form, no surrogate, nothing above U+10FFFF.
 */
#ifndef CENTION_BASE_UTF8_H
#define CENTION_BASE_UTF8_H

#include <stddef.h>

/* Bytes of the well-formed sequence at p, of which `left` (at least 1) can be read; 0: it is none.
 */
static inline size_t utf8_len(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (p[0] > 0xf4 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

#endif
