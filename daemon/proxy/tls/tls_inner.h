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
    BIO *buffer;             /* of reading ahead; NULL: none */
    size_t turn;             /* bytes that this call may still read */
    unsigned empty, tickets; /* messages without a meaning, and those that offer to resume */
    bool cut;                /* the peer ended the connection without close_notify */
    bool flooded;            /* by such: it is given up */
    bool refused;            /* for its OCSP response; `error` says why */
    char names[200];         /* that a certificate has which is for another host */
    char error[384];
};

/* What the library says of its last failure; never NULL. */
const char *tls_library_error(void);

/* A file that holds revocation lists only would load, and then trust nobody. */
bool tls_holds_certificate(SSL_CTX *ssl);

/* Bounds what one call reads, and how many messages without a meaning come. -ENOMEM. */
int tls_guard(struct tls *tls) MUST_CHECK;
void tls_guard_turn(struct tls *tls); /* another call */

/* What a chain must be, once the CAs are read; own_store: they are not the system's. 0 or -1. */
int tls_verify_init(SSL_CTX *ssl, bool own_store) MUST_CHECK;

/* Asks for an OCSP response with the certificate, and checks the one that comes. 0 or -1. */
int tls_staple_init(SSL_CTX *ssl) MUST_CHECK;

/* Sentences: why a chain is not accepted (X509_V_ERR_*); why the library failed. */
void tls_explain_verify(const struct tls *tls, long verify, char *out, size_t size);
void tls_explain_error(char *out, size_t size);

#endif
