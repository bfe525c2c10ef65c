/*
 * What a keeper finds in the audit log on the disk when it starts: that its end is whole and sound,
 * where the next record goes, how much of a truncated end a crash left, and which requests were
 * signed but never got an outcome.
 */
#ifndef CENTION_KEEPER_AUDIT_RECOVER_H
#define CENTION_KEEPER_AUDIT_RECOVER_H

#include "audit/verify.h"
#include "base/err.h"

struct recover {
    bool fresh;           /* there is no record: a new log is to begin */
    bool none;            /* there was not even a segment */
    uint64_t first;       /* of the segment to go on with; 1 when fresh */
    uint64_t first_kept;  /* of the oldest segment read */
    struct verify verify; /* after the last whole record; its open requests are the orphans */
    uint64_t good;        /* bytes of whole records at the start of that segment */
    uint64_t tail;        /* bytes behind them */
};

/*
 * Verifies the newest segment, and those before it as far back as requests were open; sets a
 * truncated end aside (truncated_tail.h), durably, before it is cut off. A truncated end is one
 * without any whole record in it. `path` is the directory's, for messages. 0; -EBADMSG with file,
 * line and byte offset in err when a record is damaged, -EINVAL when the segments make no log;
 * other -errno. Fills a zeroed *out; deinit it in every case.
 */
int recover_log(struct recover *out, int directory, const char *path, struct err *err) MUST_CHECK;
void recover_deinit(struct recover *r); /* a zeroed one is allowed */

#endif
