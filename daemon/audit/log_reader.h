/*
 * An audit log as one sequence of lines, over all its segments in order: a folder, which the keeper
 * may be writing meanwhile, or files that a person named. Nothing is proved and nothing is skipped
 * but what the caller says. For programs that may block; memory is that of one line.
 *
 * A later segment is looked for before the end of the present one is believed: if there is one, the
 * present one is complete, and is read on to its end first.
 */
#ifndef CENTION_AUDIT_LOG_READER_H
#define CENTION_AUDIT_LOG_READER_H

#include "audit/segments.h"

enum log_answer {
    LOG_END = 0,   /* nothing more is there now; call again later */
    LOG_LINE,      /* a whole line */
    LOG_SEGMENT,   /* the next line is the first one of another segment */
    LOG_TRUNCATED, /* the segment ends with part of a line, which is given */
};

struct log_reader {
    /* Set by the caller, when wanted: */
    bool waits;   /* a line under way at the log's end is waited for; else it is not seen yet */
    bool follows; /* files: segments of the same folder behind the last of them belong to it, too */

    char *folder;  /* of the segments; NULL: not known */
    int directory; /* -1: none */
    char **files;  /* those that were named, in order; not owned */
    size_t n_files, file;
    uint64_t wanted; /* begin with the last segment that may hold this record */
    uint64_t number; /* of the last segment that was opened; 0: none */
    char *path;      /* of that segment, for messages */
    bool complete;   /* a later segment is there: the end of this one is its end */
    bool truncated;  /* its last line was given as LOG_TRUNCATED */
    struct segment_reader segment;
};

#define LOG_READER_INIT ((struct log_reader){.directory = -1, .segment = SEGMENT_READER_INIT})

/* All segments of the folder. 0 or -errno. */
int log_reader_open(struct log_reader *r, const char *folder) MUST_CHECK;

/* The files in this order; `files` is the caller's and outlives the reader. 0 or -ENOMEM. */
int log_reader_open_files(struct log_reader *r, char **files, size_t n) MUST_CHECK;

void log_reader_close(struct log_reader *r); /* an initialised or closed one is allowed */

/* Begins anew, with the last segment of the folder that may hold the record of that number. */
void log_reader_seek(struct log_reader *r, uint64_t seq);

/*
 * The next line, valid until the next call: one of enum log_answer. -EBADMSG when a compressed
 * segment is damaged, -ENOBUFS when a line is longer than any record: log_reader_skip goes on
 * behind that segment. Other -errno when it can't be read. r->path and r->segment say where.
 */
int log_reader_next(struct log_reader *r, struct slice *out) MUST_CHECK;
void log_reader_skip(struct log_reader *r);

/* Whether the present segment is shorter than what was read: whole records are never taken back. */
bool log_reader_shrank(const struct log_reader *r);

#endif
