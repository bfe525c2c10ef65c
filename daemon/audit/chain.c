#include "audit/chain.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>

struct chain {
    EVP_MD *sha256;
    EVP_MD_CTX *ctx;
};

int chain_new(struct chain **out)
{
    struct chain *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    c->ctx = EVP_MD_CTX_new();
    if (!c->sha256 || !c->ctx || !EVP_DigestInit_ex2(c->ctx, c->sha256, NULL)) {
        chain_free(c);
        return -ENOMEM;
    }
    *out = c;
    return 0;
}

void chain_free(struct chain *c)
{
    if (!c)
        return;
    EVP_MD_CTX_free(c->ctx);
    EVP_MD_free(c->sha256);
    free(c);
}

int chain_hash(struct chain *c, const struct chain_hash *previous, struct slice covered,
               struct chain_hash *out)
{
    unsigned char first[1 + CHAIN_HASH] = {0};
    unsigned n = 0;

    memcpy(first + 1, previous->bytes, CHAIN_HASH);
    /* With NULL the context is initialised again with its own algorithm. */
    if (!EVP_DigestInit_ex2(c->ctx, NULL, NULL) ||
        !EVP_DigestUpdate(c->ctx, first, sizeof(first)) ||
        !EVP_DigestUpdate(c->ctx, covered.data, covered.len) ||
        !EVP_DigestFinal_ex(c->ctx, out->bytes, &n) || n != CHAIN_HASH)
        return -ENOMEM;
    return 0;
}
