/*
 * The logs that an auditor expects: a file of lines `IDENTITY NAME`, comments behind #. Behind the
 * name may stand `SEQ HASH`, for a log whose beginning was gone before it came to the centre: the
 * record that it begins with there.
 */
#ifndef CENTION_CTL_CENTRAL_IDENTITIES_H
#define CENTION_CTL_CENTRAL_IDENTITIES_H

#include "audit/seal.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct identity {
    struct seal_key log;
    char *name;
    uint64_t first; /* 1 when the line doesn't say */
    struct chain_hash hash;
    bool has_hash;
    bool seen; /* the caller's */
};

struct identities {
    struct identity *list;
    size_t n;
};

/* -EINVAL for a line that is none (err names it), -ENOENT or another -errno; err filled. */
int identities_read(struct identities *out, const char *path, struct err *err) MUST_CHECK;
void identities_deinit(struct identities *all); /* a zeroed one is allowed */

struct identity *identities_find(const struct identities *all, const struct seal_key *log);
struct identity *identities_find_name(const struct identities *all, const char *name);

/* Whether a host's name can stand in the file: a word without # that a terminal
 * can be shown. */
bool identities_name_ok(const char *name);

/* Adds one to the list (copying its name), and a line to the file, durably; makes the file when
 * there is none. */
int identities_append(struct identities *all, const char *path, const struct identity *identity,
                      struct err *err) MUST_CHECK;

#endif
