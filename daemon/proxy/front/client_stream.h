/*
 * A client's connection as bytes: plain, or inside TLS, so that client.c need not know which.
 */
#ifndef CENTION_PROXY_FRONT_CLIENT_STREAM_H
#define CENTION_PROXY_FRONT_CLIENT_STREAM_H

#include "base/buf.h"
#include "proxy/tls/tls.h"

struct client_stream {
    int fd;
    struct tls *tls; /* NULL: plain */
};

/* Takes over the connected, non-blocking socket (closed on failure); `tls` NULL: plain. -ENOMEM. */
int client_stream_open(struct client_stream *stream, int fd, struct tls_context *tls) MUST_CHECK;
void client_stream_close(struct client_stream *stream);

/*
 * TLS: 0 when the handshake is done, -EAGAIN to go on when there is something to read, -EPROTO when
 * it failed (client_stream_error says why).
 */
int client_stream_shake(struct client_stream *stream) MUST_CHECK;
const char *client_stream_error(const struct client_stream *stream);

/* As buf_recv and buf_send: bytes, -EAGAIN, 0 at the end of the stream, other negative errno. */
ssize_t client_stream_recv(struct client_stream *stream, struct buf *in, size_t most) MUST_CHECK;
ssize_t client_stream_send(struct client_stream *stream, struct buf *out) MUST_CHECK;

/* True when bytes wait that no event of the socket will tell of. */
bool client_stream_pending(const struct client_stream *stream);

/* Says that nothing more will be sent; what the peer still sends can be read. */
void client_stream_finish(struct client_stream *stream);

/* The close that follows is a reset (RFC 9293, 3.10.7): the peer sees an error, not an end. */
void client_stream_reset(struct client_stream *stream);

#endif
