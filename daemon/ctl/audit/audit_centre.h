/*
 * The records of all logs of a centre, by time, for the commands that show them: each with its
 * host's name and the open requests of its own log.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_CENTRE_H
#define CENTION_CTL_AUDIT_AUDIT_CENTRE_H

#include "audit/requests.h"
#include "central/archive.h"
#include "ctl/audit/audit_log.h"

struct audit_centre {
    const char *host; /* only of this one; NULL: of all */
    struct slice log; /* only of logs whose identity begins so; empty: of all */
    /* As in audit_read. `open` is the log's, empty at first and the callee's to fill. */
    int (*each)(void *arg, struct requests *open, const char *host, const struct line *line,
                struct slice bytes);
    /* At the end, once for each log: what is still open. 0 or -errno. */
    int (*end)(void *arg, struct requests *open, const char *host);
    void *arg;
    bool damaged; /* something was reported */
};

/*
 * What is no record is reported on standard error with its place, and skipped. 0; what a call said,
 * or -errno with err filled.
 */
int audit_centre_read(struct audit_centre *centre, struct archive *archive,
                      struct err *err) MUST_CHECK;

#endif
