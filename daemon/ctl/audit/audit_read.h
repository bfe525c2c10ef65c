/*
 * Reads an audit log's records one after the other, without proving anything: `audit verify` does.
 * What is no record is reported on standard error with its place, and passed over.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_READ_H
#define CENTION_CTL_AUDIT_AUDIT_READ_H

#include "audit/segments.h"
#include "ctl/audit/audit_log.h"

enum {
    AUDIT_READ_DAMAGED = 1, /* the record can't be made out */
};

struct audit_read {
    /* 0, AUDIT_READ_DAMAGED, or a negative errno to end. `bytes` is the line without its end. */
    int (*each)(void *arg, const struct line *line, struct slice bytes);
    void *arg;
    bool damaged; /* something was reported */
    bool quiet;   /* don't report: this log was read before */
};

/* One segment that is being read. */
struct audit_segment {
    char *path;
    int fd; /* -1: none */
    struct segment_reader reader;
};

#define AUDIT_SEGMENT_INIT ((struct audit_segment){.fd = -1})

int audit_segment_open(struct audit_segment *s, const char *path, struct err *err)
    __attribute__((warn_unused_result));
void audit_segment_close(struct audit_segment *s); /* of an initialised or closed one is fine */

/*
 * Reads on from where it is to the end of what is there now. In the log's newest segment the part
 * of a line at the end is no damage: the next call begins with that line. 0, or what `each` or
 * read(2) said.
 */
int audit_segment_read(struct audit_segment *s, struct audit_read *r, bool newest)
    __attribute__((warn_unused_result));

/* The whole log; the last segment is left open in *newest (an initialised one) unless NULL. */
int audit_read_log(struct audit_read *r, const struct audit_log *log, struct audit_segment *newest,
                   struct err *err) __attribute__((warn_unused_result));

#endif
