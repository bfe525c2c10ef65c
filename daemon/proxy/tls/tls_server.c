/*
 * The server's side: who has no certificate of the right CA is gone before HTTP begins.
 */
#include "proxy/tls/tls_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int load_key(SSL_CTX *ssl, const char *key, struct err *err)
{
    struct stat st;

    if (stat(key, &st) < 0)
        return err_set(err, -errno, "key: %.200s: %s", key, strerror(errno));
    if (st.st_mode & (S_IRWXO | S_IWGRP | S_IXGRP))
        return err_set(err, -EPERM,
                       "key: %.200s: others can read or write it (mode %04o); use chmod 0600", key,
                       (unsigned)st.st_mode & 07777);
    if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
        return err_set(err, -EINVAL, "key: %.200s: it can't be used as the private key: %s", key,
                       tls_library_error());
    if (SSL_CTX_check_private_key(ssl) != 1)
        return err_set(err, -EINVAL, "key: %.200s: it is not the certificate's key", key);
    return 0;
}

static int load(SSL_CTX *ssl, const char *certificate, const char *key, const char *client_ca,
                struct err *err)
{
    STACK_OF(X509_NAME) * names;

    if (SSL_CTX_use_certificate_chain_file(ssl, certificate) != 1)
        return err_set(err, -EINVAL, "certificate: %.200s: no certificate can be read: %s",
                       certificate, tls_library_error());
    if (SSL_CTX_load_verify_file(ssl, client_ca) != 1)
        return err_set(err, -EINVAL, "client_ca: %.200s: no certificates can be read: %s",
                       client_ca, tls_library_error());
    if (!tls_holds_certificate(ssl))
        return err_set(err, -EINVAL, "client_ca: %.200s: it holds no certificate", client_ca);
    names = SSL_load_client_CA_file(client_ca);
    if (!names)
        return err_set(err, -EINVAL, "client_ca: %.200s: %s", client_ca, tls_library_error());
    SSL_CTX_set_client_CA_list(ssl, names);
    return load_key(ssl, key, err);
}

/* Only HTTP/1.1 is spoken; a client that names others only gets an alert (RFC 7301, section 3.2).
 */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ALPN[] = "\x08http/1.1";
    unsigned char *chosen = NULL;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ALPN, sizeof(ALPN) - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

int tls_context_server(struct tls_context **out, const char *certificate, const char *key,
                       const char *client_ca, struct err *err)
{
    struct tls_context *c = calloc(1, sizeof(*c));
    int r = 0;

    ERR_clear_error();
    if (c) {
        c->server = true;
        c->ssl = SSL_CTX_new(TLS_server_method());
    }
    if (!c || !c->ssl || SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION) != 1)
        r = err_set(err, -ENOMEM, "TLS can't be set up: %s", tls_library_error());
    else
        r = load(c->ssl, certificate, key, client_ca, err);
    if (r < 0) {
        tls_context_free(c);
        return r;
    }
    SSL_CTX_set_verify(c->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_num_tickets(c->ssl, 0);
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(c->ssl, choose_protocol, NULL);
    *out = c;
    return 0;
}

/* Copies a name that a record, a log line and a configuration can hold. */
static bool put_name(const ASN1_STRING *name, char *out, size_t room)
{
    int n = ASN1_STRING_length(name);
    const unsigned char *data = ASN1_STRING_get0_data(name);

    if (n < 1 || (size_t)n >= room)
        return false;
    for (int i = 0; i < n; i++)
        if (data[i] <= ' ' || data[i] >= 0x7f)
            return false;
    memcpy(out, data, (size_t)n);
    out[n] = '\0';
    return true;
}

static bool common_name(X509 *certificate, char *out, size_t room)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return false;
    return put_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), out, room);
}

bool tls_peer_name(const struct tls *t, char *out, size_t room)
{
    X509 *certificate = SSL_get0_peer_certificate(t->ssl);
    GENERAL_NAMES *names;
    bool found = false, named = false;

    if (!certificate || SSL_get_verify_result(t->ssl) != X509_V_OK)
        return false;
    names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; !found && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS) {
            found = true;
            named = put_name(name->d.dNSName, out, room);
        }
    }
    GENERAL_NAMES_free(names);
    return found ? named : common_name(certificate, out, room);
}
