/*
 * The newest signature over a log that a centre holds, verified as far back as the header of the
 * segment that it stands in, as `audit head` does with a log on the disk.
 */
#ifndef CENTION_CTL_CENTRAL_ARCHIVE_HEAD_H
#define CENTION_CTL_CENTRAL_ARCHIVE_HEAD_H

#include "audit/verify.h"
#include "ctl/central/archive_entries.h"

/*
 * Leaves it in *v, which the caller has not made, and deinits. 0; -ENOENT when there is none;
 * -EBADMSG when that part of the log is broken; another -errno; err filled.
 */
int archive_head(struct verify *v, struct archive *archive, const struct archive_entry *entry,
                 struct err *err) MUST_CHECK;

#endif
