/*
 * The file of the segment that is being written: appended to, made durable, with space reserved
 * ahead so that what must still be recorded can be, and looked after: whether it is still the file
 * of that name, as long as it was left.
 */
#ifndef CENTION_KEEPER_AUDIT_ACTIVE_SEGMENT_H
#define CENTION_KEEPER_AUDIT_ACTIVE_SEGMENT_H

#include "audit/segments.h"
#include "base/buf.h"

#include <limits.h>
#include <sys/types.h>

/* The kernel's part, so that tests can make it fail. */
struct audit_io {
    ssize_t (*write)(int fd, const void *data, size_t n); /* as write(2) */
    int (*sync)(int fd);                                  /* as fdatasync(2) */
    int (*reserve)(int fd, off_t from, off_t n);          /* as fallocate(2) that keeps the size */
};

extern const struct audit_io AUDIT_KERNEL;

struct live {
    const struct audit_io *io;
    int directory; /* not owned */
    int fd;        /* -1: none */
    char name[SEGMENT_NAME];
    char file[PATH_MAX]; /* directory and name */
    dev_t device;
    ino_t inode;
    uint64_t size;     /* bytes written */
    uint64_t step;     /* bytes that are reserved at once */
    uint64_t reserved; /* bytes of the file that have space; UINT64_MAX: none can be reserved */
    bool unsynced;     /* something was written since the last sync */
};

enum live_trouble {
    LIVE_SAME,
    LIVE_REMOVED,  /* no file has the name */
    LIVE_REPLACED, /* another one has */
    LIVE_ALTERED,  /* it is shorter or longer than it was left */
};

/*
 * The file of the segment that begins with `first`, made durably, mode 0640, or opened as it is.
 * `path` is the directory's. Fills all but `io` and `step`, which the caller sets before. 0 or
 * -errno; nothing is left behind then.
 */
int live_create(struct live *live, int directory, const char *path, uint64_t first)
    __attribute__((warn_unused_result));
int live_open(struct live *live, int directory, const char *path, uint64_t first)
    __attribute__((warn_unused_result));

/* Makes sure that the next `need` bytes have space. 0, or -ENOSPC and the like. */
int live_reserve(struct live *live, uint64_t need) __attribute__((warn_unused_result));

/* Writes and consumes all of `batch`. 0 or -errno: then part of it may be written. */
int live_write(struct live *live, struct buf *batch) __attribute__((warn_unused_result));

/* 0 (also when there was nothing), or -errno: then for good, see audit.h. */
int live_sync(struct live *live) __attribute__((warn_unused_result));

enum live_trouble live_check(const struct live *live);
const char *live_trouble_name(enum live_trouble trouble); /* "removed", "replaced", "altered" */

/* From now on `fd` (taken over) is the file. 0 or -errno. */
int live_adopt(struct live *live, int fd) __attribute__((warn_unused_result));

void live_finish(struct live *live); /* gives reserved space back, makes it read-only, closes */
void live_close(struct live *live);  /* a closed one is fine */

#endif
