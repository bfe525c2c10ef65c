/*
 * The file of the segment that is being written: appended to, made durable, with space reserved
 * ahead so that what must still be recorded can be, and looked after: whether it is still the file
 * of that name, as long as it was left.
 */
#ifndef CENTION_KEEPER_AUDIT_ACTIVE_SEGMENT_H
#define CENTION_KEEPER_AUDIT_ACTIVE_SEGMENT_H

#include "audit/segments.h"
#include "base/buf.h"
#include "base/err.h"

#include <limits.h>
#include <sys/types.h>

/* The kernel's part, so that tests can make it fail. */
struct audit_io {
    ssize_t (*write)(int fd, const void *data, size_t n); /* as write(2) */
    int (*sync)(int fd);                                  /* as fdatasync(2) */
    int (*reserve)(int fd, off_t from, off_t n);          /* as fallocate(2) that keeps the size */
};

extern const struct audit_io AUDIT_KERNEL;

struct active_segment {
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

enum active_trouble {
    ACTIVE_SAME,
    ACTIVE_REMOVED,  /* no file has the name */
    ACTIVE_REPLACED, /* another one has */
    ACTIVE_ALTERED,  /* it is shorter or longer than it was left */
};

/*
 * The file of the segment that begins with `first`, made durably, mode 0640, or opened as it is.
 * `path` is the directory's. Fills all but `io` and `step`, which the caller sets before. 0 or
 * -errno; nothing is left behind then.
 */
int active_create(struct active_segment *active, int directory, const char *path,
                  uint64_t first) MUST_CHECK;
int active_open(struct active_segment *active, int directory, const char *path,
                uint64_t first) MUST_CHECK;

/* Makes sure that the next `need` bytes have space. 0, or -ENOSPC and the like. */
int active_reserve(struct active_segment *active, uint64_t need) MUST_CHECK;

/* Writes and consumes all of `batch`. 0 or -errno: then part of it may be written. */
int active_write(struct active_segment *active, struct buf *batch) MUST_CHECK;

/* 0 (also when there was nothing), or -errno: then for good, see audit.h. */
int active_sync(struct active_segment *active) MUST_CHECK;

enum active_trouble active_check(const struct active_segment *active);
const char *active_trouble_name(enum active_trouble trouble); /* "removed", "replaced", "altered" */

/* From now on `fd` (taken over) is the file. 0 or -errno. */
int active_adopt(struct active_segment *active, int fd) MUST_CHECK;

void active_finish(
    struct active_segment *active); /* gives reserved space back, makes it read-only, closes */
void active_close(struct active_segment *active); /* a closed one is allowed */

/* A descriptor of the checked directory, or -errno with err filled. */
int audit_dir_open(const char *path, struct err *err) MUST_CHECK;

/* A descriptor that holds the lock while it is open. -EAGAIN when another keeper has it. */
int audit_dir_lock(int directory, const char *path, struct err *err) MUST_CHECK;

#endif
