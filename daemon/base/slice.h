/*
 * A read-only view of bytes that someone else owns. It is not terminated; it may hold NUL.
 * A slice is valid only as long as its owner says so.
 */
#ifndef CENTION_BASE_SLICE_H
#define CENTION_BASE_SLICE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *data;
    size_t len; /* bytes */
};

#define SLICE_NULL     ((struct slice){NULL, 0})
#define SLICE_LIT(lit) ((struct slice){"" lit, sizeof(lit) - 1})

static inline struct slice slice_of(const void *data, size_t len)
{
    return (struct slice){data, len};
}

/* The bytes of a C string without its terminator; NULL gives the empty slice. */
static inline struct slice slice_str(const char *s)
{
    return (struct slice){s, s ? strlen(s) : 0};
}

/* At most the first max bytes. */
static inline struct slice slice_cut(struct slice s, size_t max)
{
    return s.len > max ? slice_of(s.data, max) : s;
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): what has a length has data */
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* ASCII letters compare without case (RFC 9110, 5.1: field names are case-insensitive). */
static inline bool slice_eq_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        unsigned char x = (unsigned char)a.data[i], y = (unsigned char)b.data[i];

        if (x >= 'A' && x <= 'Z')
            x |= 0x20;
        if (y >= 'A' && y <= 'Z')
            y |= 0x20;
        if (x != y)
            return false;
    }
    return true;
}

/* 1 to `most` bytes, each an ASCII letter, a digit, or one of `also`. */
static inline bool slice_is_name(struct slice s, size_t most, const char *also)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || !strchr(also, c)))
            return false;
    }
    return s.len > 0 && s.len <= most;
}

/* Byte order, a shorter prefix first: below, at or above zero as memcmp(3). */
static inline int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int r = n ? memcmp(a.data, b.data, n) : 0;

    return r ? r : (a.len > b.len) - (a.len < b.len);
}

#endif
