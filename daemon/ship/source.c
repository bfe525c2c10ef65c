#include "ship/source.h"

#include "audit/compress.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

int (*source_fdatasync)(int fd) = fdatasync;

static int open_form(struct source *s, int directory, uint64_t first, bool packed)
{
    struct stat st;
    int fd = segment_open(directory, first, packed), r;

    if (fd < 0)
        return fd;
    r = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    *s = (struct source){
        .fd = fd, .first = first, .packed = packed, .device = st.st_dev, .inode = st.st_ino};
    return 0;
}

/* The plain one is removed after the compressed one has its name: one of both is always there. */
int source_open(struct source *s, int directory, uint64_t first)
{
    int r;

    source_close(s);
    r = open_form(s, directory, first, false);
    return r == -ENOENT ? open_form(s, directory, first, true) : r;
}

void source_close(struct source *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    decompressor_free(s->decompressor);
    *s = SOURCE_INIT;
}

static ssize_t read_packed(struct source *s, void *to, size_t n)
{
    int made = s->decompressor ? 0 : decompressor_new(&s->decompressor);

    return made < 0 ? made : decompressor_read(s->decompressor, s->fd, &s->at, to, n);
}

static ssize_t read_plain(struct source *s, void *to, size_t n)
{
    ssize_t got;

    do
        got = pread(s->fd, to, n, (off_t)s->at);
    while (got < 0 && errno == EINTR);
    s->at += got > 0 ? (uint64_t)got : 0;
    return got < 0 ? -errno : got;
}

ssize_t source_read(struct source *s, struct buf *out, size_t n)
{
    int r = buf_reserve(out, n);
    ssize_t got;

    if (r < 0)
        return r;
    got = s->packed ? read_packed(s, buf_space(out), n) : read_plain(s, buf_space(out), n);
    if (got > 0)
        buf_commit(out, (size_t)got);
    return got;
}

void source_back(struct source *s, size_t n)
{
    s->at -= n;
    /* A torn line that was durable: what the next keeper writes in its place isn't yet. */
    if (s->synced > s->at)
        s->synced = s->at;
}

enum source_trouble source_check(const struct source *s, int directory)
{
    char name[SEGMENT_NAME];
    struct stat st;

    if (!s->packed && fstat(s->fd, &st) == 0 && (uint64_t)st.st_size < s->at)
        return SOURCE_SHORTER;
    segment_file_name(name, s->first, s->packed);
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return SOURCE_NO_NAME;
    return st.st_dev == s->device && st.st_ino == s->inode ? SOURCE_SAME : SOURCE_ANOTHER;
}

int source_sync(struct source *s)
{
    uint64_t at = s->at;

    if (s->synced >= at)
        return 0;
    if (source_fdatasync(s->fd) < 0)
        return -errno;
    s->synced = at;
    return 0;
}

void source_distrust(const struct source *s)
{
    (void)posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
}
