#include "keeper/audit/retired_chain.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TAIL = 8 * 1024, /* bytes at the end that hold the last line, and a torn one behind it */
};

/* Finds the last whole line; what stands behind it was never made durable. */
static int settle(struct proof *p)
{
    char tail[TAIL];
    struct stat st;
    struct line line;
    off_t from;
    ssize_t n;
    const char *end, *begin;

    if (fstat(p->fd, &st) < 0)
        return -errno;
    from = st.st_size > TAIL ? st.st_size - TAIL : 0;
    n = pread(p->fd, tail, sizeof(tail), from);
    if (n < 0)
        return -errno;
    end = memrchr(tail, '\n', (size_t)n);
    if (!end)
        return from == 0 && ftruncate(p->fd, 0) == 0 ? 0 : -EBADMSG;
    if (ftruncate(p->fd, from + (end + 1 - tail)) < 0)
        return -errno;
    begin = memrchr(tail, '\n', (size_t)(end - tail));
    begin = begin ? begin + 1 : tail;
    if (line_read(slice_of(begin, (size_t)(end - begin)), &line))
        return -EBADMSG;
    p->last_seq = line.seq;
    return 0;
}

int proof_open(struct proof *p, int directory)
{
    int r;

    *p = (struct proof){.fd = openat(directory, PROOF_NAME,
                                     O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640)};
    if (p->fd < 0)
        return -errno;
    r = fchmod(p->fd, 0640) < 0 || fsync(directory) < 0 ? -errno : settle(p);
    if (r < 0)
        proof_close(p);
    return r;
}

int proof_add(struct proof *p, struct slice bytes, const struct line *line)
{
    int r;

    if (line->seq <= p->last_seq)
        return 0;
    r = file_write_fd(p->fd, bytes.data, bytes.len);
    if (r == 0)
        r = file_write_fd(p->fd, "\n", 1);
    if (r == 0)
        p->last_seq = line->seq;
    return r;
}

int proof_finish(struct proof *p)
{
    int r = fsync(p->fd) < 0 ? -errno : 0;

    proof_close(p);
    return r;
}

void proof_close(struct proof *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
}
