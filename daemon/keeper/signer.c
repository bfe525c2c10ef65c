/*
 * HMAC is put together here from the library's hash: its own contexts of HMAC hold what depends on
 * the key three times, in memory that has to be allocated and wiped for each signature, which costs
 * more than the signature of a small request. The one context is begun afresh as soon as a hash is
 * done, which overwrites all of its state; when something fails it is wiped and emptied.
 */
#include "keeper/signer.h"

#include "trail/hex.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum {
    SIGNER_BYTES = SIGNER_HEX / 2,
    BLOCK = 64, /* bytes of a block of SHA-256 */
};

struct signer {
    EVP_MD *sha256;
    EVP_MD_CTX *ctx;
};

/* What depends on the key, wiped together. */
struct work {
    unsigned char key[BLOCK]; /* with zeros behind it */
    unsigned char pad[BLOCK];
    unsigned char hash[SIGNER_BYTES];
};

static bool begin(const struct signer *s)
{
    return EVP_DigestInit_ex2(s->ctx, s->sha256, NULL) == 1;
}

int signer_new(struct signer **out)
{
    struct signer *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->ctx = EVP_MD_CTX_new();
    if (!s->sha256 || !s->ctx || !begin(s)) {
        signer_free(s);
        return -ENOMEM;
    }
    *out = s;
    return 0;
}

void signer_free(struct signer *s)
{
    if (!s)
        return;
    EVP_MD_CTX_free(s->ctx);
    EVP_MD_free(s->sha256);
    free(s);
}

/* The hash of both, one behind the other; the context is a new one then. */
static bool hash(const struct signer *s, struct slice first, struct slice second,
                 unsigned char out[SIGNER_BYTES])
{
    unsigned n = 0;

    return EVP_DigestUpdate(s->ctx, first.data, first.len) &&
           EVP_DigestUpdate(s->ctx, second.data, second.len) &&
           EVP_DigestFinal_ex(s->ctx, out, &n) && n == SIGNER_BYTES && begin(s);
}

static struct slice padded(struct work *w, unsigned char with)
{
    for (size_t i = 0; i < BLOCK; i++)
        w->pad[i] = w->key[i] ^ with;
    return slice_of(w->pad, BLOCK);
}

/* RFC 2104, 2. */
static bool hmac(const struct signer *s, struct work *w, struct slice key, struct slice text)
{
    if (key.len <= BLOCK)
        memcpy(w->key, key.data, key.len);
    else if (!hash(s, key, SLICE_NULL, w->key))
        return false;
    return hash(s, padded(w, 0x36), text, w->hash) &&
           hash(s, padded(w, 0x5c), slice_of(w->hash, sizeof(w->hash)), w->hash);
}

int signer_sign(const struct signer *s, struct slice key, struct slice text, char hex[SIGNER_HEX])
{
    struct work w = {.key = {0}};
    bool done;

    memset(hex, 0, SIGNER_HEX);
    if (key.len == 0)
        return -EINVAL;
    /* After a failure the context is empty. */
    done = (EVP_MD_CTX_get0_md(s->ctx) || begin(s)) && hmac(s, &w, key, text);
    if (done)
        hex_put(hex, w.hash, SIGNER_BYTES);
    else
        (void)EVP_MD_CTX_reset(s->ctx);
    OPENSSL_cleanse(&w, sizeof(w));
    return done ? 0 : -ENOMEM;
}
