/*
 * The API description as a file: where it is when no setting names it, and loading it.
 */
#ifndef CENTION_API_API_FILE_H
#define CENTION_API_API_FILE_H

#include "api/api.h"

#include <limits.h>

/*
 * The installed description or, for a program that was never installed, the one of the source
 * tree it was built in. The installed place when there is none: loading it will say so.
 */
void api_file_default(char out[PATH_MAX]);

/* err says which file and, of a description that isn't good, where in it. */
int api_file_load(struct api **out, const char *path, struct err *err)
    __attribute__((warn_unused_result));

#endif
