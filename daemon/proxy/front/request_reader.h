/*
 * From bytes to one request: knows no connection. The head is parsed when it becomes complete, and
 * once more when the body is, because the bytes may have moved meanwhile; a request that came in
 * one piece, as nearly all do, is parsed once.
 *
 *   request_reader_head --HEAD--> (look at the head) --> request_reader_body --WHOLE--> answer
 *        PARTIAL: call again with more bytes, at the same place --^
 */
#ifndef CENTION_PROXY_FRONT_REQUEST_READER_H
#define CENTION_PROXY_FRONT_REQUEST_READER_H

#include "base/buf.h"
#include "http/http_chunked.h"
#include "http/http_parse.h"
#include "proxy/front/refusal.h"

/* Zeroed for each request; the request's bytes begin where the buffer does. */
struct request_reader {
    struct http_progress progress;
    struct http_chunked chunked;
    enum http_framing framing;
    size_t head_len, body_len; /* body after decoding, as far as it is there */
    size_t wanted;             /* Content-Length */
    size_t len;                /* of all its bytes in the buffer, once it is whole */
};

enum request_part {
    REQUEST_PARTIAL, /* more bytes are needed */
    REQUEST_HEAD,    /* the head is complete: *head points into the buffer */
    REQUEST_WHOLE,   /* the body is complete, too */
    REQUEST_REFUSED, /* *why says so */
};

/* PARTIAL, HEAD or REFUSED (malformed, or larger than `most` bytes). */
enum request_part request_reader_head(struct request_reader *r, const struct buf *in, size_t most,
                                      struct http_head *head, struct refusal *why);

/* Begins with the body of a head: false, with *why, when it will be larger than `most` bytes. */
bool request_reader_begin_body(struct request_reader *r, const struct http_head *head, size_t most,
                               struct refusal *why);

/* PARTIAL, WHOLE or REFUSED. A chunked body is decoded where it is. */
enum request_part request_reader_body(struct request_reader *r, struct buf *in, size_t most,
                                      struct refusal *why);

/* Whether the body's last byte is there already, looked at without decoding; false for a chunked
 * one. */
bool request_reader_has_body(const struct request_reader *r, const struct buf *in);

/* The body that is there isn't looked at: only where request_reader_has_body. */
void request_reader_skip_body(struct request_reader *r);

/* The complete head, parsed again. False: it has changed, which is a defect. */
bool request_reader_head_again(const struct request_reader *r, const struct buf *in,
                               struct http_head *head);

#endif
