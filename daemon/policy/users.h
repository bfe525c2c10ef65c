/*
 * The system's users and groups, asked once when a configuration is read. May block: never for a
 * request.
 */
#ifndef CENTION_POLICY_USERS_H
#define CENTION_POLICY_USERS_H

#include <stddef.h>
#include <stdint.h>

/* The user's number: 0, -ENOENT when there is none of that name, or what the look-up failed with.
 */
int users_uid(const char *name, uint32_t *out) __attribute__((warn_unused_result));

/*
 * Everyone in the group, by their primary group or named in it: ascending, without repetitions, to
 * be freed with free(3). *out is NULL when there is nobody. Errors as above.
 */
int users_members(const char *group, uint32_t **out, size_t *n) __attribute__((warn_unused_result));

#endif
