/*
 * The files of an audit log: `audit-<seq of the first record>.jsonl`, finished ones perhaps
 * compressed with `.zst` behind. segment_reader reads one, audit/log_reader all of them.
 */
#ifndef CENTION_AUDIT_SEGMENTS_H
#define CENTION_AUDIT_SEGMENTS_H

#include "base/attributes.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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

/*
 * The one way to open a file of a log to read: `path` stands in the open directory, or is
 * AT_FDCWD's. Never waits, and opens nothing but a regular file. The descriptor, or -errno: -ELOOP
 * for a symbolic link, -EISDIR for a directory, -EINVAL for a FIFO, a socket or a device
 * (segment_is_no_file).
 */
int segment_open_path(int directory, const char *path) MUST_CHECK;
int segment_open(int directory, uint64_t first, bool packed) MUST_CHECK;

/* Whether that error says that something else stands in the place of the file. */
bool segment_is_no_file(int error);

/* A negative errno of this module in words. */
const char *segment_strerror(int error);

/*
 * Whether a keeper holds the lock of the log in this directory, asked without taking it
 * (/proc/locks). False where that can't be seen: for a copy, or a keeper in another container.
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
void segments_deinit(struct segments *s); /* a zeroed one is allowed */

/*
 * One segment of an audit log, line by line, plain or compressed, while the keeper may be writing,
 * compressing, replacing or removing it. What is open stays readable whatever becomes of its name.
 * Memory is bounded by the lines that the caller holds, and the longest line.
 *
 * A reader beside a writer may see part of a write. Bytes behind the last newline are no line yet:
 * whether they are a truncated record can be said only when the writer has stopped.
 */

enum {
    SEGMENT_READ = 256 * 1024,           /* bytes of one read */
    SEGMENT_READ_KEEP = 4 * 1024 * 1024, /* bytes of the buffer that stay after a long line */
};

struct segment_reader {
    int fd;         /* -1: none */
    uint64_t first; /* the number in its name; 0 for a file that the caller named */
    bool packed;
    bool borrowed;                     /* the descriptor is the caller's */
    struct decompressor *decompressor; /* of a packed one, made when it is needed */
    struct buf in;
    size_t held;     /* bytes at the buffer's head: lines given out, with their newlines */
    uint64_t line;   /* the number of the line given out last, from 1 */
    uint64_t offset; /* of its first byte in the segment (before compression) */
    uint64_t next;   /* of the byte behind its newline */
    uint64_t at;     /* bytes of the file read */
    uint64_t synced; /* bytes of the file that are durable for sure */
    bool ended;      /* the last read ended at the file's end */
    bool crossed;    /* and part of the present line was read before that, part behind */
    dev_t device;
    ino_t inode;
};

#define SEGMENT_READER_INIT                                                                        \
    ((struct segment_reader){.fd = -1, .in = BUF_INIT(SEGMENT_LINE + SEGMENT_READ)})

/*
 * Opens the segment that begins with `first`, never a link; where both forms are there, the plain
 * one. -ENOENT: there is none; -EINVAL: it is no regular file; what open(2) says. The reader is an
 * initialised or used one: what it had open is closed before.
 */
int segment_reader_open(struct segment_reader *r, int directory, uint64_t first) MUST_CHECK;

/* The same for a file of any name, links followed; with .zst at its end it is compressed. */
int segment_reader_open_file(struct segment_reader *r, const char *path) MUST_CHECK;

/* Reads from an open file, which stays the caller's. */
void segment_reader_borrow(struct segment_reader *r, int fd, bool packed);

void segment_reader_close(struct segment_reader *r); /* an initialised or closed one is allowed */

/*
 * The next line, without its newline: 1; it is valid until the next call. 0 at the present end:
 * *out is what stands behind the last newline, mostly nothing; the next call reads on. -ENOBUFS
 * when a line is longer than SEGMENT_LINE; -EBADMSG when a compressed file is damaged; -ENOMEM or
 * what read(2) says.
 */
int segment_read(struct segment_reader *r, struct slice *out) MUST_CHECK;

/*
 * The same, but all lines since the last segment_read or segment_release are kept, one after the
 * other with their newlines. Reading may move them.
 */
int segment_read_more(struct segment_reader *r, struct slice *out) MUST_CHECK;

/* The next call gives the line given out last once more. */
void segment_put_back(struct segment_reader *r);

/* The first of the held lines. */
const char *segment_held(const struct segment_reader *r);

/* Lets the held lines go, and the room of a long one. -ENOMEM: they are gone all the same. */
int segment_release(struct segment_reader *r) MUST_CHECK;

/*
 * Forgets the part of a line at the end of a plain file, so that it is read again: a keeper that
 * starts after a crash cuts it off and writes other bytes in its place. Lets all lines go.
 */
void segment_reader_back(struct segment_reader *r);

/*
 * After segment_read was 0 with part of a line: waits for that line's end and gives the line: 1. 0
 * with the part in *out when the writer has stopped: no keeper holds the lock of `directory` (-1:
 * that is not asked) and the file has not grown for a second; or it has not for half a minute.
 * Blocks.
 */
int segment_wait(struct segment_reader *r, int directory, struct slice *out) MUST_CHECK;

enum segment_trouble {
    SEGMENT_SAME,
    SEGMENT_NO_NAME, /* no file has the name: compressed, retired, or taken away */
    SEGMENT_ANOTHER, /* another file has it */
    SEGMENT_SHORTER, /* it ends before what was read */
};

enum segment_trouble segment_check(const struct segment_reader *r, int directory);

/*
 * Makes durable what was read: 0, or what fdatasync(2) says. After a failure the kernel may hold
 * pages that it takes for written: segment_distrust drops them, and what is read next comes from
 * the disk.
 */
int segment_sync(struct segment_reader *r) MUST_CHECK;
void segment_distrust(const struct segment_reader *r);

/* As fdatasync(2); tests make it fail. */
extern int (*segment_fdatasync)(int fd);

#endif
