#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum {
    FILE_PIECE = 64 * 1024, /* bytes of one read */
};

int file_read_fd(struct buf *out, int fd)
{
    for (;;) {
        size_t piece = FILE_PIECE, left = out->max - buf_len(out);
        ssize_t n;
        char one;
        int r;

        if (left == 0) { /* full: that is fine when the file ends here too */
            do
                n = read(fd, &one, 1);
            while (n < 0 && errno == EINTR);
            return n == 0 ? 0 : n < 0 ? -errno : -EFBIG;
        }
        if (piece > left)
            piece = left;
        r = buf_reserve(out, piece);
        if (r < 0)
            return r;
        do
            n = read(fd, buf_space(out), piece);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
            return n == 0 ? 0 : -errno;
        buf_commit(out, (size_t)n);
    }
}

int file_read(struct buf *out, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

    if (fd < 0)
        return -errno;
    r = file_read_fd(out, fd);
    (void)close(fd);
    return r;
}

int file_write_fd(int fd, const void *data, size_t n)
{
    const char *p = data;

    while (n) {
        ssize_t w = write(fd, p, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return w < 0 ? -errno : -EIO;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

int file_copy_fd(int to, int from, uint64_t offset, uint64_t n)
{
    char block[FILE_PIECE];
    int r = 0;

    while (r == 0 && n) {
        ssize_t got = pread(from, block, n < FILE_PIECE ? (size_t)n : FILE_PIECE, (off_t)offset);

        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        r = file_write_fd(to, block, (size_t)got);
        offset += (uint64_t)got;
        n -= (uint64_t)got;
    }
    return r;
}

int folder_each(int directory, int (*each)(void *arg, const char *name), void *arg)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        r = -errno;
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    while (r == 0 && (entry = readdir(dir)))
        r = each(arg, entry->d_name);
    (void)closedir(dir);
    return r;
}
