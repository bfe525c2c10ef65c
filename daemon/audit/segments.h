/*
 * The files of an audit log: `audit-<seq of the first record>.jsonl`, finished ones perhaps
 * compressed with `.zst` behind. audit/segment_reader reads one, audit/log_reader all of them.
 */
#ifndef CENTION_AUDIT_SEGMENTS_H
#define CENTION_AUDIT_SEGMENTS_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SEGMENT_NAME = 48,               /* bytes of a name, terminator included */
    SEGMENT_LINE = 64 * 1024 * 1024, /* the longest line: the longest message, all of it escaped */
};

/* The file that stays of segments that were retired (doc/audit-format.md). */
#define SEGMENTS_RETIRED "audit-retired.jsonl"

/* The number in a name, with or without .zst; 0 for any other name. */
uint64_t segment_first(const char *name);
bool segment_packed(const char *name);                     /* whether it ends with .zst */
void segment_name(char out[SEGMENT_NAME], uint64_t first); /* of one that is not compressed */
void segment_file_name(char out[SEGMENT_NAME], uint64_t first, bool packed);

/* Opens one to read, never a link; it may be no regular file. The descriptor, or -errno. */
int segment_open(int directory, uint64_t first, bool packed) MUST_CHECK;

/*
 * Whether a keeper holds the lock of the log in this directory, asked without taking it
 * (/proc/locks). False where that can't be told: for a copy, or a keeper in another container.
 */
bool segments_are_written(int directory);

/* Its bytes on the disk; 0 when it isn't there. */
uint64_t segment_size(int directory, uint64_t first, bool packed);

struct segments {
    uint64_t *first; /* ascending */
    bool *packed;    /* whether it is there in compressed form only */
    size_t n;
};

/* Those of a directory. 0 or -errno. */
int segments_list(struct segments *out, int directory) MUST_CHECK;
void segments_deinit(struct segments *s); /* of a zeroed one is fine */

#endif
