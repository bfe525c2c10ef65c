/*
 * The files of an audit log: `audit-<seq of the first record>.jsonl`, finished ones perhaps
 * compressed with `.zst` behind, and a reader that takes one from its start line by line, of any
 * size, in the memory of one line.
 */
#ifndef CENTION_AUDIT_SEGMENTS_H
#define CENTION_AUDIT_SEGMENTS_H

#include "base/buf.h"
#include "base/err.h"

enum {
    SEGMENT_NAME = 48,               /* bytes of a name, terminator included */
    SEGMENT_READ = 256 * 1024,       /* bytes of one read */
    SEGMENT_LINE = 64 * 1024 * 1024, /* the longest line: the longest message, all of it escaped */
};

struct decompressor;

/* The number in a name, with or without .zst; 0 for any other name. */
uint64_t segment_first(const char *name);
bool segment_packed(const char *name);                     /* whether it ends with .zst */
void segment_name(char out[SEGMENT_NAME], uint64_t first); /* of one that is not compressed */
void segment_file_name(char out[SEGMENT_NAME], uint64_t first, bool packed);

/* Opens one to read, never a link; it may be no regular file. The descriptor, or -errno. */
int segment_open(int directory, uint64_t first, bool packed) __attribute__((warn_unused_result));

/* Its bytes on the disk; 0 when it isn't there. */
uint64_t segment_size(int directory, uint64_t first, bool packed);

struct segments {
    uint64_t *first; /* ascending */
    bool *packed;    /* whether it is there in compressed form only */
    size_t n;
};

/* Those of a directory. 0 or -errno. */
int segments_list(struct segments *out, int directory) __attribute__((warn_unused_result));
void segments_deinit(struct segments *s); /* of a zeroed one is fine */

struct segment_reader {
    int fd;                            /* not owned */
    bool packed;                       /* the file is compressed; set it after the init */
    struct decompressor *decompressor; /* made when it is needed */
    struct buf in;
    uint64_t line;   /* the line's number, from 1 */
    uint64_t offset; /* of its first byte in the segment (before compression) */
    uint64_t next;   /* the offset behind its newline */
    uint64_t at;     /* bytes of the file read */
    bool end;
};

void segment_reader_init(struct segment_reader *r, int fd);
void segment_reader_deinit(struct segment_reader *r);

/*
 * The next line, without its newline, valid until the next call: 1. 0 at the end: *out is what
 * stands behind the last newline, mostly nothing. -ENOBUFS when a line is longer than SEGMENT_LINE;
 * -EBADMSG when a compressed file is damaged; -ENOMEM or what read(2) says.
 */
int segment_read(struct segment_reader *r, struct slice *out) __attribute__((warn_unused_result));

#endif
