#include "proxy/front/client_stream.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int client_stream_open(struct client_stream *c, int fd, struct tls_context *tls)
{
    *c = (struct client_stream){.fd = fd};
    if (tls && tls_new(&c->tls, tls, fd) < 0) {
        (void)close(fd);
        c->fd = -1;
        return -ENOMEM;
    }
    return 0;
}

void client_stream_close(struct client_stream *c)
{
    tls_free(c->tls);
    if (c->fd >= 0)
        (void)close(c->fd);
    *c = (struct client_stream){.fd = -1};
}

/* What TLS wants to write during a handshake always fits a fresh socket's buffer. */
static ssize_t outcome(ssize_t n)
{
    switch (n) {
    case TLS_WANT_READ:
    case TLS_WANT_WRITE:
        return -EAGAIN;
    case TLS_CLOSED:
        return 0;
    case TLS_FAILED:
        return -EPROTO;
    default:
        return n;
    }
}

int client_stream_shake(struct client_stream *c)
{
    return (int)outcome(tls_handshake(c->tls));
}

const char *client_stream_error(const struct client_stream *c)
{
    return tls_error(c->tls);
}

ssize_t client_stream_recv(struct client_stream *c, struct buf *in, size_t most)
{
    size_t have = 0;
    ssize_t n = 0;
    int r;

    if (!c->tls)
        return buf_recv(in, c->fd, most);
    /* One record at a time comes out; a read takes what is there, as from a socket. */
    while (have < most) {
        r = buf_reserve(in, most - have);
        if (r < 0)
            return r;
        n = outcome(tls_read(c->tls, buf_space(in), most - have));
        if (n <= 0)
            break;
        buf_commit(in, (size_t)n);
        have += (size_t)n;
    }
    return have ? (ssize_t)have : n;
}

ssize_t client_stream_send(struct client_stream *c, struct buf *out)
{
    struct slice s = buf_slice(out);
    ssize_t n;

    if (!c->tls)
        return buf_send(out, c->fd);
    n = outcome(tls_write(c->tls, s.data, s.len));
    if (n > 0)
        buf_consume(out, (size_t)n);
    return n == 0 ? -EPIPE : n;
}

bool client_stream_pending(const struct client_stream *c)
{
    return c->tls && tls_pending(c->tls);
}

void client_stream_finish(struct client_stream *c)
{
    if (c->tls)
        tls_goodbye(c->tls);
    (void)shutdown(c->fd, SHUT_WR);
}

void client_stream_reset(struct client_stream *c)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};

    /* A Unix socket has none: its peer sees the end of what was promised too early. */
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}
