/*
 * Bytes as lower-case hexadecimal digits, and strictly back: no upper case, no other length.
 */
#ifndef CENTION_BASE_HEX_H
#define CENTION_BASE_HEX_H

#include "base/slice.h"

/* Writes 2 * n digits to out, without a terminator. */
void hex_put(char *out, const unsigned char *in, size_t n);

/* Reads exactly 2 * n digits into out; false (out undefined) for anything else. */
bool hex_get(unsigned char *out, size_t n, struct slice digits) MUST_CHECK;

#endif
