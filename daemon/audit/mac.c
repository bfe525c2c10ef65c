/*
 * One context with the key is kept and begun afresh for each hash: looking up the algorithm and
 * hashing the key's two pads happen once. OpenSSL wipes the context when it is freed.
 */
#include "audit/mac.h"

#include "base/hex.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    MAC_BATCH = 1024, /* bytes of small pieces that are hashed together */
};

struct mac {
    EVP_MAC *hmac;
    EVP_MAC_CTX *ctx;
};

int mac_new(struct mac **out, const unsigned char key[MAC_KEY])
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    struct mac *m = calloc(1, sizeof(*m));

    if (!m)
        return -ENOMEM;
    m->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    m->ctx = m->hmac ? EVP_MAC_CTX_new(m->hmac) : NULL;
    if (!m->ctx || !EVP_MAC_init(m->ctx, key, MAC_KEY, params)) {
        mac_free(m);
        return -ENOMEM;
    }
    *out = m;
    return 0;
}

void mac_free(struct mac *m)
{
    if (!m)
        return;
    EVP_MAC_CTX_free(m->ctx);
    EVP_MAC_free(m->hmac);
    free(m);
}

/* With the key that it has. */
static bool begin(struct mac *m)
{
    return EVP_MAC_init(m->ctx, NULL, 0, NULL) == 1;
}

static bool put(struct mac *m, const void *data, size_t n)
{
    return n == 0 || EVP_MAC_update(m->ctx, data, n) == 1;
}

static int end(struct mac *m, bool good, unsigned char out[MAC_BYTES])
{
    size_t n = 0;

    return good && EVP_MAC_final(m->ctx, out, &n, MAC_BYTES) && n == MAC_BYTES ? 0 : -ENOMEM;
}

int mac_field(struct mac *m, struct slice value, unsigned char out[MAC_BYTES])
{
    static const char LABEL[] = "cention-audit-field-1"; /* its end is the separator */

    return end(m, begin(m) && put(m, LABEL, sizeof(LABEL)) && put(m, value.data, value.len), out);
}

/* Small pieces on their way into the hash. */
struct batch {
    struct mac *mac;
    size_t n;
    unsigned char bytes[MAC_BATCH];
};

static bool flush(struct batch *b)
{
    size_t n = b->n;

    b->n = 0;
    return put(b->mac, b->bytes, n);
}

static bool add(struct batch *b, const void *data, size_t n)
{
    if (n > sizeof(b->bytes) - b->n && !flush(b))
        return false;
    if (n > sizeof(b->bytes))
        return put(b->mac, data, n);
    if (n)
        memcpy(b->bytes + b->n, data, n);
    b->n += n;
    return true;
}

static bool add_counted(struct batch *b, struct slice s)
{
    unsigned char length[4] = {(unsigned char)(s.len >> 24), (unsigned char)(s.len >> 16),
                               (unsigned char)(s.len >> 8), (unsigned char)s.len};

    return add(b, length, sizeof(length)) && add(b, s.data, s.len);
}

int mac_body(struct mac *m, const struct request_field *fields, uint32_t n,
             unsigned char out[MAC_BYTES])
{
    static const char LABEL[] = "cention-audit-body-1";
    struct batch b;
    bool good;

    b.mac = m;
    b.n = 0;
    good = begin(m) && add(&b, LABEL, sizeof(LABEL));
    for (uint32_t i = 0; good && i < n; i++)
        good = add_counted(&b, fields[i].name) && add_counted(&b, fields[i].value);
    good = good && flush(&b);
    return end(m, good, out);
}

int mac_key_id(struct mac *m, char out[MAC_KEY_ID])
{
    static const char LABEL[] = "cention-audit-key-id-1";
    unsigned char bytes[MAC_BYTES];
    int r = end(m, begin(m) && put(m, LABEL, sizeof(LABEL) - 1), bytes);

    if (r == 0)
        hex_put(out, bytes, MAC_KEY_ID / 2);
    return r;
}

int mac_key_read(int fd, unsigned char key[MAC_KEY])
{
    unsigned char more;
    ssize_t n = read(fd, key, MAC_KEY), rest = n == MAC_KEY ? read(fd, &more, 1) : 0;

    if (n < 0 || rest < 0)
        return -errno;
    return n == MAC_KEY && rest == 0 ? 0 : -EINVAL;
}
