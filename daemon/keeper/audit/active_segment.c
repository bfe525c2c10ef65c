#include "keeper/audit/active_segment.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int reserve(int fd, off_t from, off_t n)
{
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, from, n);
}

const struct audit_io AUDIT_KERNEL = {write, fdatasync, reserve};

/* Whatever the umask: a group that is let into the directory may read the log. */
static int settle(int directory, int fd)
{
    return fchmod(fd, 0640) < 0 || fsync(fd) < 0 || fsync(directory) < 0 ? -errno : 0;
}

static int open_file(struct active_segment *l, int directory, const char *path, uint64_t first,
                     int flags)
{
    int fd, r, n;

    l->fd = -1;
    l->directory = directory;
    segment_name(l->name, first);
    n = snprintf(l->file, sizeof(l->file), "%s/%s", path, l->name);
    if (n < 0 || (size_t)n >= sizeof(l->file))
        return -ENAMETOOLONG;
    fd = openat(directory, l->name, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags,
                0640);
    if (fd < 0)
        return -errno;
    r = flags & O_CREAT ? settle(directory, fd) : 0;
    if (r < 0)
        (void)close(fd);
    return r < 0 ? r : active_adopt(l, fd);
}

int active_open(struct active_segment *l, int directory, const char *path, uint64_t first)
{
    return open_file(l, directory, path, first, 0);
}

int active_create(struct active_segment *l, int directory, const char *path, uint64_t first)
{
    int r = open_file(l, directory, path, first, O_CREAT | O_EXCL);

    if (r == 0)
        r = active_reserve(l, 1);
    if (r < 0 && r != -EEXIST) {
        (void)unlinkat(directory, l->name, 0);
        active_close(l);
    }
    return r;
}

int active_adopt(struct active_segment *l, int fd)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        int r = -errno;

        (void)close(fd);
        return r;
    }
    active_close(l);
    l->fd = fd;
    l->device = st.st_dev;
    l->inode = st.st_ino;
    l->size = (uint64_t)st.st_size;
    l->reserved = l->size;
    l->unsynced = false;
    return 0;
}

static int extend(struct active_segment *l, uint64_t to)
{
    int (*call)(int, off_t, off_t) = l->io->reserve ? l->io->reserve : reserve;
    int r;

    do
        r = call(l->fd, (off_t)l->size, (off_t)(to - l->size)) < 0 ? -errno : 0;
    while (r == -EINTR);
    if (r == -EOPNOTSUPP || r == -ENOSYS)
        to = UINT64_MAX;
    else if (r < 0)
        return r;
    l->reserved = to;
    return 0;
}

int active_reserve(struct active_segment *l, uint64_t need)
{
    if (l->reserved >= need && l->reserved - need >= l->size)
        return 0;
    return extend(l, l->size + need + l->step) == 0 ? 0 : extend(l, l->size + need);
}

int active_write(struct active_segment *l, struct buf *batch)
{
    while (buf_len(batch)) {
        struct slice s = buf_slice(batch);
        ssize_t n = l->io->write(l->fd, s.data, s.len);

        if (n < 0 && errno == EINTR)
            continue;
        /* A write of 0 bytes without an error would be repeated for ever. */
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        l->unsynced = true;
        l->size += (uint64_t)n;
        buf_consume(batch, (size_t)n);
    }
    return 0;
}

int active_sync(struct active_segment *l)
{
    if (l->unsynced && l->io->sync(l->fd) < 0)
        return -errno;
    l->unsynced = false;
    return 0;
}

enum active_trouble active_check(const struct active_segment *l)
{
    struct stat st;

    if (stat(l->file, &st) < 0)
        return ACTIVE_REMOVED;
    if (st.st_dev != l->device || st.st_ino != l->inode)
        return ACTIVE_REPLACED;
    return (uint64_t)st.st_size == l->size ? ACTIVE_SAME : ACTIVE_ALTERED;
}

const char *active_trouble_name(enum active_trouble trouble)
{
    static const char *const NAMES[] = {"none", "removed", "replaced", "altered"};

    return NAMES[trouble];
}

void active_finish(struct active_segment *l)
{
    /* A file system may keep what was reserved behind the end until the file is cut there. */
    if (ftruncate(l->fd, (off_t)l->size) < 0 || fchmod(l->fd, 0440) < 0)
        log_warning("audit_segment",
                    "segment=%s why=\"a finished segment can't be made read-only: %s\"", l->file,
                    strerror(errno));
    active_close(l);
}

void active_close(struct active_segment *l)
{
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
}

static int check_directory(int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(err, -EPERM, "%s: the audit directory belongs to user %u, not to %u", path,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return err_set(err, -EPERM,
                       "%s: others may write in the audit directory (mode %04o); use chmod go-w",
                       path, (unsigned)st.st_mode & 07777);
    if (faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0)
        return err_set(err, -errno, "%s: the audit directory can't be written: %s", path,
                       strerror(errno));
    return 0;
}

int audit_dir_open(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    if (fd < 0 && errno == ENOENT)
        return err_set(err, -ENOENT,
                       "%s: the audit directory is not there; make it with: install -d -m 0750 %s",
                       path, path);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    r = check_directory(fd, path, err);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    return fd;
}

int audit_dir_lock(int directory, const char *path, struct err *err)
{
    int fd = openat(directory, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), r;

    if (fd < 0)
        return err_set(err, -errno, "%s/.lock: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    r = err_set(err, -errno, "%s: %s", path,
                errno == EWOULDBLOCK ? "another keeper writes there" : strerror(errno));
    (void)close(fd);
    return r;
}
