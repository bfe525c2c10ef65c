/*
 * From a request's values to its signature: the keeper builds the string to sign itself. Holds the
 * room for that, which is used again for the next one.
 */
#ifndef CENTION_KEEPER_SIGNING_H
#define CENTION_KEEPER_SIGNING_H

#include "api/string_to_sign.h"
#include "base/buf.h"
#include "keeper/keystore.h"
#include "keeper/signer.h"
#include "wall/wire.h"

struct signing {
    const struct signer *signer;
    struct sign_field *fields; /* room for WIRE_FIELDS_MAX */
    struct buf text;           /* the string to sign, while it is made */
};

/* The signer outlives it. -ENOMEM. */
int signing_init(struct signing *signing, const struct signer *signer)
    __attribute__((warn_unused_result));
void signing_deinit(struct signing *signing);

/* Of a request that check_sign is content with: 0, -EINVAL or -ENOMEM. */
int signing_request(struct signing *signing, const struct wire_sign *sign,
                    const struct keystore_key *key, char signature[WIRE_SIGNATURE])
    __attribute__((warn_unused_result));

#endif
