/*
 * Users and groups by name, from the files of passwd(5) and group(5), when a configuration is read.
 *
 * The files are read as they are: no name service is asked, so that a process which holds keys
 * loads none of its modules and waits for nobody, and so that a reload inside the sandbox finds the
 * same as a start. Users of a directory service are given by their uid.
 */
#ifndef CENTION_USERS_USERS_H
#define CENTION_USERS_USERS_H

#include "base/attributes.h"

#include <stddef.h>
#include <stdint.h>

#define USERS_PASSWD "/etc/passwd"
#define USERS_GROUP  "/etc/group"

/* The user's number: 0, -ENOENT when there is none of that name, or why the file can't be read. */
int users_uid(const char *passwd, const char *name, uint32_t *out) MUST_CHECK;

/*
 * Everyone in the group, by their primary group or named in it: ascending, without repetitions, to
 * be freed with free(3). *out is NULL when there is nobody. Errors as above.
 */
int users_members(const char *passwd, const char *group_file, const char *group, uint32_t **out,
                  size_t *n) MUST_CHECK;

#endif
