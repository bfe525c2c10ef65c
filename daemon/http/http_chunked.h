/*
 * The chunked coding (RFC 9112, 7.1), strictly: sizes are plain hex (no sign, no 0x, no white
 * space; at most 15 digits), chunk extensions are refused, or skipped (7.1.1), lines end in CRLF,
 * trailers must be well-formed fields and are dropped. A pure function of bytes and its own small
 * state.
 */
#ifndef CENTION_HTTP_HTTP_CHUNKED_H
#define CENTION_HTTP_HTTP_CHUNKED_H

#include "http/http_parse.h"

struct http_chunked {
    unsigned state; /* private; zero at the start */
    unsigned digits;
    uint64_t left;       /* bytes of the running chunk still to come */
    size_t trailer_len;  /* bytes of trailers so far; bounded by HTTP_TRAILER_MAX */
    size_t trailer_name; /* private */
    bool extensions;     /* set before: they are skipped; bounded by HTTP_EXTENSIONS_MAX */
    size_t extensions_len;
};

enum {
    HTTP_TRAILER_MAX = 8192,
    HTTP_EXTENSIONS_MAX = 64 * 1024, /* bytes, of a whole body */
};

/*
 * Decodes in place: reads data[0..*len), moves the content to the front and sets *len to the
 * content's bytes. On HTTP_DONE *surplus says how many of the given bytes follow the body; they
 * stand, in order and unmoved, at the end of the given range. HTTP_PARTIAL: all was used, call
 * again with what comes next.
 */
enum http_result http_chunked_decode(struct http_chunked *c, char *data, size_t *len,
                                     size_t *surplus, const char **why);

#endif
