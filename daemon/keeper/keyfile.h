/*
 * Opens the file that holds the secrets, or says why it must not be used: someone else could read
 * it, or could have put it there.
 */
#ifndef CENTION_KEEPER_KEYFILE_H
#define CENTION_KEEPER_KEYFILE_H

#include "base/err.h"

/*
 * A descriptor of the regular file, close-on-exec, owned by this user or root, open to no other
 * user by its mode or its access control list, at most 1 MiB; what was checked is what is read from
 * it. (systemd 254 and later may leave a credential to root, with an entry for the unit's user.) A
 * path that is a symbolic link is followed if no one but this user and root could change where it
 * leads: each folder on the way belongs to one of the two and is closed to the others' writing, or
 * is sticky and the entry in it is theirs. -errno with err filled.
 */
int keyfile_open(const char *path, struct err *err) MUST_CHECK;

#endif
