/*
 * How far bytes are ASCII that needs no second look inside a JSON string: no quote, no backslash,
 * no control, and no DEL where that is asked for. Eight bytes a step: `x - 0x01..` borrows out of
 * bytes that are zero.
 */
#ifndef CENTION_BASE_PLAIN_H
#define CENTION_BASE_PLAIN_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PLAIN_ONES UINT64_C(0x0101010101010101)

static inline uint64_t plain_load(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

/* The lowest set top bit is that of the first byte that equals `c`; those behind it may be wrong.
 */
static inline uint64_t plain_equal(uint64_t v, unsigned char c)
{
    uint64_t x = v ^ (PLAIN_ONES * c);

    return (x - PLAIN_ONES) & ~x & (PLAIN_ONES << 7);
}

/* The first byte in [p, end) that isn't plain, or `end`. */
static inline const unsigned char *plain_end(const unsigned char *p, const unsigned char *end,
                                             bool del_is_plain)
{
    for (; end - p >= 8; p += 8) {
        uint64_t v = plain_load(p);
        uint64_t found = (v | ((v - PLAIN_ONES * 0x20) & ~v)) & (PLAIN_ONES << 7);

        found |= plain_equal(v, '"') | plain_equal(v, '\\');
        if (!del_is_plain)
            found |= plain_equal(v, 0x7f);
        if (found)
            return p + (__builtin_ctzll(found) >> 3);
    }
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\' &&
           (del_is_plain || *p != 0x7f))
        p++;
    return p;
}

/* The first byte in [p, end) that isn't ASCII, or `end`. */
static inline const unsigned char *plain_ascii_end(const unsigned char *p, const unsigned char *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t found = plain_load(p) & (PLAIN_ONES << 7);

        if (found)
            return p + (__builtin_ctzll(found) >> 3);
    }
    while (p < end && *p < 0x80)
        p++;
    return p;
}

#endif
