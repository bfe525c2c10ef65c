/*
 * The client's side of one HTTP/2 connection (RFC 9113), as a function of bytes: what the peer sent
 * is fed in, what is to be sent is collected into a buffer, and events tell what became of the
 * requests. No I/O, no clock. The only room that knows nghttp2.
 *
 * As strict as http_parse is: an answer that breaks the rules ends its stream; what breaks the
 * connection's rules, or is sent without end and of no use, ends the session. No push, no
 * server's streams. Memory is bounded: one head of head_bytes, and H2_STREAM_WINDOW bytes of body
 * for each stream that the owner doesn't take.
 */
#ifndef CENTION_PROXY_H2_H2_SESSION_H
#define CENTION_PROXY_H2_H2_SESSION_H

#include "base/buf.h"
#include "http/http_parse.h"

enum {
    H2_STREAM_WINDOW = 65535, /* bytes that the peer may send ahead on a stream: the default */
    H2_CONNECTION_WINDOW = 1024 * 1024, /* given back at once: no stream can hold it up */
    H2_STREAMS = 128,                   /* at a time, where the peer allows as many */
    H2_1XX_MAX = 8,                     /* interim answers to one request */
    H2_IDLE_FRAMES = 10000,             /* frames without a head or a byte of a body */
    H2_IDLE_BYTES = 16 * 1024 * 1024,   /* and bytes */
    H2_FILL = 16 * 1024,                /* bytes: what one TLS record holds */
    H2_OUT_MAX = 64 * 1024,             /* what the buffer for h2_session_fill must allow */
};

/* One request, embedded by its owner; zero it before it is submitted. */
struct h2_stream {
    int32_t id;        /* 0: not (any more) in a session */
    struct slice body; /* what is still to be sent; the owner's bytes */
    uint64_t whole_at; /* h2_session_filled when its last byte was there; 0 before */
    bool begun;        /* its first byte was collected */
    bool final;        /* its answer's head is here */
    bool bodiless;     /* as that head says */
    unsigned n_1xx;
};

/*
 * All come from within h2_session_feed and h2_session_fill. The owner may reset streams and stop
 * the session in them, not free it.
 */
struct h2_events {
    /* The final answer's head; slices are valid during the call. */
    void (*head)(void *arg, struct h2_stream *stream, const struct http_head *head);
    /* A piece of the body, valid during the call; h2_session_consumed gives its room back. */
    void (*body)(void *arg, struct h2_stream *stream, const char *data, size_t len);
    /* The answer is complete; the stream is out of the session. */
    void (*end)(void *arg, struct h2_stream *stream);
    /* There will be no (more) answer; the stream is out of the session. */
    void (*failed)(void *arg, struct h2_stream *stream, const char *why);
    /* Its head, or a piece of its body, was collected; with body.len 0 it was the last, and the
     * request's bytes are needed no more. */
    void (*progress)(void *arg, struct h2_stream *stream);
    void *arg;
};

struct h2_session;

/* Copies events. -ENOMEM. */
int h2_session_new(struct h2_session **out, const struct h2_events *events,
                   size_t head_bytes) MUST_CHECK;
/* Streams are forgotten without an event. NULL is allowed. */
void h2_session_free(struct h2_session *s);

/* No event comes after this; feed and fill end as soon as they can. */
void h2_session_stop(struct h2_session *s);

/* False when the session is over: h2_session_why says why, no more bytes are to be exchanged. */
bool h2_session_feed(struct h2_session *s, const char *data, size_t len) MUST_CHECK;

/*
 * Collects what is to be sent, frame by frame, until there are `enough` bytes in `out` (which must
 * allow H2_OUT_MAX and be secret) or no more is to be sent now. False as above.
 */
bool h2_session_fill(struct h2_session *s, struct buf *out, size_t enough) MUST_CHECK;
uint64_t h2_session_filled(const struct h2_session *s); /* bytes that were ever collected */
bool h2_session_wants_fill(const struct h2_session *s);

/* The peer's first settings are here: its limits are known. */
bool h2_session_settled(const struct h2_session *s);
/* How many requests may be submitted now. */
unsigned h2_session_room(const struct h2_session *s);
/* How many there may be at a time. */
unsigned h2_session_streams(const struct h2_session *s);
/* It takes no request any more; those that run go on. */
bool h2_session_leaving(const struct h2_session *s);

/*
 * A request, as http_parse reads it: Host becomes :authority, fields of one connection are left
 * out, names must be lower case. The bytes of head and body must stay until all was collected or
 * the stream is out of the session. Authorization and what changes from request to request are
 * never indexed. Collect at once: the first h2_session_fill that has room takes its head. -ENOMEM,
 * -EINVAL.
 */
int h2_session_submit(struct h2_session *s, struct h2_stream *stream, const struct http_head *head,
                      struct slice body) MUST_CHECK;

/* Takes the stream out of the session without an event; the peer gets RST_STREAM with CANCEL. */
void h2_session_reset(struct h2_session *s, struct h2_stream *stream);

/* The owner is done with that many bytes of the stream's body. */
void h2_session_consumed(struct h2_session *s, struct h2_stream *stream, size_t len);

/* The session ends in order; collect once more. */
void h2_session_goodbye(struct h2_session *s);

/* Why the session is over; valid until it is freed. */
const char *h2_session_why(const struct h2_session *s);

#endif
