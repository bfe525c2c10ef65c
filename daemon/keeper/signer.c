/*
 * The algorithm is looked up once and kept as a template without a key; a signature starts from a
 * copy of it. OpenSSL keeps a context's key in its secure heap and wipes the rest when the context
 * is freed, which is why no context with a key is kept for the next signature.
 */
#include "keeper/signer.h"

#include "base/hex.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

enum {
    SIGNER_BYTES = SIGNER_HEX / 2,
};

struct signer {
    EVP_MAC *hmac;
    EVP_MAC_CTX *template;
};

int signer_new(struct signer **out)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    struct signer *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    s->template = s->hmac ? EVP_MAC_CTX_new(s->hmac) : NULL;
    if (!s->template || !EVP_MAC_CTX_set_params(s->template, params)) {
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
    EVP_MAC_CTX_free(s->template);
    EVP_MAC_free(s->hmac);
    free(s);
}

int signer_sign(const struct signer *s, struct slice key, struct slice text, char hex[SIGNER_HEX])
{
    unsigned char mac[SIGNER_BYTES];
    EVP_MAC_CTX *ctx;
    size_t n = 0;
    bool done;

    memset(hex, 0, SIGNER_HEX);
    /* An empty key would leave the template's state as it is. */
    if (key.len == 0)
        return -EINVAL;
    ctx = EVP_MAC_CTX_dup(s->template);
    done = ctx && EVP_MAC_init(ctx, (const unsigned char *)key.data, key.len, NULL) &&
           EVP_MAC_update(ctx, (const unsigned char *)text.data, text.len) &&
           EVP_MAC_final(ctx, mac, &n, sizeof(mac)) && n == sizeof(mac);
    EVP_MAC_CTX_free(ctx);
    if (done)
        hex_put(hex, mac, SIGNER_BYTES);
    OPENSSL_cleanse(mac, sizeof(mac));
    return done ? 0 : -ENOMEM;
}

enum {
    TEXT_MAX = WIRE_MESSAGE_MAX + 4096, /* bytes of a string to sign */
    TEXT_KEEP = 256 * 1024,             /* bytes of its block that stay */
};

void signing_init(struct signing *s, const struct signer *signer)
{
    *s = (struct signing){.signer = signer, .text = BUF_INIT(TEXT_MAX)};
}

void signing_deinit(struct signing *s)
{
    buf_deinit(&s->text);
}

int signing_request(struct signing *s, const struct sign_request *sign,
                    const struct keystore_key *key, char signature[WIRE_SIGNATURE])
{
    int r = string_to_sign(&s->text, key->id, sign->workspace, sign->path, sign->fields,
                           sign->n_fields);

    if (r == 0)
        r = signer_sign(s->signer, key->secret, buf_slice(&s->text), signature);
    buf_reset(&s->text, TEXT_KEEP);
    return r;
}
