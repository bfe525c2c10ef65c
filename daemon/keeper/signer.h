/*
 * HMAC-SHA256 (RFC 2104, FIPS 180-4), in lower-case hexadecimal. What depends on the key never
 * stays in ordinary memory: each signature has a context of its own, wiped when it is done.
 */
#ifndef CENTION_KEEPER_SIGNER_H
#define CENTION_KEEPER_SIGNER_H

#include "base/slice.h"

enum {
    SIGNER_HEX = 64, /* digits of a signature */
};

struct signer;

int signer_new(struct signer **out) __attribute__((warn_unused_result));
void signer_free(struct signer *signer); /* NULL is fine */

/* Signs the text; `hex` isn't terminated. -EINVAL for an empty key, -ENOMEM; `hex` is zero then. */
int signer_sign(const struct signer *signer, struct slice key, struct slice text,
                char hex[SIGNER_HEX]) __attribute__((warn_unused_result));

#endif
