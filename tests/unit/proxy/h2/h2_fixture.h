/*
 * HTTP/2 frames by hand: what an upstream sends, and a look at what was sent to it.
 */
#ifndef CENTION_TESTS_UNIT_PROXY_H2_H2_FIXTURE_H
#define CENTION_TESTS_UNIT_PROXY_H2_H2_FIXTURE_H

#include "base/buf.h"

enum {
    F_DATA,
    F_HEADERS,
    F_PRIORITY,
    F_RST,
    F_SETTINGS,
    F_PUSH,
    F_PING,
    F_GOAWAY,
    F_WINDOW,
    F_CONTINUATION,
    END = 1, /* of the stream; of SETTINGS and PING: ACK */
    HEADERS_END = 4,
    S_TABLE = 1,
    S_STREAMS = 3,
    S_WINDOW = 4,
};

void f_frame(struct buf *b, unsigned type, unsigned flags, uint32_t stream, const void *payload,
             size_t len);
void f_settings(struct buf *b, unsigned id, uint32_t value);                  /* id 0: empty */
void f_number(struct buf *b, unsigned type, uint32_t stream, uint32_t value); /* RST, WINDOW */
void f_goaway(struct buf *b, uint32_t last, uint32_t code);
/* Literal, not indexed, not compressed. */
void f_field(struct buf *block, const char *name, const char *value);
/* `fields` is "name: value\nname: value\n". */
void f_answer(struct buf *b, uint32_t stream, const char *status, const char *fields, bool end);
void f_data(struct buf *b, uint32_t stream, const char *text, bool end);

struct seen {
    unsigned type, flags;
    uint32_t stream;
    struct slice payload;
};

/* The next whole frame; false when there is none. The client's preface is skipped. */
bool f_next(struct slice *rest, struct seen *f);
/* How many frames of that type; of that stream, if not 0. The last one is in *last. */
unsigned f_count(struct slice sent, unsigned type, uint32_t stream, struct seen *last);
uint32_t f_read(struct slice payload, size_t at); /* four bytes */

#endif
