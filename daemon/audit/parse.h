/*
 * Reading fixed forms from the front of a slice: each takes what it names off *s and is true, or is
 * false with *s and *out undefined (parse_literal leaves *s alone).
 */
#ifndef CENTION_AUDIT_PARSE_H
#define CENTION_AUDIT_PARSE_H

#include "base/slice.h"

#include <stdint.h>

bool parse_literal(struct slice *s, struct slice lit);

/* Decimal digits without leading zeros, up to UINT64_MAX. */
bool parse_number(struct slice *s, uint64_t *out);

/* What stands before the next quote, which is taken too. */
bool parse_quoted(struct slice *s, struct slice *out);

/* The same, being exactly 2 * n lower-case hexadecimal digits. */
bool parse_hex(struct slice *s, unsigned char *out, size_t n);

#endif
