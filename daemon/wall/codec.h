/*
 * Encoding and decoding of wire messages: pure functions of bytes, bounded, without allocation
 * but in the output buffer. A message is decoded to its last byte; anything left over, any length
 * past its limit, any unknown type or value is an error, and the caller ends the conversation.
 */
#ifndef CENTION_WALL_CODEC_H
#define CENTION_WALL_CODEC_H

#include "base/buf.h"
#include "wall/wire.h"

enum {
    CODEC_DONE = 0,
    CODEC_PARTIAL = 1, /* the message isn't all there yet */
    CODEC_BAD = 2,
};

/*
 * Decodes the message at the start of `in`. Slices of *m point into `in`; its lists are put
 * into `space`. *used is the message's whole length in bytes. `why` is a
 * static sentence on CODEC_BAD.
 */
int codec_decode(struct slice in, struct wire_message *m, struct wire_space *space, size_t *used,
                 const char **why) MUST_CHECK;

/*
 * Appends one message. -EMSGSIZE when something is longer than its limit or out of its range, or
 * what buf_append says; nothing is appended then.
 */
int codec_encode(struct buf *out, const struct wire_message *m) MUST_CHECK;

#endif
