#include "audit/seal.h"

#include "base/hex.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct seal_verifier {
    EVP_PKEY *key;
};

static unsigned char *put(unsigned char *at, const void *data, size_t n)
{
    memcpy(at, data, n);
    return at + n;
}

static unsigned char *put_u64(unsigned char *at, uint64_t v)
{
    for (int shift = 56; shift >= 0; shift -= 8)
        *at++ = (unsigned char)(v >> shift);
    return at;
}

size_t seal_message(unsigned char *out, const struct seal *s)
{
    /* Both have the same length, terminator included, and differ in their text: no message of one
     * kind can pass as the other. */
    static const char CHECKPOINT[] = "cention-audit-checkpoint-1",
                      EPOCH[] = "cention-audit-epoch-1";
    unsigned char *at = out;

    at = s->next ? put(at, EPOCH, sizeof(EPOCH)) : put(at, CHECKPOINT, sizeof(CHECKPOINT));
    at = put(at, s->log.bytes, SEAL_KEY);
    at = put_u64(at, s->epoch);
    at = put_u64(at, s->seq);
    at = put(at, s->hash.bytes, CHAIN_HASH);
    at = put(at, s->time, SEAL_TIME);
    if (s->next)
        at = put(at, s->next->bytes, SEAL_KEY);
    return (size_t)(at - out);
}

int seal_verifier_new(struct seal_verifier **out, const struct seal_key *key)
{
    struct seal_verifier *v = calloc(1, sizeof(*v));

    if (!v)
        return -ENOMEM;
    v->key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->bytes, SEAL_KEY);
    if (!v->key) {
        free(v);
        return -EINVAL;
    }
    *out = v;
    return 0;
}

void seal_verifier_free(struct seal_verifier *v)
{
    if (!v)
        return;
    EVP_PKEY_free(v->key);
    free(v);
}

bool seal_verify(const struct seal_verifier *v, const struct seal *seal,
                 const unsigned char signature[SEAL_SIGNATURE])
{
    unsigned char message[SEAL_MESSAGE_MAX];
    size_t n = seal_message(message, seal);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = v && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, v->key) == 1 &&
                EVP_DigestVerify(ctx, signature, SEAL_SIGNATURE, message, n) == 1;

    EVP_MD_CTX_free(ctx);
    return good;
}

enum {
    GROUP = 8, /* digits */
};

void identity_text(char out[IDENTITY_TEXT], const struct seal_key *key)
{
    char digits[SEAL_KEY_HEX];
    size_t n = 0;

    hex_put(digits, key->bytes, SEAL_KEY);
    for (size_t i = 0; i < sizeof(digits); i++) {
        if (i && i % GROUP == 0)
            out[n++] = '-';
        out[n++] = digits[i];
    }
    out[n] = '\0';
}

bool identity_read(struct seal_key *out, const char *text)
{
    char digits[SEAL_KEY_HEX];
    size_t n = 0;

    for (; *text; text++) {
        if (*text == '-')
            continue;
        if (n == sizeof(digits))
            return false;
        digits[n++] = *text >= 'A' && *text <= 'F' ? (char)(*text | 0x20) : *text;
    }
    return hex_get(out->bytes, SEAL_KEY, slice_of(digits, n));
}
