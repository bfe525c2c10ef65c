/*
 * SHA-256 is called by its plain functions: through EVP each hash costs three times as much, and a
 * token is hashed once for each client that has one.
 */
#define OPENSSL_API_COMPAT 10100 /* as of 1.1.0: these functions are not marked as old */

#include "policy/token.h"

#include "base/hex.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#define PREFIX "sha256:"

_Static_assert((int)TOKEN_HASH == SHA256_DIGEST_LENGTH, "the hash is SHA-256");

bool token_hash_read(struct token_hash *out, const char *text)
{
    const char *salt = text + strlen(PREFIX), *hash = salt + TOKEN_SALT_HEX + 1;

    return strlen(text) == TOKEN_HASH_TEXT && strncmp(text, PREFIX, strlen(PREFIX)) == 0 &&
           hash[-1] == ':' && hex_get(out->salt, TOKEN_SALT, slice_of(salt, TOKEN_SALT_HEX)) &&
           hex_get(out->hash, TOKEN_HASH, slice_of(hash, TOKEN_HASH_HEX));
}

void token_hash_text(char out[TOKEN_HASH_TEXT + 1], const struct token_hash *hash)
{
    char *p = out + strlen(PREFIX);

    memcpy(out, PREFIX, strlen(PREFIX));
    hex_put(p, hash->salt, TOKEN_SALT);
    p += TOKEN_SALT_HEX;
    *p++ = ':';
    hex_put(p, hash->hash, TOKEN_HASH);
    out[TOKEN_HASH_TEXT] = '\0';
}

static bool digest(unsigned char out[TOKEN_HASH], const unsigned char salt[TOKEN_SALT],
                   struct slice token)
{
    unsigned char both[TOKEN_SALT + TOKEN_MAX];
    SHA256_CTX ctx;
    bool done = token.len <= TOKEN_MAX;

    if (!done)
        return false;
    memcpy(both, salt, TOKEN_SALT);
    memcpy(both + TOKEN_SALT, token.data, token.len);
    done = SHA256_Init(&ctx) == 1 && SHA256_Update(&ctx, both, TOKEN_SALT + token.len) == 1 &&
           SHA256_Final(out, &ctx) == 1;
    /* Final leaves nothing of it in ctx. */
    explicit_bzero(both, TOKEN_SALT + token.len);
    return done;
}

bool token_is(const struct token_hash *hash, struct slice token)
{
    unsigned char its[TOKEN_HASH];

    return digest(its, hash->salt, token) && CRYPTO_memcmp(its, hash->hash, TOKEN_HASH) == 0;
}

/* Three bytes make four letters; the last two of 32 make three. */
static void base64url(char *out, const unsigned char *in, size_t n)
{
    static const char LETTERS[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    unsigned bits = 0, have = 0;

    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | in[i];
        for (have += 8; have >= 6; have -= 6)
            *out++ = LETTERS[bits >> (have - 6) & 63];
    }
    if (have)
        *out++ = LETTERS[bits << (6 - have) & 63];
    *out = '\0';
}

int token_new(char out[TOKEN_TEXT + 1], struct token_hash *hash)
{
    unsigned char secret[32];

    if (RAND_bytes(secret, sizeof(secret)) != 1 || RAND_bytes(hash->salt, TOKEN_SALT) != 1)
        return -EIO;
    memcpy(out, "cpt_", 4);
    base64url(out + 4, secret, sizeof(secret));
    explicit_bzero(secret, sizeof(secret));
    return digest(hash->hash, hash->salt, slice_of(out, TOKEN_TEXT)) ? 0 : -EIO;
}
