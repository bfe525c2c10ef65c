/*
 * PostgreSQL's binary form of parameters: numbers most significant byte first, and arrays of one
 * dimension without NULLs. A buffer holds one value; its length is the parameter's.
 */
#ifndef CENTION_CENTRAL_POSTGRES_PG_ARRAY_H
#define CENTION_CENTRAL_POSTGRES_PG_ARRAY_H

#include "base/buf.h"

/* Types by their numbers in pg_type, which never change. */
enum {
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_TEXT = 25,
    PG_BYTEAS = 1001,
    PG_TEXTS = 1009,
    PG_INT8S = 1016,
    PG_INT8_BYTES = 8,
};

void pg_int8_put(char out[PG_INT8_BYTES], uint64_t value);

/* An array of n elements of that type; then each is added. 0, -ENOBUFS or -ENOMEM. */
int pg_array_begin(struct buf *out, uint32_t type, size_t n) __attribute__((warn_unused_result));
int pg_array_add(struct buf *out, const void *data, size_t n) __attribute__((warn_unused_result));

#endif
