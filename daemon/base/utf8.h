/*
 * One UTF-8 sequence (RFC 3629, 4): no overlong form, no surrogate, nothing above U+10FFFF.
 */
#ifndef CENTION_BASE_UTF8_H
#define CENTION_BASE_UTF8_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/*
 * How far bytes are ASCII that needs no second look inside a JSON string: no quote, no backslash,
 * no control, and no DEL where that is asked for. Sixteen or eight bytes a step: `x - 0x01..`
 * borrows out of bytes that are zero.
 */

#define ASCII_ONES UINT64_C(0x0101010101010101)

static inline uint64_t ascii_load(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

/* The lowest set top bit is that of the first byte that equals `c`; those behind it may be wrong.
 */
static inline uint64_t ascii_equal(uint64_t v, unsigned char c)
{
    uint64_t x = v ^ (ASCII_ONES * c);

    return (x - ASCII_ONES) & ~x & (ASCII_ONES << 7);
}

/* The n bytes at p, fewer than eight, the first one lowest; those that are missing are zeros. */
static inline uint64_t ascii_load_few(const unsigned char *p, size_t n)
{
    uint32_t first, last;

    if (n >= 4) {
        memcpy(&first, p, sizeof(first));
        memcpy(&last, p + n - 4, sizeof(last));
        return le32toh(first) | (uint64_t)le32toh(last) << (8 * (n - 4));
    }
    return n == 0
               ? 0
               : p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
}

/* The bytes that are not plain, as ascii_equal finds them. */
static inline uint64_t ascii_not(uint64_t v, bool del_is_plain)
{
    uint64_t found = v | (v - ASCII_ONES * 0x20);

    /* DEL is the one byte below 0x80 that gets there by one more. */
    if (!del_is_plain)
        found |= v + ASCII_ONES;
    return (found & (ASCII_ONES << 7)) | ascii_equal(v, '"') | ascii_equal(v, '\\');
}

typedef signed char plain_wide __attribute__((vector_size(16)));

/* Whether all of 16 bytes are plain. */
static inline bool plain_all(const void *p, bool del_is_plain)
{
    plain_wide v, found;
    uint64_t half[2];

    memcpy(&v, p, sizeof(v));
    found = (v < 0x20) | (v == '"') | (v == '\\');
    if (!del_is_plain)
        found |= v == 0x7f;
    memcpy(half, &found, sizeof(half));
    return (half[0] | half[1]) == 0;
}

/* The first byte in [p, end) that isn't plain, or `end`. */
static inline const unsigned char *ascii_end(const unsigned char *p, const unsigned char *end,
                                             bool del_is_plain)
{
    uint64_t found;
    size_t left;

    for (; end - p >= 8; p += 8) {
        found = ascii_not(ascii_load(p), del_is_plain);
        if (found)
            return p + (__builtin_ctzll(found) >> 3);
        while (end - p >= 24 && plain_all(p + 8, del_is_plain))
            p += 16;
    }
    left = (size_t)(end - p);
    found = ascii_not(ascii_load_few(p, left), del_is_plain);
    found = found ? (uint64_t)__builtin_ctzll(found) >> 3 : left;
    return found < left ? p + found : end;
}

/* The first byte in [p, end) that isn't ASCII, or `end`. */
static inline const unsigned char *ascii_run_end(const unsigned char *p, const unsigned char *end)
{
    uint64_t found;

    for (; end - p >= 8; p += 8) {
        found = ascii_load(p) & (ASCII_ONES << 7);
        if (found)
            return p + (__builtin_ctzll(found) >> 3);
    }
    found = ascii_load_few(p, (size_t)(end - p)) & (ASCII_ONES << 7);
    return found ? p + (__builtin_ctzll(found) >> 3) : end;
}

#endif
