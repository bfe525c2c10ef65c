/*
 * The server's chain: which algorithms, which anchors, revocation; and a sentence for whoever has
 * to mend it.
 */
#include "proxy/tls/tls_inner.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum {
    DETOURS = 8, /* certificates that may lead nowhere */
};

/* A key whose signatures nobody should need any more (FIPS 186-5 withdrew DSA). */
static bool is_dsa(X509 *certificate)
{
    EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;

    return key && EVP_PKEY_get_base_id(key) == EVP_PKEY_DSA;
}

/* Appends what is printable of a name. */
static void add_name(char *out, size_t size, const unsigned char *name, int len)
{
    size_t n = strlen(out);

    if (n + (size_t)len + 3 >= size || n > 120)
        return;
    if (n)
        n += (size_t)snprintf(out + n, size - n, ", ");
    for (int i = 0; i < len && n + 1 < size; i++)
        out[n++] = name[i] > 0x20 && name[i] < 0x7f ? (char)name[i] : '?';
    out[n] = '\0';
}

/* The names that the certificate has: its subjectAltName's, which alone count (RFC 9110, 4.3.4). */
static void names_of(X509 *certificate, char *out, size_t size)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    out[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

        if (name->type == GEN_DNS) {
            add_name(out, size, ASN1_STRING_get0_data(name->d.dNSName),
                     ASN1_STRING_length(name->d.dNSName));
        } else if (name->type == GEN_IPADD) {
            int len = ASN1_STRING_length(name->d.iPAddress);
            char text[INET6_ADDRSTRLEN] = "";

            if ((len == 4 || len == 16) &&
                inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(name->d.iPAddress),
                          text, sizeof(text)))
                add_name(out, size, (unsigned char *)text, (int)strlen(text));
        }
    }
    GENERAL_NAMES_free(all);
}

/*
 * A certificate whose issuer has no list in ca_file is not revoked as far as anybody told; the
 * lists that are there count.
 */
static int on_verify(int good, X509_STORE_CTX *store)
{
    int error = X509_STORE_CTX_get_error(store);
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = ssl ? SSL_get_app_data(ssl) : NULL;

    if (!good && t &&
        (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH))
        names_of(X509_STORE_CTX_get0_cert(store), t->names, sizeof(t->names));
    if (!good && error == X509_V_ERR_UNABLE_TO_GET_CRL) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        good = 1;
    }
    if (good && is_dsa(X509_STORE_CTX_get_current_cert(store))) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CA_KEY_TOO_SMALL);
        return 0;
    }
    return good;
}

/* The untrusted certificates without that one; NULL without memory. They stay the caller's. */
static STACK_OF(X509) * without(STACK_OF(X509) * untrusted, X509 *bad)
{
    STACK_OF(X509) *rest = sk_X509_new_null();

    for (int i = 0; rest && i < sk_X509_num(untrusted); i++)
        if (sk_X509_value(untrusted, i) != bad && X509_cmp(sk_X509_value(untrusted, i), bad) != 0 &&
            !sk_X509_push(rest, sk_X509_value(untrusted, i))) {
            sk_X509_free(rest);
            rest = NULL;
        }
    return rest;
}

/* One try with fewer certificates; what it finds goes into `store` when it is good. */
static int verify_with(X509_STORE_CTX *store, STACK_OF(X509) * untrusted, X509 **bad)
{
    X509_STORE_CTX *one = X509_STORE_CTX_new();
    int ssl_index = SSL_get_ex_data_X509_STORE_CTX_idx(), r = -1;

    *bad = NULL;
    if (one &&
        X509_STORE_CTX_init(one, X509_STORE_CTX_get0_store(store), X509_STORE_CTX_get0_cert(store),
                            untrusted) == 1 &&
        X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(one), X509_STORE_CTX_get0_param(store)) ==
            1 &&
        X509_STORE_CTX_set_ex_data(one, ssl_index, X509_STORE_CTX_get_ex_data(store, ssl_index)) ==
            1) {
        X509_STORE_CTX_set_verify_cb(one, on_verify);
        r = X509_verify_cert(one);
        if (r == 1) {
            X509_STORE_CTX_set_error(store, X509_V_OK);
            X509_STORE_CTX_set0_verified_chain(store, X509_STORE_CTX_get1_chain(one));
        } else if (X509_STORE_CTX_get_error(one) == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY) {
            *bad = X509_STORE_CTX_get_current_cert(one);
        }
    }
    X509_STORE_CTX_free(one);
    return r;
}

/*
 * The library takes the first certificate that may be the next in the chain. Where that one leads
 * nowhere (it is cross-signed by a root that isn't known here), the way is looked for without it.
 */
static int on_chain(X509_STORE_CTX *store, void *arg)
{
    int r = X509_verify_cert(store);
    X509 *bad = X509_STORE_CTX_get_current_cert(store);
    STACK_OF(X509) *rest = sk_X509_dup(X509_STORE_CTX_get0_untrusted(store));
    int error = X509_STORE_CTX_get_error(store);

    (void)arg;
    for (int i = 0; i < DETOURS && r != 1 && rest && bad &&
                    error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY &&
                    X509_cmp(bad, X509_STORE_CTX_get0_cert(store)) != 0;
         i++) {
        STACK_OF(X509) *fewer = without(rest, bad);

        sk_X509_free(rest);
        rest = fewer;
        if (rest)
            r = verify_with(store, rest, &bad);
    }
    sk_X509_free(rest);
    return r;
}

static bool holds_lists(SSL_CTX *ssl)
{
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ssl));

    for (int i = 0; i < sk_X509_OBJECT_num(all); i++)
        if (X509_OBJECT_get_type(sk_X509_OBJECT_value(all, i)) == X509_LU_CRL)
            return true;
    return false;
}

/*
 * Forward secrecy: a captured signature is good for ever, so a key that leaks later must not open
 * what was recorded. TLS 1.3 has nothing else.
 */
int tls_verify_init(SSL_CTX *ssl, bool own_store)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ssl);
    unsigned long flags = 0;

    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_cert_verify_callback(ssl, on_chain, NULL);
    /* An intermediate or a server's own certificate in ca_file is trusted as it stands there. */
    if (own_store)
        flags |= X509_V_FLAG_PARTIAL_CHAIN;
    if (holds_lists(ssl))
        flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    if (flags && X509_VERIFY_PARAM_set_flags(param, flags) != 1)
        return -1;
    return SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20:!aDSS") == 1 ? 0 : -1;
}

void tls_explain_verify(const struct tls *t, long verify, char *out, size_t size)
{
    const char *what = X509_verify_cert_error_string(verify);

    switch (verify) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        (void)snprintf(out, size, "the certificate is not accepted: %s: it is for %s", what,
                       t->names[0] ? t->names : "no name at all (a subjectAltName is needed)");
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        (void)snprintf(out, size,
                       "the certificate is not accepted: %s: set upstream.ca_file to its CA's "
                       "certificate, or add that to the system's store",
                       what);
        break;
    case X509_V_ERR_CRL_HAS_EXPIRED:
        (void)snprintf(out, size,
                       "the certificate is not accepted: %s: put a new list into "
                       "upstream.ca_file",
                       what);
        break;
    default:
        (void)snprintf(out, size, "the certificate is not accepted: %s", what);
    }
}

const char *tls_library_error(void)
{
    unsigned long e = ERR_peek_last_error();
    const char *text = e ? ERR_reason_error_string(e) : NULL;

    return text ? text : "unknown error";
}

void tls_explain_error(char *out, size_t size)
{
    unsigned long e = ERR_peek_last_error();

    switch (ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        (void)snprintf(out, size, "%s: does this port speak plain HTTP, or something else?",
                       tls_library_error());
        break;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        (void)snprintf(out, size, "%s: it doesn't speak TLS 1.2 or 1.3", tls_library_error());
        break;
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_NO_CIPHERS_AVAILABLE:
    case SSL_R_UNKNOWN_CIPHER_RETURNED:
    case SSL_R_WRONG_CIPHER_RETURNED:
        (void)snprintf(out, size,
                       "%s: it may have no cipher with forward secrecy (TLS 1.3, or TLS 1.2 with "
                       "ECDHE and AES-GCM or ChaCha20)",
                       tls_library_error());
        break;
    default:
        (void)snprintf(out, size, "%s", tls_library_error());
    }
}
