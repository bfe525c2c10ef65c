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

int segment_open(int directory, uint64_t first, bool packed)
{
    char name[SEGMENT_NAME];
    int fd;

    segment_file_name(name, first, packed);
    fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
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

void segment_reader_init(struct segment_reader *r, int fd)
{
    *r = (struct segment_reader){.fd = fd, .in = BUF_INIT(SEGMENT_LINE + SEGMENT_READ)};
}

void segment_reader_deinit(struct segment_reader *r)
{
    buf_deinit(&r->in);
    decompressor_free(r->decompressor);
    r->decompressor = NULL;
}

static ssize_t more_packed(struct segment_reader *r)
{
    int made = r->decompressor ? 0 : decompressor_new(&r->decompressor);

    return made < 0
               ? made
               : decompressor_read(r->decompressor, r->fd, &r->at, buf_space(&r->in), SEGMENT_READ);
}

static ssize_t more_plain(struct segment_reader *r)
{
    ssize_t n;

    do
        n = pread(r->fd, buf_space(&r->in), SEGMENT_READ, (off_t)r->at);
    while (n < 0 && errno == EINTR);
    r->at += n > 0 ? (uint64_t)n : 0;
    return n < 0 ? -errno : n;
}

/* Reads one block more. 0 or a negative errno. */
static int more(struct segment_reader *r)
{
    int reserved = buf_reserve(&r->in, SEGMENT_READ);
    ssize_t n;

    if (reserved < 0)
        return reserved;
    n = r->packed ? more_packed(r) : more_plain(r);
    if (n < 0)
        return (int)n;
    r->end = n == 0;
    buf_commit(&r->in, (size_t)n);
    return 0;
}

int segment_read(struct segment_reader *r, struct slice *out)
{
    const char *newline = NULL;
    size_t searched = 0; /* bytes that hold no newline */
    int failed = 0;

    /* The line before is given up only now: the caller was looking at it. */
    buf_consume(&r->in, (size_t)(r->next - r->offset));
    r->offset = r->next;
    r->line++;
    while (failed == 0) {
        *out = buf_slice(&r->in);
        if (out->len > searched)
            newline = memchr(out->data + searched, '\n', out->len - searched);
        if (newline) {
            out->len = (size_t)(newline - out->data);
            r->next = r->offset + out->len + 1;
            return 1;
        }
        if (r->end)
            return 0;
        searched = out->len;
        failed = more(r);
    }
    return failed;
}
