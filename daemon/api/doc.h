/*
 * A JSON document that an administrator wrote, read with json-c after our own scanner refused what
 * json-c would let through, and a place in it that knows its JSON pointer (RFC 6901): every error
 * says where it is. Used while a description is loaded, never for requests.
 */
#ifndef CENTION_API_DOC_H
#define CENTION_API_DOC_H

#include "base/err.h"
#include "base/slice.h"

#include <errno.h>
#include <json-c/json.h>

enum {
    DOC_TEXT_MAX = 4 * 1024 * 1024, /* bytes */
    DOC_POINTER_MAX = 256,          /* bytes of a pointer that an error shows */
};

/* A place. Copied freely; `value` belongs to the root. */
struct doc {
    struct json_object *root;
    struct json_object *value;
    struct err *err;
    char pointer[DOC_POINTER_MAX];
};

/* -EINVAL with err naming the line and column; -ENOMEM. End with json_object_put(out->root). */
int doc_open(struct doc *out, struct slice json, struct err *err) MUST_CHECK;

/* The place of a member or an element, whose value may be NULL: it need not exist. */
struct doc doc_member(const struct doc *at, const char *key);
struct doc doc_element(const struct doc *at, size_t i);

/* Fills err with the pointer and the sentence. */
void doc_say(const struct doc *at, const char *format, ...) PRINTF_LIKE(2, 3);

/* doc_say(at, format, ...), and gives -EINVAL. */
#define doc_fail(...)                                                                              \
    __extension__({                                                                                \
        doc_say(__VA_ARGS__);                                                                      \
        -EINVAL;                                                                                   \
    })

/* True when the value is there and of that type; doc_want fails otherwise: 0 or -EINVAL. */
bool doc_is(const struct doc *at, enum json_type type);
int doc_want(const struct doc *at, enum json_type type) MUST_CHECK;

/* The value as text; "" when it is no string. */
const char *doc_text(const struct doc *at);

/* doc_want for a string that is one line without control characters. */
int doc_want_line(const struct doc *at) MUST_CHECK;

/* True when the text holds no control character (below U+0020, U+007F). */
bool doc_is_line(const char *text);

/*
 * While the value is a reference object, goes to what it names within this document; a member
 * beside $ref that isn't a comment is an error, as is a reference that leads nowhere or in a
 * circle. 0 or -EINVAL.
 */
int doc_follow(struct doc *at) MUST_CHECK;

/* Each $ref of the document, wherever it stands, leads to something in it. 0 or -EINVAL. */
int doc_check_references(const struct doc *root) MUST_CHECK;

/* Members that are words for people: title, description, $comment, example(s), x-... */
bool doc_is_comment(const char *key);

#endif
