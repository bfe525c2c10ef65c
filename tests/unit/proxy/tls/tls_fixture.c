#include "unit/proxy/tls/tls_fixture.h"

#include "unit/unit.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static EVP_PKEY *key;
static X509 *certificate; /* of itself */
const char *names = "DNS:localhost,IP:127.0.0.1";
char ca_file[64];

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

void make_certificate(void)
{
    FILE *f;
    int fd;

    if (certificate)
        return;
    (void)signal(SIGPIPE, SIG_IGN);
    key = EVP_EC_gen("P-256");
    certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    add_extension(certificate, NID_subject_alt_name, names);
    X509_sign(certificate, key, EVP_sha256());
    (void)snprintf(ca_file, sizeof(ca_file), "/tmp/test_tls_XXXXXX");
    fd = mkstemp(ca_file);
    f = fdopen(fd, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    PEM_write_X509(f, certificate);
    (void)fclose(f);
}

void forget_certificate(void)
{
    if (certificate)
        (void)unlink(ca_file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    certificate = NULL;
    key = NULL;
}

struct server serve(int fd, int max_version)
{
    struct server s = {.fd = fd};

    s.context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(s.context, certificate);
    SSL_CTX_use_PrivateKey(s.context, key);
    SSL_CTX_set_min_proto_version(s.context, TLS1_VERSION);
    SSL_CTX_set_security_level(s.context, 0);
    if (max_version)
        SSL_CTX_set_max_proto_version(s.context, max_version);
    return s;
}

void server_accept(struct server *s)
{
    SSL_free(s->ssl);
    s->ssl = SSL_new(s->context);
    SSL_set_fd(s->ssl, s->fd);
    SSL_set_accept_state(s->ssl);
}

void server_end(struct server *s)
{
    SSL_free(s->ssl);
    SSL_CTX_free(s->context);
    (void)close(s->fd);
}
