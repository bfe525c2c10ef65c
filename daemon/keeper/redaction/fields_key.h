/*
 * The key of the audit log's keyed hashes (audit/mac.h): 32 random bytes in one file of the audit
 * directory, readable for the keeper's user alone. It is made once and never changes, so that
 * values can be matched over the whole log; it opens nothing but that.
 */
#ifndef CENTION_KEEPER_REDACTION_FIELDS_KEY_H
#define CENTION_KEEPER_REDACTION_FIELDS_KEY_H

#include "audit/mac.h"
#include "base/err.h"

/*
 * The key of the file; without one, a new key that is durable in it, and *created. The caller wipes
 * the key. -EPERM when others could read the file or it is another user's, -EINVAL when it holds no
 * key, other -errno; err filled: never is another key put in its place. `path` is the directory's,
 * for messages.
 */
int fields_key_get(int directory, const char *path, unsigned char key[MAC_KEY], bool *created,
                   struct err *err) MUST_CHECK;

/* Whether the file, if there is one, could be used: as above, and without a trace. */
int fields_key_check(int directory, const char *path, struct err *err) MUST_CHECK;

#endif
