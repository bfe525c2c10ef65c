/*
 * The bytes of one HTTP/2 connection: between its stream and its session. It knows no call and no
 * time; whoever owns it hears of each piece that came, and is asked for more to send.
 */
#ifndef CENTION_PROXY_UPSTREAM_H2_IO_H
#define CENTION_PROXY_UPSTREAM_H2_IO_H

#include "proxy/h2/h2_session.h"
#include "proxy/tls/stream.h"

struct h2_io {
    struct stream stream;
    struct h2_session *session;
    struct buf out;    /* secret: empty, or offered to the stream as a whole */
    uint64_t written;  /* bytes of the session that the stream took */
    bool failed_write; /* the peer reads no more; it may have answered before */
    bool wants_write;  /* it goes on when the socket can be written to; the owner clears it */
    bool closed;       /* set by the owner, also from within a call: nothing is touched any more */
    /* A piece was read; `sound`: the session took it. False: stop reading. */
    bool (*heard)(void *arg, bool sound);
    /* There is room to send: hands the session one request more. False: there is none. */
    bool (*more)(void *arg);
    void *arg;
};

enum h2_io_result {
    H2_IO_DONE,   /* for now, or for good when it is closed */
    H2_IO_SHARE,  /* the share of this turn is used up, and no event may tell of the rest */
    H2_IO_CLOSED, /* the peer has closed the connection */
    H2_IO_FAILED, /* reading: stream.error says why; writing: failed_write is set; filling: the
                     session is over */
};

/*
 * Reads what is there. `to_the_end`: until the kernel says that there is no more, so that an end
 * that is here already is seen.
 */
enum h2_io_result h2_io_read(struct h2_io *io, bool to_the_end);

/* Writes what the session has to say, and asks for more as long as it goes in. */
enum h2_io_result h2_io_write(struct h2_io *io);

/* Writes what the session says at its end, if that takes no waiting. */
void h2_io_last_words(struct h2_io *io);

#endif
