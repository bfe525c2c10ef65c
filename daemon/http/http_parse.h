/*
 * HTTP/1.x heads, strictly: a pure function of bytes that says done, partial or bad, allocates
 * nothing and does no I/O. It is stricter than RFC 9112 lets others be, because whatever two
 * parsers could read differently must never be signed. Used for requests of clients and for
 * answers of the upstream alike.
 *
 * Bad: a bare LF or CR, obs-fold, white space before the colon, any byte outside the grammar in
 * a method, target, field name or value (NUL and controls), both Transfer-Encoding and
 * Content-Length, any Transfer-Encoding but exactly one `chunked`, any Content-Length but one
 * field with one run of digits, a version but HTTP/1.0 and HTTP/1.1, more than HTTP_FIELDS_MAX
 * fields. Requests also: a missing, empty, malformed or repeated Host, any target that is not
 * origin-form (RFC 9112, 3.2.1), CONNECT, Transfer-Encoding in HTTP/1.0, an Expect but
 * `100-continue`.
 */
#ifndef CENTION_HTTP_HTTP_PARSE_H
#define CENTION_HTTP_HTTP_PARSE_H

#include "base/slice.h"

#include <stdint.h>

enum {
    HTTP_FIELDS_MAX = 100,
};

enum http_result {
    HTTP_DONE,
    HTTP_PARTIAL, /* so far well formed; more bytes are needed */
    HTTP_BAD,
};

enum http_framing {
    HTTP_NO_BODY,
    HTTP_LENGTH, /* content_length bytes follow (> 0) */
    HTTP_CHUNKED,
    HTTP_UNTIL_CLOSE, /* answers only */
};

struct http_field {
    struct slice name, value; /* value without white space around it */
};

/* All slices point into the parsed bytes. */
struct http_head {
    struct slice method, target; /* requests */
    unsigned status;             /* answers: 100..599 */
    struct slice reason;         /* answers; may be empty */
    unsigned minor;              /* HTTP/1.minor, 0 or 1 */
    enum http_framing framing;
    uint64_t content_length;
    bool has_content_length; /* also true for `Content-Length: 0` */
    bool keep_alive;         /* as the version and Connection say (RFC 9112, 9.3) */
    bool expect_continue;
    size_t head_len; /* bytes up to and with the empty line */
    size_t n_fields;
    struct http_field fields[HTTP_FIELDS_MAX];
};

/*
 * Where a partial head was left, so that bytes that come one by one are not read again from the
 * start. Zero it for each new head. It holds offsets only: the bytes may move between calls.
 */
struct http_progress {
    size_t line;    /* offset of the first line that is not yet complete */
    size_t n_lines; /* complete lines before it */
};

/*
 * Parses the request head that starts at `data`. Verdicts do not depend on how the bytes were
 * split over calls, and a bad byte in a complete line or in the partial one is found as soon as
 * it is there. On HTTP_BAD *why is a static sentence for the client.
 * No empty line is accepted before the request line.
 */
enum http_result http_request_parse(const char *data, size_t len, struct http_progress *progress,
                                    struct http_head *head, const char **why);

/*
 * The same for an answer. `to_head` (the request was HEAD), 1xx, 204 and 304 mean no body
 * (RFC 9112, 6.3). Without a length or chunked coding the body runs until close.
 */
enum http_result http_answer_parse(const char *data, size_t len, bool to_head,
                                   struct http_progress *progress, struct http_head *head,
                                   const char **why);

/*
 * The same checks for an answer whose status and fields came in another form than text (HTTP/2):
 * fills in the framing; HTTP_UNTIL_CLOSE means that no length was given. Transfer-Encoding is bad.
 */
enum http_result http_answer_check(struct http_head *head, const char **why);

/* A token, and a value without control characters and without white space around it. */
bool http_field_good(struct slice name, struct slice value);

/* The first field of that name, without case; NULL when there is none. */
const struct http_field *http_field(const struct http_head *head, struct slice name);
size_t http_field_count(const struct http_head *head, struct slice name);

/*
 * True for fields that concern one connection only and are never passed on: Connection, what it
 * names, Keep-Alive, Proxy-*, TE, Trailer, Transfer-Encoding, Upgrade (RFC 9110, 7.6.1).
 */
bool http_hop_by_hop(const struct http_head *head, struct slice name);

#endif
