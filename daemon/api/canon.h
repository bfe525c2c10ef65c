/*
 * A JSON body as the ordered list of (field name, canonical value) that is signed and audited.
 * The rules are the API document's ("Signature") with the choices that it leaves open: values in
 * ascending order of their names' UTF-8 bytes; an array's elements joined by commas; a struct in
 * one of two forms. Two equal keys in one object, at any depth and however they are escaped, are
 * refused: nobody can tell which one the other side would take. Keys that differ in letter
 * case only (Unicode's simple mappings, by libunistring) are noted, for a caller that refuses them,
 * since many parsers ignore case.
 */
#ifndef CENTION_API_CANON_H
#define CENTION_API_CANON_H

#include "api/json.h"
#include "api/string_to_sign.h"
#include "base/slice.h"

enum {
    CANON_BAD = 1,
    CANON_FIELDS_MAX = 4096, /* members of the body itself */
};

enum canon_nested {
    CANON_FLATTEN, /* a struct's values in order of its keys joined by `:`, an array's by `,` */
    CANON_JSON,    /* compact JSON with ordered keys; an array of scalars stays comma-joined */
};

struct canon_member;

struct canon {
    struct request_field *fields; /* strictly ascending by name */
    size_t n;
    bool twins;            /* two keys of one object differ in letter case only; `why` says which */
    struct json_tape tape; /* the scanned body; empty when the body was */

    /* Private; kept from body to body. */
    size_t fields_cap;
    char *arena; /* what had to be decoded or rendered */
    size_t arena_len, arena_cap;
    struct canon_member *members; /* a stack of the objects being put in order */
    size_t members_len, members_cap;
};

struct canon_error {
    size_t offset;   /* bytes into the body */
    char field[128]; /* path of the member, as in expire_time.hold_time or areas[2]; or "" */
    char text[256];  /* one line for a person: where, what is wrong, what to do; UTF-8 */
};

void canon_init(struct canon *canon);
void canon_deinit(struct canon *canon);

/*
 * 0: fields and n are set; they point into the body and into `canon`, until the next call or
 * deinit. An empty body has no fields. CANON_BAD with why filled: not JSON, not an object, a key
 * twice, more than CANON_FIELDS_MAX fields. -ENOMEM. n is 0 after a failure.
 */
int canon_body(struct canon *canon, struct slice body, enum canon_nested nested,
               struct canon_error *why) MUST_CHECK;

#endif
