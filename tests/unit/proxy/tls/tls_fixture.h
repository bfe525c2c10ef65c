/*
 * A server of OpenSSL's own, and the certificate that it shows.
 */
#ifndef CENTION_TESTS_UNIT_PROXY_TLS_TLS_FIXTURE_H
#define CENTION_TESTS_UNIT_PROXY_TLS_TLS_FIXTURE_H

#include <openssl/ssl.h>

struct server {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

extern const char *names; /* for which the next certificate is made */
extern char ca_file[64];  /* where the certificate lies, once it is made */

/* Unless there is one. */
void make_certificate(void);
void forget_certificate(void);

/* No newer version of TLS than that, if it is not 0. The fd becomes the server's. */
struct server serve(int fd, int max_version);
/* Another handshake is to come, on s->fd. */
void server_accept(struct server *s);
void server_end(struct server *s);

#endif
