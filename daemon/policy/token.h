/*
 * The tokens by which clients prove who they are. The configuration holds nothing but salted
 * hashes, "sha256:SALT:HASH": 16 random bytes and SHA-256(salt || token), in lower-case
 * hexadecimal digits. A token is 32 random bytes, so that a plain hash is enough.
 */
#ifndef CENTION_POLICY_TOKEN_H
#define CENTION_POLICY_TOKEN_H

#include "base/slice.h"

enum {
    TOKEN_SALT = 16, /* bytes */
    TOKEN_HASH = 32,
    TOKEN_SALT_HEX = 2 * TOKEN_SALT,
    TOKEN_HASH_HEX = 2 * TOKEN_HASH,
    TOKEN_MAX = 256,     /* bytes; a longer one is nobody's */
    TOKEN_TEXT = 4 + 43, /* "cpt_" and base64url (RFC 4648, 5) of 32 bytes, without padding */
    TOKEN_HASH_TEXT = 7 + TOKEN_SALT_HEX + 1 + TOKEN_HASH_HEX, /* bytes, without a terminator */
};

struct token_hash {
    unsigned char salt[TOKEN_SALT], hash[TOKEN_HASH];
};

/* "sha256:SALT:HASH"; false for anything else. */
bool token_hash_read(struct token_hash *out, const char *text) MUST_CHECK;
void token_hash_text(char out[TOKEN_HASH_TEXT + 1], const struct token_hash *hash);

/* Whether it is this token's; takes the same time for every hash. False when out of memory. */
bool token_is(const struct token_hash *hash, struct slice token);

/* A new token and its hash. -EIO when the system has no random bytes. Wipe the token. */
int token_new(char out[TOKEN_TEXT + 1], struct token_hash *hash) MUST_CHECK;

#endif
