#include "proxy/tls/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct sha256 {
    EVP_MD *type;
    EVP_MD_CTX *ctx;
};

int sha256_new(struct sha256 **out)
{
    struct sha256 *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->type = EVP_MD_fetch(NULL, "SHA256", NULL);
    s->ctx = EVP_MD_CTX_new();
    if (!s->type || !s->ctx || !EVP_DigestInit_ex2(s->ctx, s->type, NULL)) {
        sha256_free(s);
        return -ENOMEM;
    }
    *out = s;
    return 0;
}

void sha256_free(struct sha256 *s)
{
    if (!s)
        return;
    EVP_MD_CTX_free(s->ctx);
    EVP_MD_free(s->type);
    free(s);
}

int sha256_of(struct sha256 *s, struct slice bytes, unsigned char out[SHA256_BYTES])
{
    unsigned n = 0;

    /* With NULL the context is initialised again with its own algorithm. */
    if (!EVP_DigestInit_ex2(s->ctx, NULL, NULL) ||
        !EVP_DigestUpdate(s->ctx, bytes.data ? bytes.data : "", bytes.len) ||
        !EVP_DigestFinal_ex(s->ctx, out, &n) || n != SHA256_BYTES)
        return -ENOMEM;
    return 0;
}
