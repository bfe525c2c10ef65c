#include "audit/segment_reader.h"

#include "audit/compress.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_MS = 5,            /* between two looks for the rest of a line */
    STOPPED_MS = 1000,      /* without growth, and no keeper holds the lock */
    STALLED_MS = 30 * 1000, /* without growth, whoever holds the lock */
};

int (*segment_fdatasync)(int fd) = fdatasync;

/* ---- opening ---- */

static int use(struct segment_reader *r, int fd, uint64_t first, bool packed)
{
    struct stat st;
    int failed;

    if (fd < 0)
        return fd;
    failed = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    if (failed < 0) {
        (void)close(fd);
        return failed;
    }
    r->fd = fd;
    r->first = first;
    r->packed = packed;
    r->device = st.st_dev;
    r->inode = st.st_ino;
    return 0;
}

/* The plain one is removed after the compressed one has its name: one of both is always there. */
int segment_reader_open(struct segment_reader *r, int directory, uint64_t first)
{
    int failed;

    segment_reader_close(r);
    failed = use(r, segment_open(directory, first, false), first, false);
    return failed == -ENOENT ? use(r, segment_open(directory, first, true), first, true) : failed;
}

int segment_reader_open_file(struct segment_reader *r, const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    segment_reader_close(r);
    return use(r, fd < 0 ? -errno : fd, 0, segment_packed(path));
}

void segment_reader_borrow(struct segment_reader *r, int fd, bool packed)
{
    segment_reader_close(r);
    r->fd = fd;
    r->packed = packed;
    r->borrowed = true;
}

void segment_reader_close(struct segment_reader *r)
{
    if (r->fd >= 0 && !r->borrowed)
        (void)close(r->fd);
    decompressor_free(r->decompressor);
    buf_deinit(&r->in);
    *r = SEGMENT_READER_INIT;
}

/* ---- reading ---- */

static ssize_t read_packed(struct segment_reader *r)
{
    int made = r->decompressor ? 0 : decompressor_new(&r->decompressor);

    return made < 0
               ? made
               : decompressor_read(r->decompressor, r->fd, &r->at, buf_space(&r->in), SEGMENT_READ);
}

static ssize_t read_plain(struct segment_reader *r)
{
    ssize_t n;

    do
        n = pread(r->fd, buf_space(&r->in), SEGMENT_READ, (off_t)r->at);
    while (n < 0 && errno == EINTR);
    r->at += n > 0 ? (uint64_t)n : 0;
    return n < 0 ? -errno : n;
}

/* Reads one block more: how many bytes, 0 at the present end, -errno. */
static ssize_t more(struct segment_reader *r)
{
    int reserved = buf_reserve(&r->in, SEGMENT_READ);
    ssize_t n;

    if (reserved < 0)
        return reserved;
    n = r->packed ? read_packed(r) : read_plain(r);
    if (n > 0)
        buf_commit(&r->in, (size_t)n);
    return n;
}

/* What is read and not given out. */
static struct slice rest(const struct segment_reader *r)
{
    struct slice all = buf_slice(&r->in);

    return slice_of(all.data + r->held, all.len - r->held);
}

/* Looks for the newline behind the first `searched` bytes, and reads until it is there. */
static int find_line(struct segment_reader *r, size_t searched, struct slice *out)
{
    for (;;) {
        const char *newline = NULL;
        ssize_t n;

        *out = rest(r);
        if (out->len > searched)
            newline = memchr(out->data + searched, '\n', out->len - searched);
        if (newline) {
            out->len = (size_t)(newline - out->data);
            if (out->len > SEGMENT_LINE)
                return -ENOBUFS;
            r->held += out->len + 1;
            r->next = r->offset + out->len + 1;
            return 1;
        }
        searched = out->len;
        n = more(r);
        if (n <= 0) {
            *out = rest(r); /* making room may have moved it */
            return (int)n;
        }
    }
}

int segment_read_more(struct segment_reader *r, struct slice *out)
{
    /* After a call that found no whole line, the same line is looked for again. */
    r->line += r->line == 0 || r->next > r->offset;
    r->offset = r->next;
    return find_line(r, 0, out);
}

int segment_read(struct segment_reader *r, struct slice *out)
{
    buf_consume(&r->in, r->held);
    r->held = 0;
    return segment_read_more(r, out);
}

void segment_put_back(struct segment_reader *r)
{
    r->held -= (size_t)(r->next - r->offset);
    r->next = r->offset;
}

const char *segment_held(const struct segment_reader *r)
{
    return buf_slice(&r->in).data;
}

int segment_release(struct segment_reader *r)
{
    struct buf less = BUF_INIT(r->in.max);
    int failed;

    buf_consume(&r->in, r->held);
    r->held = 0;
    if (r->in.cap <= SEGMENT_READ_KEEP || buf_len(&r->in) > SEGMENT_READ_KEEP / 2)
        return 0;
    failed = buf_append_slice(&less, buf_slice(&r->in));
    if (failed < 0)
        return failed;
    buf_deinit(&r->in);
    r->in = less;
    return 0;
}

void segment_reader_back(struct segment_reader *r)
{
    if (r->packed)
        return;
    r->at = r->offset = r->next;
    r->held = 0;
    buf_reset(&r->in, SEGMENT_READ_KEEP);
    /* A truncated line may have been durable; what the next keeper writes in its place isn't yet.
     */
    if (r->synced > r->at)
        r->synced = r->at;
}

int segment_wait(struct segment_reader *r, int directory, struct slice *out)
{
    static const struct timespec PAUSE = {0, WAIT_MS * 1000000L};
    size_t had = rest(r).len;
    int got = 0;

    for (unsigned ms = 0; got == 0 && ms < STALLED_MS; ms += WAIT_MS) {
        if (ms >= STOPPED_MS && ms % STOPPED_MS == 0 &&
            (directory < 0 || !segments_are_written(directory)))
            break;
        (void)nanosleep(&PAUSE, NULL);
        got = find_line(r, had, out);
        if (got == 0 && out->len > had)
            ms = 0;
        had = out->len;
    }
    return got;
}

/* ---- the file ---- */

enum segment_trouble segment_check(const struct segment_reader *r, int directory)
{
    char name[SEGMENT_NAME];
    struct stat st;

    if (!r->packed && fstat(r->fd, &st) == 0 && (uint64_t)st.st_size < r->at)
        return SEGMENT_SHORTER;
    segment_file_name(name, r->first, r->packed);
    if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return SEGMENT_NO_NAME;
    return st.st_dev == r->device && st.st_ino == r->inode ? SEGMENT_SAME : SEGMENT_ANOTHER;
}

int segment_sync(struct segment_reader *r)
{
    uint64_t at = r->at;

    if (r->synced >= at)
        return 0;
    if (segment_fdatasync(r->fd) < 0)
        return -errno;
    r->synced = at;
    return 0;
}

void segment_distrust(const struct segment_reader *r)
{
    (void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_DONTNEED);
}
