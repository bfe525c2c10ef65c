/*
 * SHA-256 (FIPS 180-4) of bytes that are at hand.
 */
#ifndef CENTION_PROXY_TLS_SHA256_H
#define CENTION_PROXY_TLS_SHA256_H

#include "base/slice.h"

enum {
    SHA256_BYTES = 32,
};

struct sha256; /* the algorithm, looked up once; for one thread */

int sha256_new(struct sha256 **out) MUST_CHECK; /* 0 or -ENOMEM */
void sha256_free(struct sha256 *sha256);        /* NULL is allowed */

/* 0, or -ENOMEM when the library failed. */
int sha256_of(struct sha256 *sha256, struct slice bytes,
              unsigned char out[SHA256_BYTES]) MUST_CHECK;

#endif
