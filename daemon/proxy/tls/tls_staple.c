/*
 * The OCSP response that a server may send with its certificate (RFC 6066, 8; RFC 8446, 4.4.2.1).
 * None has to come: whoever holds a revoked certificate's key would leave it out. One that comes
 * counts: it must be the CA's, be about this certificate, be current and say "good".
 */
#include "proxy/tls/tls_inner.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdio.h>

enum {
    CLOCKS_S = 300, /* seconds that the responder's clock may differ */
};

/* The response about the certificate; NULL: none is. */
static OCSP_SINGLERESP *find(OCSP_BASICRESP *basic, X509 *leaf, X509 *issuer)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *one = OCSP_resp_get0(basic, i);
        OCSP_CERTID *id = (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(one), *own;
        ASN1_OBJECT *hash = NULL;
        const EVP_MD *md;
        bool same;

        (void)OCSP_id_get0_info(NULL, &hash, NULL, NULL, id);
        md = hash ? EVP_get_digestbyobj(hash) : NULL;
        own = md ? OCSP_cert_to_id(md, leaf, issuer) : NULL;
        same = own && OCSP_id_cmp(own, id) == 0;
        OCSP_CERTID_free(own);
        if (same)
            return one;
    }
    return NULL;
}

/* NULL, or what is wrong with it. */
static const char *judge(SSL *ssl, OCSP_BASICRESP *basic, STACK_OF(X509) * issuer, X509 *leaf)
{
    X509_STORE *store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl));
    ASN1_GENERALIZEDTIME *from = NULL, *to = NULL;
    OCSP_SINGLERESP *one;
    int status;

    if (OCSP_basic_verify(basic, issuer, store, OCSP_TRUSTOTHER) != 1)
        return "is not signed by its CA";
    one = find(basic, leaf, sk_X509_value(issuer, 0));
    if (!one)
        return "is about another one";
    status = OCSP_single_get0_status(one, NULL, NULL, &from, &to);
    if (status == V_OCSP_CERTSTATUS_REVOKED)
        return "says that it is revoked";
    if (status != V_OCSP_CERTSTATUS_GOOD)
        return "says that its CA doesn't know it";
    return OCSP_check_validity(from, to, CLOCKS_S, -1) == 1 ? NULL : "is too old, or of the future";
}

/* Who issued the server's certificate, alone; itself when it is an anchor. NULL without memory. */
static STACK_OF(X509) * issuer_of(SSL *ssl)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl), *out = sk_X509_new_null();
    int n = sk_X509_num(chain);

    if (out && n > 0 && sk_X509_push(out, sk_X509_value(chain, n > 1)) > 0)
        return out;
    sk_X509_free(out);
    return NULL;
}

/* NULL, or what is wrong with the response, when it is one about the certificate. */
static const char *read_response(SSL *ssl, const unsigned char *data, long len)
{
    OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &data, len);
    OCSP_BASICRESP *basic = NULL;
    STACK_OF(X509) *issuer = NULL;
    const char *why = "can't be read";

    if (response && OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        why = NULL; /* as "try later": nothing is said of the certificate */
    else if (response)
        basic = OCSP_response_get1_basic(response);
    if (basic && (issuer = issuer_of(ssl)))
        why = judge(ssl, basic, issuer, SSL_get0_peer_certificate(ssl));
    sk_X509_free(issuer);
    OCSP_BASICRESP_free(basic);
    OCSP_RESPONSE_free(response);
    return why;
}

/* 1: go on; 0: the handshake ends with an alert. */
static int on_status(SSL *ssl, void *arg)
{
    struct tls *t = SSL_get_app_data(ssl);
    const unsigned char *data = NULL;
    long len = SSL_get_tlsext_status_ocsp_resp(ssl, &data);
    const char *why = NULL;

    (void)arg;
    /* What the library notes as an error here is none of the connection's. */
    (void)ERR_set_mark();
    if (len > 0)
        why = read_response(ssl, data, len);
    (void)ERR_pop_to_mark();
    if (why) {
        t->refused = true;
        (void)snprintf(t->error, sizeof(t->error),
                       "the certificate is not accepted: the OCSP response that came with it %s",
                       why);
    }
    return why == NULL;
}

int tls_staple_init(SSL_CTX *ssl)
{
    return SSL_CTX_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp) == 1 &&
                   SSL_CTX_set_tlsext_status_cb(ssl, on_status) == 1
               ? 0
               : -1;
}
