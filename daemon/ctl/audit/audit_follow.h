/*
 * Goes on reading an audit log as the keeper writes it, from segment to segment. It wakes when the
 * directory changes (inotify(7)), and looks by itself now and then for the file systems that don't
 * tell. It never writes and takes no lock.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_FOLLOW_H
#define CENTION_CTL_AUDIT_AUDIT_FOLLOW_H

#include "ctl/audit/audit_read.h"

/* From here on SIGINT and SIGTERM don't end the program: they are asked for with ..._ended. */
void audit_follow_signals(void);
bool audit_follow_ended(void);

/*
 * Reads on from *at, which has been read to its end; it is another segment afterwards. Returns 0
 * after SIGINT, SIGTERM, or once nobody reads standard output any more; -errno with err filled.
 */
int audit_follow(struct audit_read *r, struct audit_segment *at, struct err *err)
    __attribute__((warn_unused_result));

#endif
