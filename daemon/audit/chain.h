/*
 * The hash chain of the audit log (doc/audit-format.md): the hash of a record is SHA-256 over the
 * byte 0x00, the raw hash of the record before it, and the bytes of its line before `,"h":`.
 */
#ifndef CENTION_AUDIT_CHAIN_H
#define CENTION_AUDIT_CHAIN_H

#include "base/slice.h"

enum {
    CHAIN_HASH = 32,
    CHAIN_HASH_HEX = 2 * CHAIN_HASH,
    /* Every line ends with `,"h":"` 64 digits `"}`. */
    CHAIN_TAIL = 6 + CHAIN_HASH_HEX + 2,
};

struct chain_hash {
    unsigned char bytes[CHAIN_HASH]; /* before the first record: zeros */
};

struct chain; /* the algorithm, looked up once; for one thread */

int chain_new(struct chain **out) MUST_CHECK; /* 0 or -ENOMEM */
void chain_free(struct chain *chain);         /* NULL is allowed */

/* *out may be *previous. 0, or -ENOMEM when the library failed. */
int chain_hash(struct chain *chain, const struct chain_hash *previous, struct slice covered,
               struct chain_hash *out) MUST_CHECK;

static inline bool chain_same(const struct chain_hash *a, const struct chain_hash *b)
{
    return memcmp(a->bytes, b->bytes, CHAIN_HASH) == 0;
}

#endif
