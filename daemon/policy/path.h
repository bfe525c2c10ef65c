/*
 * Patterns of api-paths, as rules have them: "/v1/areas/:id", a segment `:word` or `*` standing for
 * one segment of the request. Pure functions; matching allocates nothing.
 */
#ifndef CENTION_POLICY_PATH_H
#define CENTION_POLICY_PATH_H

#include "base/slice.h"

enum {
    PATH_PATTERN_MAX = 256, /* bytes */
};

enum path_word {
    PATH_WORD_ANY,    /* `:word` is any one segment, as `*` is */
    PATH_WORD_NUMBER, /* `:word` is one segment of digits */
};

/* Whether it is a pattern: /v1/ and segments of [A-Za-z0-9._~-]+, `:` and those, or `*`. */
bool path_pattern_ok(const char *pattern);

/* Whether the pattern, a good one, is that of the path. */
bool path_matches(struct slice pattern, struct slice path, enum path_word word);

/* The bytes before the first segment that stands for others: a path that differs there is not it.
 */
size_t path_pattern_literal(struct slice pattern);

#endif
