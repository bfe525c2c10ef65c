/*
 * The string to sign: `<access-key-id>:<workspace>:<api-path>:<value-1>:<value-2>...`, the values
 * in ascending order of their field names (the API document, "Signature").
 */
#ifndef CENTION_API_STRING_TO_SIGN_H
#define CENTION_API_STRING_TO_SIGN_H

#include "base/buf.h"
#include "base/request.h"
#include "base/slice.h"

/*
 * Appends the string for fields that already are in order; names are not part of it. Without
 * fields nothing follows the path, not even a colon; an empty value keeps its colon. 0, or
 * -ENOBUFS or -ENOMEM with `out` as it was.
 */
int string_to_sign(struct buf *out, struct slice key_id, struct slice workspace, struct slice path,
                   const struct request_field *fields, size_t n) MUST_CHECK;

#endif
