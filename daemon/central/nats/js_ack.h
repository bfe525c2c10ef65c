/*
 * What JetStream answers to a message that was published: a small JSON object, read here as far as
 * it matters. Members that are not known, and nested ones, are skipped.
 */
#ifndef CENTION_CENTRAL_NATS_JS_ACK_H
#define CENTION_CENTRAL_NATS_JS_ACK_H

#include "base/slice.h"

#include <stdint.h>

enum {
    JS_ACK_MAX = 4096, /* bytes that are looked at; a longer one is none */
    JS_WRONG_LAST_SEQUENCE = 10071,
};

struct js_ack {
    uint64_t seq; /* where it is in the stream; 0 with an error */
    bool failed;
    uint64_t code; /* the server's err_code, 0: it gave none */
    char why[192]; /* the server's description, printable */
};

/* False when it is no answer. */
bool js_ack_read(struct slice json, struct js_ack *out) MUST_CHECK;

#endif
