/*
 * One segment file of the audit log as a source of bytes, plain or compressed, opened read-only
 * while the keeper may be writing, compressing, replacing or removing it. What is open stays
 * readable whatever becomes of the name.
 */
#ifndef CENTION_SHIP_SOURCE_H
#define CENTION_SHIP_SOURCE_H

#include "audit/segments.h"
#include "base/buf.h"

#include <sys/types.h>

struct source {
    int fd; /* -1: none */
    uint64_t first;
    bool packed;
    struct decompressor *decompressor; /* of a packed one, made when it is needed */
    uint64_t at;                       /* bytes of the file read */
    uint64_t synced;                   /* bytes of the file that are durable for sure */
    dev_t device;
    ino_t inode;
};

#define SOURCE_INIT ((struct source){.fd = -1})

/*
 * Opens the segment that begins with `first`; where both forms are there, the plain one. -ENOENT:
 * there is none; -EINVAL: it is no regular file; what open(2) says. *s is closed before.
 */
int source_open(struct source *s, int directory, uint64_t first)
    __attribute__((warn_unused_result));
void source_close(struct source *s); /* of a closed one is fine */

/*
 * Appends up to n bytes of the segment to *out: how many, 0 at the present end. -EBADMSG: a
 * compressed one is damaged; -ENOMEM; -ENOBUFS; what read(2) says.
 */
ssize_t source_read(struct source *s, struct buf *out, size_t n)
    __attribute__((warn_unused_result));

/* Gives the last n bytes back: they are read again. Not of a packed one. */
void source_back(struct source *s, size_t n);

enum source_trouble {
    SOURCE_SAME,
    SOURCE_NO_NAME, /* no file has the name: compressed, retired, or taken away */
    SOURCE_ANOTHER, /* another file has it */
    SOURCE_SHORTER, /* it ends before what was read */
};

enum source_trouble source_check(const struct source *s, int directory);

/*
 * Makes durable what was read: 0, or what fdatasync(2) says. After a failure the kernel may hold
 * pages that it takes for written: source_distrust drops them, and what is read next comes from the
 * disk.
 */
int source_sync(struct source *s) __attribute__((warn_unused_result));
void source_distrust(const struct source *s);

/* As fdatasync(2); tests make it fail. */
extern int (*source_fdatasync)(int fd);

#endif
