/*
 * The logs that a centre knows, by host.
 */
#ifndef CENTION_CTL_CENTRAL_ARCHIVE_ENTRIES_H
#define CENTION_CTL_CENTRAL_ARCHIVE_ENTRIES_H

#include "central/archive.h"

struct archive_entry {
    struct seal_key log;
    char *host;
    uint64_t first, last; /* as the centre says (archive_log) */
    const char *wrong;    /* likewise: NULL, or a constant sentence */
};

struct archive_entries {
    struct archive_entry *list;
    size_t n;
};

/*
 * Those whose identity begins with `digits` (dashes between them don't count; empty: all). Negative
 * with err filled.
 */
int archive_entries_read(struct archive_entries *out, struct archive *archive, struct slice digits,
                         struct err *err) MUST_CHECK;
void archive_entries_deinit(struct archive_entries *all); /* a zeroed one is allowed */

/* Whether its records can be asked for: 0, or -EBADMSG with err filled. */
int archive_entry_sound(const struct archive_entry *entry, struct err *err) MUST_CHECK;

/* Whether a log's identity begins with these digits. */
bool archive_entry_matches(const struct seal_key *log, struct slice digits);

#endif
