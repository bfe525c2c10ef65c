/*
 * A session that comes out of here is with a server whose chain and name were verified; there is
 * no switch to turn that off. What reached the kernel is counted below TLS, by the socket's BIO.
 */
#include "proxy/tls/tls_inner.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TLS_READ_AHEAD = 32 * 1024, /* bytes */
};

static const char SYSTEM_CA[] = "/etc/ssl/certs/ca-certificates.crt";

/*
 * A ticket of TLS 1.3 should be used once (RFC 8446, C.4): taken from the stack when used. A copy
 * is kept, because the library spoils the session of a connection that ends without a goodbye.
 */
static int session_new(SSL *ssl, SSL_SESSION *session)
{
    struct tls_context *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    SSL_SESSION *copy = SSL_SESSION_dup(session);

    if (!copy)
        return 0;
    if (c->n_sessions == TLS_SESSIONS) {
        SSL_SESSION_free(c->sessions[0]);
        memmove(c->sessions, c->sessions + 1, (TLS_SESSIONS - 1) * sizeof(SSL_SESSION *));
        c->n_sessions--;
    }
    c->sessions[c->n_sessions++] = copy;
    return 0; /* the library's own reference stays its own */
}

static void session_use(struct tls_context *c, SSL *ssl)
{
    while (c->n_sessions) {
        SSL_SESSION *session = c->sessions[--c->n_sessions], *copy;
        bool good = SSL_SESSION_is_resumable(session) == 1;

        copy = good ? SSL_SESSION_dup(session) : NULL;
        if (copy)
            (void)SSL_set_session(ssl, copy);
        SSL_SESSION_free(copy);
        /* Up to TLS 1.2 one session serves any number of connections. */
        if (good && SSL_SESSION_get_protocol_version(session) < TLS1_3_VERSION)
            c->sessions[c->n_sessions++] = session;
        else
            SSL_SESSION_free(session);
        if (good)
            return;
    }
}

/* A file that holds revocation lists only would load, and then trust nobody. */
bool tls_holds_certificate(SSL_CTX *ssl)
{
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ssl));

    for (int i = 0; i < sk_X509_OBJECT_num(all); i++)
        if (X509_OBJECT_get_type(sk_X509_OBJECT_value(all, i)) == X509_LU_X509)
            return true;
    return false;
}

static int load_ca(SSL_CTX *ssl, const char *ca_file, struct err *err)
{
    if (*ca_file) {
        if (SSL_CTX_load_verify_file(ssl, ca_file) != 1)
            return err_set(err, -EINVAL, "ca_file: %.200s: no certificates can be read: %s",
                           ca_file, tls_library_error());
        if (!tls_holds_certificate(ssl))
            return err_set(err, -EINVAL, "ca_file: %.200s: it holds no certificate", ca_file);
        return 0;
    }
    /* One file read now, rather than a folder read at each handshake. */
    if (access(SYSTEM_CA, R_OK) == 0 ? SSL_CTX_load_verify_file(ssl, SYSTEM_CA) == 1
                                     : SSL_CTX_set_default_verify_paths(ssl) == 1)
        return 0;
    return err_set(err, -EINVAL,
                   "the system's CA store can't be read: %s (install ca-certificates, or set "
                   "upstream.ca_file)",
                   tls_library_error());
}

int tls_context_new(struct tls_context **out, const char *host, bool literal, const char *ca_file,
                    struct err *err)
{
    static const unsigned char ALPN[] = "\x08http/1.1";
    struct tls_context *c = calloc(1, sizeof(*c));
    int r = 0;

    ERR_clear_error();
    if (c) {
        c->literal = literal;
        c->host = strdup(host);
        if (c->host) /* a name's last dot is not part of it (RFC 6066, 3) */
            c->host[strlen(host) -
                    (!literal && strlen(host) > 1 && host[strlen(host) - 1] == '.')] = '\0';
        c->ssl = SSL_CTX_new(TLS_client_method());
    }
    if (!c || !c->host || !c->ssl || SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_alpn_protos(c->ssl, ALPN, sizeof(ALPN) - 1) != 0)
        r = err_set(err, -ENOMEM, "TLS can't be set up: %s", tls_library_error());
    else
        r = load_ca(c->ssl, ca_file, err);
    if (r == 0 && (tls_verify_init(c->ssl, *ca_file != '\0') < 0 || tls_staple_init(c->ssl) < 0))
        r = err_set(err, -ENOMEM, "TLS can't be set up: %s", tls_library_error());
    if (r < 0) {
        tls_context_free(c);
        return r;
    }
    SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c->ssl, session_new);
    SSL_CTX_set_app_data(c->ssl, c);
    *out = c;
    return 0;
}

int tls_context_offer_h2(struct tls_context *c)
{
    static const unsigned char ALPN[] = "\x02h2\x08http/1.1";

    return SSL_CTX_set_alpn_protos(c->ssl, ALPN, sizeof(ALPN) - 1) == 0 ? 0 : -ENOMEM;
}

void tls_context_free(struct tls_context *c)
{
    if (!c)
        return;
    while (c->n_sessions)
        SSL_SESSION_free(c->sessions[--c->n_sessions]);
    SSL_CTX_free(c->ssl);
    free(c->host);
    free(c);
}

/* The name that the certificate must have, and that is sent to the server (never an address). */
static bool set_name(struct tls_context *c, SSL *ssl)
{
    if (c->literal)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), c->host) == 1;
    /* The subject's common name is no name: constraints of CAs don't bind it. */
    SSL_set_hostflags(ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(ssl, c->host) == 1 && SSL_set_tlsext_host_name(ssl, c->host) == 1;
}

int tls_new(struct tls **out, struct tls_context *c, int fd)
{
    struct tls *t = calloc(1, sizeof(*t));

    ERR_clear_error();
    if (t)
        t->ssl = SSL_new(c->ssl);
    if (!t || !t->ssl || (!c->server && !set_name(c, t->ssl)) || SSL_set_fd(t->ssl, fd) != 1 ||
        tls_guard(t) < 0) {
        tls_free(t);
        return -ENOMEM;
    }
    SSL_set_app_data(t->ssl, t);
    if (c->server) {
        SSL_set_accept_state(t->ssl);
    } else {
        session_use(c, t->ssl);
        SSL_set_connect_state(t->ssl);
    }
    *out = t;
    return 0;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t);
}

static int tls_result(struct tls *t, int r)
{
    int system = errno;
    long verify = SSL_get_verify_result(t->ssl);

    if (t->flooded) {
        (void)snprintf(t->error, sizeof(t->error),
                       "the peer keeps sending TLS messages without a meaning");
        return TLS_FAILED;
    }
    if (t->refused)
        return TLS_FAILED;
    switch (SSL_get_error(t->ssl, r)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WANT_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WANT_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_CLOSED;
    case SSL_ERROR_SYSCALL:
        (void)snprintf(t->error, sizeof(t->error), "%s",
                       system ? strerror(system) : "the connection was closed");
        break;
    default:
        t->cut = ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
        if (verify != X509_V_OK)
            tls_explain_verify(t, verify, t->error, sizeof(t->error));
        else
            tls_explain_error(t->error, sizeof(t->error));
    }
    return TLS_FAILED;
}

int tls_handshake(struct tls *t)
{
    int r;

    ERR_clear_error();
    errno = 0;
    tls_guard_turn(t);
    r = SSL_do_handshake(t->ssl);
    r = r == 1 ? 0 : tls_result(t, r);
    if (r == TLS_CLOSED) {
        (void)snprintf(t->error, sizeof(t->error), "the connection was closed");
        r = TLS_FAILED;
    }
    return r;
}

bool tls_resumed(const struct tls *t)
{
    return SSL_session_reused(t->ssl) == 1;
}

bool tls_h2(const struct tls *t)
{
    const unsigned char *name = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(t->ssl, &name, &len);
    return slice_eq(slice_of(name, len), SLICE_LIT("h2"));
}

/*
 * A buffer of its own between socket and session: the library's read-ahead moves all that it holds
 * for each record, which costs more than it saves when many small records come at once.
 */
int tls_read_ahead(struct tls *t)
{
    BIO *buffer = BIO_new(BIO_f_buffer()), *socket = SSL_get_rbio(t->ssl);

    if (!buffer || BIO_set_read_buffer_size(buffer, TLS_READ_AHEAD) != 1 ||
        BIO_up_ref(socket) != 1) {
        BIO_free(buffer);
        return -ENOMEM;
    }
    SSL_set0_rbio(t->ssl, BIO_push(buffer, socket));
    t->buffer = buffer;
    return 0;
}

ssize_t tls_read(struct tls *t, char *data, size_t len)
{
    size_t n = 0;
    int r;

    ERR_clear_error();
    errno = 0;
    tls_guard_turn(t);
    r = SSL_read_ex(t->ssl, data, len, &n);
    return r == 1 ? (ssize_t)n : tls_result(t, r);
}

ssize_t tls_write(struct tls *t, const char *data, size_t len)
{
    size_t n = 0;
    int r;

    ERR_clear_error();
    errno = 0;
    tls_guard_turn(t);
    r = SSL_write_ex(t->ssl, data, len, &n);
    return r == 1 ? (ssize_t)n : tls_result(t, r);
}

bool tls_pending(const struct tls *t)
{
    return SSL_has_pending(t->ssl) == 1 || (t->buffer && BIO_ctrl_pending(t->buffer) > 0);
}

uint64_t tls_written(const struct tls *t)
{
    return BIO_number_written(SSL_get_wbio(t->ssl));
}

bool tls_cut(const struct tls *t)
{
    return t->cut;
}

const char *tls_error(const struct tls *t)
{
    return t->error;
}

void tls_goodbye(struct tls *t)
{
    ERR_clear_error();
    if (!SSL_in_init(t->ssl))
        (void)SSL_shutdown(t->ssl);
}
