#include "audit/segments.h"

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

/* A line of /proc/locks (proc(5)): `1: FLOCK  ADVISORY  WRITE 4711 08:01:1234567 0 EOF`. The device
 * is not compared: some file systems give another one there. */
static bool is_lock_of(const char *line, ino_t inode)
{
    const char *behind = strstr(line, "FLOCK ");
    unsigned long long number;

    return behind && strstr(behind, "WRITE") &&
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
