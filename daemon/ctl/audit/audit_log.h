/*
 * An audit log on the disk, for the tool: its segments in order, and reading them into a verifier.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_LOG_H
#define CENTION_CTL_AUDIT_AUDIT_LOG_H

#include "audit/verify.h"
#include "base/err.h"

struct audit_log {
    char **paths; /* of segments, in the order of the log */
    size_t n;
    uint64_t bytes; /* of all of them together */
    char *proof;    /* a directory's file of what was retired; NULL: there is none */
    bool whole;     /* they are all segments of a directory */
};

/*
 * One directory, or segment files in any order. With none: the directory that `conf` (keeper.conf)
 * names. -ENOENT when there is no segment; -EINVAL for a mixture; err filled.
 */
int audit_log_open(struct audit_log *log, char **arguments, int n, const char *conf,
                   struct err *err) __attribute__((warn_unused_result));
void audit_log_deinit(struct audit_log *log); /* of a zeroed one is fine */

/* The directory that `conf` (keeper.conf) names; the caller frees it. Negative with err filled. */
int audit_log_directory(char **out, const char *conf, struct err *err)
    __attribute__((warn_unused_result));

/* Called now and then with the bytes read so far; may be NULL. */
typedef void audit_log_progress(void *arg, uint64_t done, uint64_t all);

/*
 * Feeds the segments from number `from` on to `v`, which the caller has made, and ends it. 0;
 * -EBADMSG when the log is broken (err names segment, line, byte offset and reason); other -errno
 * when it can't be read. A last line that is just being written is waited for.
 */
int audit_log_verify(const struct audit_log *log, size_t from, struct verify *v,
                     audit_log_progress *progress, void *arg, struct err *err)
    __attribute__((warn_unused_result));

#endif
