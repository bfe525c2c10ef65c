#include "central/postgres/pg_array.h"

#include <errno.h>

static void put32(char out[4], uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (char)(value >> (24 - 8 * i));
}

void pg_int8_put(char out[PG_INT8_BYTES], uint64_t value)
{
    put32(out, (uint32_t)(value >> 32));
    put32(out + 4, (uint32_t)value);
}

int pg_array_begin(struct buf *out, uint32_t type, size_t n)
{
    const uint32_t words[] = {1, 0, type, (uint32_t)n, 1}; /* dimensions, NULLs, ..., first index */
    char bytes[sizeof(words)];

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        put32(bytes + 4 * i, words[i]);
    return buf_append(out, bytes, sizeof(bytes));
}

int pg_array_add(struct buf *out, const void *data, size_t n)
{
    char length[4];
    int r;

    if (n > INT32_MAX)
        return -ENOBUFS;
    put32(length, (uint32_t)n);
    r = buf_append(out, length, sizeof(length));
    return r < 0 ? r : buf_append(out, data, n);
}
