/*
 * Which workspaces and api-paths may be part of a string to sign. Both processes ask here, so the
 * keeper never signs a name that the proxy would not have let through. The separator `:` is in
 * neither alphabet: a workspace or a path can't pretend to be more than one part.
 */
#ifndef CENTION_API_NAME_H
#define CENTION_API_NAME_H

#include "base/slice.h"

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
