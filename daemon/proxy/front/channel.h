/*
 * A client's connection as bytes: plain, or inside TLS, so that client.c need not know which.
 */
#ifndef CENTION_PROXY_FRONT_CHANNEL_H
#define CENTION_PROXY_FRONT_CHANNEL_H

#include "base/buf.h"
#include "proxy/tls/tls.h"

struct channel {
    int fd;
    struct tls *tls; /* NULL: plain */
};

/* Takes over the connected, non-blocking socket (closed on failure); `tls` NULL: plain. -ENOMEM. */
int channel_open(struct channel *channel, int fd, struct tls_context *tls)
    __attribute__((warn_unused_result));
void channel_close(struct channel *channel);

/*
 * TLS: 0 when the handshake is done, -EAGAIN to go on when there is something to read, -EPROTO when
 * it failed (channel_error says why).
 */
int channel_shake(struct channel *channel) __attribute__((warn_unused_result));
const char *channel_error(const struct channel *channel);

/* As buf_recv and buf_send: bytes, -EAGAIN, 0 at the end of the stream, other negative errno. */
ssize_t channel_recv(struct channel *channel, struct buf *in, size_t most)
    __attribute__((warn_unused_result));
ssize_t channel_send(struct channel *channel, struct buf *out) __attribute__((warn_unused_result));

/* True when bytes wait that no event of the socket will tell of. */
bool channel_pending(const struct channel *channel);

/* Says that nothing more will be sent; what the peer still sends can be read. */
void channel_finish(struct channel *channel);

#endif
