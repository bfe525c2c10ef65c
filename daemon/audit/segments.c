#include "audit/segments.h"

#include "audit/compress.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char PACKED[] = ".zst";

void segment_name(char out[SEGMENT_NAME], uint64_t first)
{
    segment_file_name(out, first, false);
}

void segment_file_name(char out[SEGMENT_NAME], uint64_t first, bool packed)
{
    (void)snprintf(out, SEGMENT_NAME, "audit-%" PRIu64 ".jsonl%s", first, packed ? PACKED : "");
}

static int kind_of(const struct stat *st)
{
    return S_ISREG(st->st_mode)   ? 0
           : S_ISLNK(st->st_mode) ? -ELOOP
           : S_ISDIR(st->st_mode) ? -EISDIR
                                  : -EINVAL;
}

/* Looks before it opens, since opening a device may do something; and again at what was opened. */
int segment_open_path(int directory, const char *path)
{
    struct stat st;
    int fd, kind;

    if (fstatat(directory, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    kind = kind_of(&st);
    if (kind < 0)
        return kind;
    fd = openat(directory, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    kind = fstat(fd, &st) < 0 ? -errno : kind_of(&st);
    if (kind < 0)
        (void)close(fd);
    return kind < 0 ? kind : fd;
}

int segment_open(int directory, uint64_t first, bool packed)
{
    char name[SEGMENT_NAME];

    segment_file_name(name, first, packed);
    return segment_open_path(directory, name);
}

bool segment_is_no_file(int error)
{
    return error == -ELOOP || error == -EISDIR || error == -EINVAL;
}

const char *segment_strerror(int error)
{
    switch (error) {
    case -ELOOP:
        return "a symbolic link stands in the place of the file";
    case -EISDIR:
        return "a directory stands in the place of the file";
    case -EINVAL:
        return "a FIFO, a socket or a device stands in the place of the file";
    default:
        return strerror(-error);
    }
}

uint64_t segment_size(int directory, uint64_t first, bool packed)
{
    char name[SEGMENT_NAME];
    struct stat st;

    segment_file_name(name, first, packed);
    return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

bool segment_packed(const char *name)
{
    size_t n = strlen(name), tail = sizeof(PACKED) - 1;

    return n > tail && strcmp(name + n - tail, PACKED) == 0;
}

uint64_t segment_first(const char *name)
{
    char again[SEGMENT_NAME];
    uint64_t first = 0;

    /* NOLINTNEXTLINE(cert-err34-c): what doesn't give the same name again is refused */
    if (sscanf(name, "audit-%20" SCNu64 ".jsonl", &first) != 1)
        return 0;
    segment_file_name(again, first, segment_packed(name));
    return strcmp(name, again) == 0 ? first : 0;
}

struct found {
    uint64_t first;
    bool packed;
};

struct founds {
    struct found *list;
    size_t n, room;
};

static int ascending(const void *a, const void *b)
{
    const struct found *x = a, *y = b;

    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->packed - y->packed;
}

static int add(void *arg, const char *name)
{
    struct founds *f = arg;
    uint64_t first = segment_first(name);

    if (first == 0)
        return 0;
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        struct found *grown = reallocarray(f->list, room, sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        f->list = grown;
        f->room = room;
    }
    f->list[f->n++] = (struct found){first, segment_packed(name)};
    return 0;
}

/* Of one that is there in both forms the compressed one may be unfinished. */
static int settle(struct segments *out, struct founds *f)
{
    if (f->n == 0)
        return 0;
    out->first = calloc(f->n, sizeof(*out->first));
    out->packed = calloc(f->n, sizeof(*out->packed));
    if (!out->first || !out->packed)
        return -ENOMEM;
    qsort(f->list, f->n, sizeof(*f->list), ascending);
    for (size_t i = 0; i < f->n; i++) {
        if (out->n && out->first[out->n - 1] == f->list[i].first)
            continue;
        out->first[out->n] = f->list[i].first;
        out->packed[out->n++] = f->list[i].packed;
    }
    return 0;
}

int segments_list(struct segments *out, int directory)
{
    struct founds founds = {0};
    int r = folder_each(directory, add, &founds);

    *out = (struct segments){0};
    if (r == 0)
        r = settle(out, &founds);
    free(founds.list);
    if (r < 0)
        segments_deinit(out);
    return r;
}

void segments_deinit(struct segments *s)
{
    free(s->first);
    free(s->packed);
    *s = (struct segments){0};
}

/* A line of /proc/locks (proc(5)): `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234567 0 EOF`. The device
 * is not compared: some file systems give another one there. */
static bool is_lock_of(const char *line, ino_t inode)
{
    const char *behind = strstr(line, "FLOCK ");
    unsigned long long number;

    return behind && strstr(behind, "WRITE") &&
           /* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
           sscanf(behind, "FLOCK %*s %*s %*d %*x:%*x:%llu", &number) == 1 && number == inode;
}

bool segments_are_written(int directory)
{
    FILE *locks = fopen("/proc/locks", "re");
    bool found = false;
    struct stat st;
    char line[256];

    if (locks && fstatat(directory, ".lock", &st, AT_SYMLINK_NOFOLLOW) == 0)
        while (!found && fgets(line, sizeof(line), locks))
            found = is_lock_of(line, st.st_ino);
    if (locks)
        (void)fclose(locks);
    return found;
}

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
    if (fstat(fd, &st) < 0) {
        failed = -errno;
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
    segment_reader_close(r);
    return use(r, segment_open_path(AT_FDCWD, path), 0, segment_packed(path));
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
    r->crossed = r->crossed || (r->ended && buf_len(&r->in) > r->held);
    n = r->packed ? read_packed(r) : read_plain(r);
    r->ended = !r->packed && n < SEGMENT_READ;
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

/*
 * The line was read in pieces, and between them the file had an end within it. The first piece may
 * have been what a crash left, which was cut off and written over meanwhile: so it is read once
 * more.
 */
static void reread(struct segment_reader *r)
{
    r->crossed = r->ended = false;
    r->at = r->offset;
    r->in.tail = r->in.head + r->held;
    r->synced = r->synced < r->at ? r->synced : r->at;
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
        if (newline && r->crossed) {
            reread(r);
            searched = 0;
            continue;
        }
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
    r->crossed = r->crossed && r->next == r->offset;
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
    r->crossed = r->ended = false;
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
