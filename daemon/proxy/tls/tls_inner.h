/*
 * What both sides' contexts are made of; for the files of this room.
 */
#ifndef CENTION_PROXY_TLS_TLS_INNER_H
#define CENTION_PROXY_TLS_TLS_INNER_H

#include "proxy/tls/tls.h"

#include <openssl/ssl.h>

enum {
    TLS_SESSIONS = 8, /* kept for resumption, the newest on top */
};

struct tls_context {
    SSL_CTX *ssl;
    bool server;
    char *host; /* that the server must have; NULL on the server's side */
    bool literal;
    SSL_SESSION *sessions[TLS_SESSIONS];
    unsigned n_sessions;
};

struct tls {
    SSL *ssl;
    bool ahead; /* its reading BIO is a buffer */
    char error[256];
};

/* What the library says of its last failure; never NULL. */
const char *tls_library_error(void);

/* A file that holds revocation lists only would load, and then trust nobody. */
bool tls_holds_certificate(SSL_CTX *ssl);

#endif
