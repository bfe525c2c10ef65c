/*
 * The keyed hashes that stand for values in the audit log (doc/audit-format.md): HMAC-SHA-256 with
 * a key that is used for nothing else, so that equal values can be matched, by anyone, and a known
 * value looked for, by who holds the key, without the log being readable.
 *
 *   field   HMAC(key, "cention-audit-field-1" 0x00 || value): the same for a value in any field
 *   body    HMAC(key, "cention-audit-body-1" 0x00 || for each field in order: length of the name,
 *           name, length of the value, value), lengths in bytes as u32, most significant first
 *   key id  the first 8 bytes of HMAC(key, "cention-audit-key-id-1")
 */
#ifndef CENTION_AUDIT_MAC_H
#define CENTION_AUDIT_MAC_H

#include "base/request.h"

enum {
    MAC_KEY = 32,    /* bytes */
    MAC_BYTES = 32,  /* of a keyed hash */
    MAC_KEY_ID = 16, /* hexadecimal digits, lower case */
};

/* The file in the audit directory that holds the key's bytes, and nothing else. */
#define MAC_KEY_FILE ".fields.key"

struct mac; /* the algorithm, looked up once, with the key; for one thread */

/* Copies the key, which the caller wipes; mac_free wipes that copy. 0 or -ENOMEM. */
int mac_new(struct mac **out, const unsigned char key[MAC_KEY]) MUST_CHECK;
void mac_free(struct mac *mac); /* NULL is allowed */

/* 0, or -ENOMEM when the library failed. */
int mac_field(struct mac *mac, struct slice value, unsigned char out[MAC_BYTES]) MUST_CHECK;
int mac_body(struct mac *mac, const struct request_field *fields, uint32_t n,
             unsigned char out[MAC_BYTES]) MUST_CHECK;
/* Identifies the key without revealing it. No terminator. */
int mac_key_id(struct mac *mac, char out[MAC_KEY_ID]) MUST_CHECK;

/* All of a key file from its descriptor: 0; -EINVAL when it isn't MAC_KEY bytes; -errno. */
int mac_key_read(int fd, unsigned char key[MAC_KEY]) MUST_CHECK;

#endif
