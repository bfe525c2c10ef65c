/*
 * TLS towards the upstream: 1.2 or later, chain and name always verified, sessions resumed; and
 * towards clients from other machines, who must show a certificate (tls_server.c). The one room
 * that knows libssl.
 */
#ifndef CENTION_PROXY_TLS_TLS_H
#define CENTION_PROXY_TLS_TLS_H

#include "base/err.h"
#include "base/slice.h"
#include <stdbool.h>

#include <stdint.h>
#include <sys/types.h>

struct tls_context;
struct tls;

enum {
    TLS_WANT_READ = -1001, /* go on when the socket is readable */
    TLS_WANT_WRITE = -1002,
    TLS_CLOSED = -1003, /* the peer ended the session in order */
    TLS_FAILED = -1004, /* see tls_error */
};

/* Reads the CA store now (ca_file "" is the system's). `literal`: host is an IP address. */
int tls_context_new(struct tls_context **out, const char *host, bool literal, const char *ca_file,
                    struct err *err) MUST_CHECK;
/* From now on its sessions offer HTTP/2 before HTTP/1.1 (ALPN, RFC 7301). -ENOMEM. */
int tls_context_offer_h2(struct tls_context *context) MUST_CHECK;

/*
 * For the server's side, TLS 1.2 or later: its chain and private key (PEM; the key's file closed to
 * others), and the CAs that clients' certificates must come from. Every client must have one; no
 * session is resumed, so that it is verified each time. -EINVAL with the setting's name first in
 * err: "certificate: ...".
 */
int tls_context_server(struct tls_context **out, const char *certificate, const char *key,
                       const char *client_ca, struct err *err) MUST_CHECK;

void tls_context_free(struct tls_context *context); /* NULL is allowed */

/* A session over a connected, non-blocking socket, which stays the caller's. -ENOMEM. */
int tls_new(struct tls **out, struct tls_context *context, int fd) MUST_CHECK;
void tls_free(struct tls *tls); /* NULL is allowed */

/* 0 when done, TLS_WANT_*, or TLS_FAILED. */
int tls_handshake(struct tls *tls) MUST_CHECK;
bool tls_resumed(const struct tls *tls);
bool tls_h2(const struct tls *tls); /* the server chose HTTP/2 */

/*
 * From now on takes all that the socket has with one call to the kernel, up to two records' worth,
 * rather than each record's length and content apart. Once for a session. -ENOMEM.
 */
int tls_read_ahead(struct tls *tls) MUST_CHECK;

/*
 * The name in the peer's verified certificate: the first DNS name of its subjectAltName, else its
 * subject's one common name. False when it has none, or one of other than 1 to room-1 printable
 * ASCII characters without space.
 */
bool tls_peer_name(const struct tls *tls, char *out, size_t room);

/* Bytes (> 0), or one of the above. */
ssize_t tls_read(struct tls *tls, char *data, size_t len) MUST_CHECK;
ssize_t tls_write(struct tls *tls, const char *data, size_t len) MUST_CHECK;

/* True when bytes wait that no event of the socket will tell of; they need not be a whole record.
 */
bool tls_pending(const struct tls *tls);

/* Raw bytes that the kernel took so far; grows with the first byte of anything sent. */
uint64_t tls_written(const struct tls *tls);

/* Whether the last failure was that the peer ended the connection without close_notify. */
bool tls_cut(const struct tls *tls);

/* Why the last call failed; valid until the next call. */
const char *tls_error(const struct tls *tls);

/* Says goodbye if that takes no waiting. */
void tls_goodbye(struct tls *tls);

#endif
