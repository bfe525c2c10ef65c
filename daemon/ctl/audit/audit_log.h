/*
 * An audit log on the disk, for the tool's commands: which one is meant, reading its records,
 * following them as the keeper writes them, and reading all of it into a verifier. Nothing here
 * writes or takes a lock.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_LOG_H
#define CENTION_CTL_AUDIT_AUDIT_LOG_H

#include "audit/log_reader.h"
#include "audit/verify.h"
#include "base/err.h"

struct audit_log {
    char *folder; /* all of its segments; NULL: the files */
    char **files; /* segments, in the order of the log */
    size_t n_files;
    uint64_t bytes; /* of all segments together, on the disk */
};

/*
 * One directory, or segment files in any order. With none: the directory that `conf` (keeper.conf)
 * names. -ENOENT when there is no segment; -EINVAL for a mixture; err filled.
 */
int audit_log_open(struct audit_log *log, char **arguments, int n, const char *conf,
                   struct err *err) MUST_CHECK;
void audit_log_deinit(struct audit_log *log); /* a zeroed one is allowed */

/* The directory that `conf` (keeper.conf) names; the caller frees it. Negative with err filled. */
int audit_log_directory(char **out, const char *conf, struct err *err) MUST_CHECK;

/* ---- reading, without proving anything ---- */

enum {
    AUDIT_READ_DAMAGED = 1, /* the record can't be made out */
};

/* What is no record is reported on standard error with its place, and skipped. */
struct audit_read {
    /* 0, AUDIT_READ_DAMAGED, or a negative errno to end. `bytes` is the line without its end. */
    int (*each)(void *arg, const struct line *line, struct slice bytes);
    void *arg;
    bool damaged; /* something was reported */
    bool quiet;   /* don't report: this log was read before */
    bool follows; /* audit_follow comes behind audit_read_log */
    struct log_reader reader;
};

/*
 * All records that are there now. Part of a line at the log's end is a record that is being
 * written, and no damage. 0; what `each` or read(2) said, err filled if it is reading. The caller
 * ends it with audit_read_deinit.
 */
int audit_read_log(struct audit_read *r, const struct audit_log *log, struct err *err) MUST_CHECK;
void audit_read_deinit(struct audit_read *r); /* a zeroed one is allowed */

/*
 * Goes on behind audit_read_log as records come. It wakes when the folder changes (inotify(7)), and
 * looks by itself now and then for the file systems that don't tell. Returns 0 after SIGINT,
 * SIGTERM, or once nobody reads standard output any more; -errno with err filled.
 */
int audit_follow(struct audit_read *r, struct err *err) MUST_CHECK;

/* From here on SIGINT and SIGTERM don't end the program: they are asked for with ..._ended. */
void audit_follow_signals(void);
bool audit_follow_ended(void);

/* ---- verifying ---- */

/* Called now and then with the bytes read so far; may be NULL. */
typedef void audit_log_progress(void *arg, uint64_t done, uint64_t all);

/*
 * Feeds the last `segments` segments (0, or more than there are: all) to `v`, which the caller has
 * made, and ends it. 0;
 * -EBADMSG when the log is broken (err names segment, line, byte offset and reason); other -errno
 * when it can't be read. A last line that is being written is waited for.
 */
int audit_log_verify(const struct audit_log *log, size_t segments, struct verify *v,
                     audit_log_progress *progress, void *arg, struct err *err) MUST_CHECK;

#endif
