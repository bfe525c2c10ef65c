#include "trail/segments.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void segment_name(char out[SEGMENT_NAME], uint64_t first)
{
    (void)snprintf(out, SEGMENT_NAME, "audit-%" PRIu64 ".jsonl", first);
}

uint64_t segment_first(const char *name)
{
    char again[SEGMENT_NAME];
    uint64_t first = 0;

    if (sscanf(name, "audit-%20" SCNu64 ".jsonl", &first) != 1)
        return 0;
    segment_name(again, first);
    return strcmp(name, again) == 0 ? first : 0;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int add(struct segments *s, uint64_t first)
{
    uint64_t *grown = reallocarray(s->first, s->n + 1, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    s->first = grown;
    s->first[s->n++] = first;
    return 0;
}

int segments_list(struct segments *out, int directory)
{
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    *out = (struct segments){0};
    if (!dir) {
        r = -errno;
        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    while (r == 0 && (entry = readdir(dir))) {
        uint64_t first = segment_first(entry->d_name);

        if (first)
            r = add(out, first);
    }
    (void)closedir(dir);
    if (r < 0)
        segments_deinit(out);
    else if (out->n)
        qsort(out->first, out->n, sizeof(*out->first), ascending);
    return r;
}

void segments_deinit(struct segments *s)
{
    free(s->first);
    *s = (struct segments){0};
}

void segment_reader_init(struct segment_reader *r, int fd)
{
    *r = (struct segment_reader){.fd = fd, .in = BUF_INIT(SEGMENT_LINE + SEGMENT_READ)};
}

void segment_reader_deinit(struct segment_reader *r)
{
    buf_deinit(&r->in);
}

/* Reads one block more. 0 or a negative errno. */
static int more(struct segment_reader *r)
{
    int reserved = buf_reserve(&r->in, SEGMENT_READ);
    ssize_t n;

    if (reserved < 0)
        return reserved;
    do
        n = pread(r->fd, buf_space(&r->in), SEGMENT_READ, (off_t)r->at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    r->end = n == 0;
    r->at += (uint64_t)n;
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
