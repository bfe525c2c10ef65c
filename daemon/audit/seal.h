/*
 * The signatures of the audit log (doc/audit-format.md): Ed25519 (RFC 8032) over a checkpoint, and
 * over the handing of the log to the next epoch's key, which is a checkpoint too. What is signed
 * is bytes of fixed length, not text. The private half is in keeper/audit/epoch.h.
 */
#ifndef CENTION_AUDIT_SEAL_H
#define CENTION_AUDIT_SEAL_H

#include "audit/chain.h"

#include <stdint.h>

enum {
    SEAL_KEY = 32, /* bytes of a public key */
    SEAL_KEY_HEX = 2 * SEAL_KEY,
    SEAL_SIGNATURE = 64, /* bytes */
    SEAL_TIME = 27,      /* bytes of a time, as in a record */
    SEAL_MESSAGE_MAX = 256,
};

struct seal_key {
    unsigned char bytes[SEAL_KEY];
};

/* What a signature speaks of: the record before it, and with it all records so far. */
struct seal {
    struct seal_key log;         /* the log's identity: the public key of its first epoch */
    uint64_t epoch;              /* of the key that signs */
    uint64_t seq;                /* of the last record covered */
    struct chain_hash hash;      /* of that record */
    char time[SEAL_TIME];        /* when it was signed, as in a record */
    const struct seal_key *next; /* the next epoch's key; NULL in a checkpoint */
};

/* The bytes to sign: their number; `out` holds SEAL_MESSAGE_MAX. */
size_t seal_message(unsigned char *out, const struct seal *seal);

struct seal_verifier; /* a public key, ready for use */

/* 0; -EINVAL when the bytes are no key; -ENOMEM. */
int seal_verifier_new(struct seal_verifier **out, const struct seal_key *key) MUST_CHECK;
void seal_verifier_free(struct seal_verifier *verifier); /* NULL is allowed */
/* With NULL no signature is valid. */
bool seal_verify(const struct seal_verifier *verifier, const struct seal *seal,
                 const unsigned char signature[SEAL_SIGNATURE]) MUST_CHECK;

enum {
    IDENTITY_TEXT = SEAL_KEY_HEX + 7 + 1, /* bytes, terminator included */
};

void identity_text(char out[IDENTITY_TEXT], const struct seal_key *key);

/* With or without dashes, upper or lower case; false for anything else. */
bool identity_read(struct seal_key *out, const char *text) MUST_CHECK;

#endif
