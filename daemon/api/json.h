/*
 * A strict scanner for JSON as RFC 8259 defines it: one skip the received bytes fills a flat tape
 * of tokens that point back into them. Nothing is converted: a number keeps its text, a string its
 * escapes. What two parsers could read differently (invalid UTF-8, lone surrogates, trailing bytes,
 * a byte order mark) is refused here; duplicate keys are canon's to find.
 */
#ifndef CENTION_API_JSON_H
#define CENTION_API_JSON_H

#include "base/slice.h"

#include <stdint.h>

enum {
    JSON_BAD = 1,        /* the text isn't JSON, or is deeper than JSON_DEPTH_MAX */
    JSON_DEPTH_MAX = 32, /* arrays and objects inside each other */
};

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,  /* its bytes are its meaning */
    JSON_ESCAPED, /* a string that holds escapes: json_decode */
    JSON_ARRAY,
    JSON_OBJECT, /* its tokens: key, value, key, value... */
};

struct json_token {
    uint32_t type;   /* enum json_kind */
    uint32_t offset; /* bytes into the text; of a string: behind its opening quote */
    uint32_t len;    /* bytes; strings without quotes, arrays and objects with brackets */
    uint32_t next;   /* index of the token after this value with all that it holds */
};

/* Zeroed at first, then reused from text to text. Valid as long as the scanned text is. */
struct json_tape {
    struct json_token *tokens; /* [0] is the whole text's value */
    size_t n, cap;
};

struct json_error {
    size_t offset;    /* bytes into the text */
    const char *text; /* static: what is wrong there and what to do */
};

void json_tape_deinit(struct json_tape *tape);

/* 0; JSON_BAD with why filled; -ENOMEM. The tape holds nothing after a failure. */
int json_scan(struct json_tape *tape, struct slice text, struct json_error *why) MUST_CHECK;

/* The bytes of a token as they stand in the scanned text. */
static inline struct slice json_text(struct slice text, const struct json_token *token)
{
    return slice_of(text.data + token->offset, token->len);
}

/*
 * Decodes the escapes of a scanned string (RFC 8259, 7) into `out`, which has room for raw.len
 * bytes: UTF-8 is never longer than its escapes. Returns the decoded length; no terminator.
 */
size_t json_decode(char *out, struct slice raw);

/*
 * Writes decoded bytes as the inside of a JSON string in its shortest form: `"`, `\` and controls
 * escaped (\b \f \n \r \t, else \u00xx), the rest as it is. `out` has room for 6 * s.len bytes;
 * for a string decoded from scanned text, as many as its source had are enough. Returns the length.
 */
size_t json_encode(char *out, struct slice s);

/* Line and column of an offset, both from 1; columns count characters, not bytes. */
void json_position(struct slice text, size_t offset, size_t *line, size_t *column);

#endif
