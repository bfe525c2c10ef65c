/*
 * This host's own log beside what the centre has of it, while that is read: byte for byte, as far
 * as both have a record. Segments that were retired here are not missed.
 */
#ifndef CENTION_CTL_CENTRAL_ARCHIVE_LOCAL_H
#define CENTION_CTL_CENTRAL_ARCHIVE_LOCAL_H

#include "central/folders/folder_log.h"
#include "ctl/central/finding.h"

struct archive_local {
    struct folder_log *log;       /* owned */
    bool here;                    /* the centre has this log */
    uint64_t last;                /* the local log's last seq */
    uint64_t behind;              /* records that the centre doesn't have yet, */
    char behind_since[SEAL_TIME]; /* the first of them from then; zeros: not known */

    /* Private: */
    struct archive_record due;
    bool has, end;
    uint64_t place, lost_from; /* the place that is compared; the first one behind the local end */
    bool found_here, same;
    void (*found)(void *arg, const struct finding *finding);
    void *arg;
    struct err *err;
    struct {
        uint64_t first, last;
        const char *what;
    } held;
};

/* The log in that directory. Negative with err filled. */
int archive_local_open(struct archive_local *l, const char *directory, struct err *err) MUST_CHECK;
void archive_local_deinit(struct archive_local *l); /* a zeroed one is allowed */

void archive_local_begin(struct archive_local *l, void (*found)(void *arg, const struct finding *),
                         void *arg, struct err *err);
/* A record of this log as the centre has it, in its order. Negative with err filled. */
int archive_local_record(struct archive_local *l, const struct archive_record *record) MUST_CHECK;
/* Behind the last one. */
int archive_local_end(struct archive_local *l) MUST_CHECK;

#endif
