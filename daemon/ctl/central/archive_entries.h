/*
 * The logs that a centre knows, by host.
 */
#ifndef CENTION_CTL_CENTRAL_ARCHIVE_ENTRIES_H
#define CENTION_CTL_CENTRAL_ARCHIVE_ENTRIES_H

#include "central/archive.h"

struct centre_entry {
    struct seal_key log;
    char *host;
    uint64_t first, last; /* as the centre says (centre_log) */
    const char *wrong;    /* likewise: NULL, or a constant sentence */
};

struct centre_entries {
    struct centre_entry *list;
    size_t n;
};

/*
 * Those whose identity begins with `digits` (dashes between them don't count; empty: all). Negative
 * with err filled.
 */
int centre_entries_read(struct centre_entries *out, struct centre *centre, struct slice digits,
                        struct err *err) __attribute__((warn_unused_result));
void centre_entries_deinit(struct centre_entries *all); /* of a zeroed one is fine */

/* Whether its records can be asked for: 0, or -EBADMSG with err filled. */
int centre_entry_sound(const struct centre_entry *entry, struct err *err)
    __attribute__((warn_unused_result));

/* Whether a log's identity begins with these digits. */
bool centre_entry_matches(const struct seal_key *log, struct slice digits);

#endif
