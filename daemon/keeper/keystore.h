/*
 * The access keys, by workspace. Secrets are kept in OpenSSL's secure heap only: locked in memory,
 * left out of core dumps, wiped when freed. They never pass through this process's ordinary heap:
 * the file is parsed by a child that ends with it, and the secrets come through a pipe.
 */
#ifndef CENTION_KEEPER_KEYSTORE_H
#define CENTION_KEEPER_KEYSTORE_H

#include "base/err.h"
#include "base/slice.h"

enum {
    KEYSTORE_KEYS_MAX = 1024,
    KEYSTORE_ID_MAX = 255,      /* bytes of an access key id, [A-Za-z0-9._-]+ */
    KEYSTORE_SECRET_MAX = 1024, /* bytes of a secret */
};

struct keystore;

struct keystore_key {
    struct slice workspace, id;
    struct slice secret; /* in the secure heap */
};

/*
 * Sets up the secure heap, once in a process and before the first load. -ENOMEM with err filled
 * when the memory can't be locked: the process must not go on then.
 */
int keystore_init(struct err *err) MUST_CHECK;
/* Gives the secure heap back; every keystore must be freed. */
void keystore_done(void);

/*
 * Reads a keys file, checked as keyfile_open does, in a child process; `confined`: in the sandbox
 * of a reader, or not at all. Everything is read and checked before anything is given out. -errno
 * with err filled (file, line and setting; never a value).
 */
int keystore_load(struct keystore **out, const char *path, bool confined,
                  struct err *err) MUST_CHECK;
void keystore_free(struct keystore *keys); /* wipes; NULL is allowed */

/* The key of a workspace, or NULL. Valid as long as the keystore is. */
const struct keystore_key *keystore_find(const struct keystore *keys, struct slice workspace);

size_t keystore_count(const struct keystore *keys);
/* i < keystore_count(), in ascending order of workspaces. */
const struct keystore_key *keystore_at(const struct keystore *keys, size_t i);

/*
 * Calls for each key that is in one store only, or another one in `now`, with "removed", "loaded"
 * or "replaced", until one call returns not 0; that, or 0.
 */
int keystore_changes(const struct keystore *before, const struct keystore *now,
                     int (*each)(void *arg, const struct keystore_key *key, const char *event),
                     void *arg) MUST_CHECK;

#endif
