/*
 * A connected, non-blocking byte stream to the upstream: plain TCP or TLS over it.
 */
#ifndef CENTION_PROXY_TLS_STREAM_H
#define CENTION_PROXY_TLS_STREAM_H

#include "proxy/tls/tls.h"

struct stream {
    int fd; /* -1: closed */
    struct tls *tls;
    uint64_t ascii_written;
    const char *error; /* why the last call failed */
};

#define STREAM_CLOSED ((struct stream){.fd = -1})

enum {
    STREAM_WANT_READ = -2001,
    STREAM_WANT_WRITE = -2002,
    STREAM_FAILED = -2003, /* `error` says why */
};

/* > 0 bytes; 0 an orderly end; or one of the above. */
ssize_t stream_read(struct stream *s, char *data, size_t len) MUST_CHECK;
/* > 0 bytes; or one of the above. */
ssize_t stream_write(struct stream *s, const char *data, size_t len) MUST_CHECK;

/* True when reading failed because the peer ended the connection without TLS's close_notify. */
bool stream_cut(const struct stream *s);

/* Bytes that the kernel took so far, on the wire's side of TLS. */
uint64_t stream_written(const struct stream *s);

/* True when bytes wait that no event of the socket will tell of. */
bool stream_pending(const struct stream *s);

bool stream_h2(const struct stream *s); /* HTTP/2 was agreed on */
/* One call to the kernel for several TLS records; stream_pending then tells of parts of one, too.
 * -ENOMEM. */
int stream_read_ahead(struct stream *s) MUST_CHECK;

void stream_close(struct stream *s);

#endif
