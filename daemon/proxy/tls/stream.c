/*
 * One set of results for plain and TLS streams, so that nothing above has to know which it has.
 */
#include "proxy/tls/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t tls_outcome(struct stream *s, ssize_t n)
{
    switch (n) {
    case TLS_WANT_READ:
        return STREAM_WANT_READ;
    case TLS_WANT_WRITE:
        return STREAM_WANT_WRITE;
    case TLS_CLOSED:
        return 0;
    case TLS_FAILED:
        s->error = tls_error(s->tls);
        return STREAM_FAILED;
    default:
        return n;
    }
}

static ssize_t plain_outcome(struct stream *s, ssize_t n, ssize_t want)
{
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return want;
    s->error = strerror(errno);
    return STREAM_FAILED;
}

ssize_t stream_read(struct stream *s, char *data, size_t len)
{
    ssize_t n;

    if (s->tls)
        return tls_outcome(s, tls_read(s->tls, data, len));
    do
        n = recv(s->fd, data, len, 0);
    while (n < 0 && errno == EINTR);
    return plain_outcome(s, n, STREAM_WANT_READ);
}

bool stream_cut(const struct stream *s)
{
    return s->tls && tls_cut(s->tls);
}

ssize_t stream_write(struct stream *s, const char *data, size_t len)
{
    ssize_t n;

    if (s->tls) {
        n = tls_outcome(s, tls_write(s->tls, data, len));
        if (n == 0) {
            s->error = "the connection was closed";
            return STREAM_FAILED;
        }
        return n;
    }
    do
        n = send(s->fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        s->ascii_written += (uint64_t)n;
    return plain_outcome(s, n, STREAM_WANT_WRITE);
}

uint64_t stream_written(const struct stream *s)
{
    return s->tls ? tls_written(s->tls) : s->ascii_written;
}

bool stream_pending(const struct stream *s)
{
    return s->tls && tls_pending(s->tls);
}

bool stream_h2(const struct stream *s)
{
    return s->tls && tls_h2(s->tls);
}

int stream_read_ahead(struct stream *s)
{
    return s->tls ? tls_read_ahead(s->tls) : 0;
}

void stream_close(struct stream *s)
{
    if (s->tls)
        tls_goodbye(s->tls);
    tls_free(s->tls);
    if (s->fd >= 0)
        (void)close(s->fd);
    *s = STREAM_CLOSED;
}
