/*
 * HMAC-SHA256 (RFC 2104, FIPS 180-4), in lower-case hexadecimal. What depends on the key never
 * stays in ordinary memory: each signature has a context of its own, wiped when it is done.
 */
#ifndef CENTION_KEEPER_SIGNER_H
#define CENTION_KEEPER_SIGNER_H

#include "api/string_to_sign.h"
#include "base/buf.h"
#include "base/slice.h"
#include "keeper/keystore.h"
#include "wall/wire.h"

enum {
    SIGNER_HEX = 64, /* digits of a signature */
};

struct signer;

int signer_new(struct signer **out) MUST_CHECK;
void signer_free(struct signer *signer); /* NULL is allowed */

/* Signs the text; `hex` isn't terminated. -EINVAL for an empty key, -ENOMEM; `hex` is zero then. */
int signer_sign(const struct signer *signer, struct slice key, struct slice text,
                char hex[SIGNER_HEX]) MUST_CHECK;

/*
 * From a request's values to its signature: the keeper builds the string to sign itself. Holds the
 * room for that, which is used again for the next one.
 */

struct signing {
    const struct signer *signer;
    struct buf text; /* the string to sign, while it is made */
};

/* The signer outlives it. */
void signing_init(struct signing *signing, const struct signer *signer);
void signing_deinit(struct signing *signing);

/* Of a request that check_sign is content with: 0, -EINVAL or -ENOMEM. */
int signing_request(struct signing *signing, const struct sign_request *sign,
                    const struct keystore_key *key, char signature[WIRE_SIGNATURE]) MUST_CHECK;

#endif
