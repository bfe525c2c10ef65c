/*
 * The request target of a call (RFC 9112, 3.2.1, origin-form): /s/:workspace/v1/... as the API
 * documents it, or /v1/... for the configured default workspace. The api-path is what is signed
 * and sent, so it has exactly one spelling: a target that could be read in two ways is refused,
 * never cleaned up.
 */
#ifndef CENTION_API_TARGET_H
#define CENTION_API_TARGET_H

#include "base/slice.h"

enum {
    TARGET_BAD_REQUEST = 1, /* answer 400: a query string or percent-encoding */
    TARGET_UNKNOWN = 2,     /* answer 404: nothing that the API has */
};

struct target {
    struct slice workspace; /* empty when the target names none; points into the target */
    struct slice path;      /* the api-path, begins with /v1/; points into the target */
};

/* 0, or one of the above with *why a sentence of static text for the client. */
int target_parse(struct slice target, struct target *out, const char **why) MUST_CHECK;

enum {
    TARGET_WORKSPACE_MAX = 64, /* bytes */
    TARGET_PATH_MAX = 1024,    /* bytes */
};

/* One to TARGET_WORKSPACE_MAX of [A-Za-z0-9._-], and neither "." nor "..". */
bool target_workspace_ok(struct slice workspace);

/*
 * Begins with /v1/, at most TARGET_PATH_MAX bytes, segments of [A-Za-z0-9._~-] (the unreserved
 * characters of RFC 3986, 2.3), none of them empty, "." or "..".
 */
bool target_path_ok(struct slice path);

#endif
