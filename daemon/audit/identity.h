/*
 * A public key as people see and type it: 64 hexadecimal digits in groups of 8 with dashes between.
 */
#ifndef CENTION_AUDIT_IDENTITY_H
#define CENTION_AUDIT_IDENTITY_H

#include "audit/seal.h"

enum {
    IDENTITY_TEXT = 2 * SEAL_KEY + 7 + 1, /* bytes, terminator included */
};

void identity_text(char out[IDENTITY_TEXT], const struct seal_key *key);

/* With or without dashes, upper or lower case; false for anything else. */
bool identity_read(struct seal_key *out, const char *text) __attribute__((warn_unused_result));

#endif
