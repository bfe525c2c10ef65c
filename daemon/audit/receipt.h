/*
 * A receipt: how far one sink has a host's audit log. cention-shipd writes it, as its own cursor
 * and for the keeper, which removes no segment that a receipt it waits for doesn't cover. One line
 * of JSON with the members in a fixed order:
 * {"sink":"NAME","log":"64 digits","epoch":E,"seq":S,"hash":"64
 * digits","time":"2026-11-24T09:15:02.123456Z"} and a newline. Anything else is no receipt.
 */
#ifndef CENTION_AUDIT_RECEIPT_H
#define CENTION_AUDIT_RECEIPT_H

#include "audit/seal.h"
#include "base/buf.h"

enum {
    RECEIPT_NAME = 64, /* bytes of a sink's name at most: letters, digits, - and _ */
    RECEIPT_MAX = 512, /* bytes of a receipt at most */
};

struct receipt {
    char sink[RECEIPT_NAME + 1];
    struct seal_key log;
    uint64_t epoch, seq; /* of the last record that the sink has, and all before it; 0: none */
    struct chain_hash hash;
    char time[SEAL_TIME]; /* when it was written */
};

/* Appends it, with the newline. 0 or -ENOMEM. */
int receipt_write(struct buf *out, const struct receipt *r) MUST_CHECK;

/* NULL, or a static sentence: why these bytes (with the newline) are none. */
const char *receipt_read(struct slice text, struct receipt *out) MUST_CHECK;

/* Whether it may be a sink's name. */
bool receipt_name(struct slice name);

#endif
