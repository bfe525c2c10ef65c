#include "keeper/audit/truncated_tail.h"

#include "audit/segments.h"
#include "base/folder.h"
#include "keeper/audit/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PENDING[] = ".pending";
static const char TORN[] = ".torn";

static bool ends_with(const char *name, size_t n, const char *tail)
{
    size_t t = strlen(tail);

    return n > t && memcmp(name + n - t, tail, t) == 0;
}

/* A name that neither a settled nor a pending file has; the descriptor of the pending one. */
static int make(int directory, const char *segment)
{
    char name[TORN_NAME], pending[TORN_NAME + sizeof(PENDING)];

    for (unsigned i = 1; i < 10000; i++) {
        int fd;

        if (i == 1)
            (void)snprintf(name, sizeof(name), "%s%s", segment, TORN);
        else
            (void)snprintf(name, sizeof(name), "%s.%u%s", segment, i, TORN);
        (void)snprintf(pending, sizeof(pending), "%s%s", name, PENDING);
        if (faccessat(directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            continue;
        fd = openat(directory, pending,
                    O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
        if (fd >= 0 || errno != EEXIST)
            return fd < 0 ? -errno : fd;
    }
    return -EEXIST;
}

/* A crash before the cut leaves the torn end in both: it is moved, and recorded, once more. */
int torn_set_aside(int directory, const char *segment, int fd, uint64_t good, uint64_t n)
{
    int to = make(directory, segment), r;

    if (to < 0)
        return to;
    r = copy_bytes(to, fd, good, n, NULL);
    if (r == 0 &&
        (fsync(to) < 0 || fsync(directory) < 0 || ftruncate(fd, (off_t)good) < 0 || fsync(fd) < 0))
        r = -errno;
    (void)close(to);
    return r;
}

static bool is_pending(const char *name)
{
    size_t n = strlen(name);

    return n < TORN_NAME && ends_with(name, n, PENDING) &&
           ends_with(name, n - strlen(PENDING), TORN);
}

struct visit {
    int directory;
    int (*each)(void *arg, const struct torn *torn);
    void *arg;
};

static int read_one(struct torn *torn, int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    int sink = open("/dev/null", O_WRONLY | O_CLOEXEC), r = 0;
    const char *tail = strstr(name, ".jsonl");
    struct stat st;

    if (fd < 0 || sink < 0 || fstat(fd, &st) < 0)
        r = -errno;
    if (r == 0) {
        size_t n = tail ? (size_t)(tail - name) + strlen(".jsonl") : 0;

        (void)snprintf(torn->segment, sizeof(torn->segment), "%.*s", (int)n, name);
        (void)snprintf(torn->name, sizeof(torn->name), "%.*s",
                       (int)(strlen(name) - strlen(PENDING)), name);
        torn->bytes = (uint64_t)st.st_size;
        r = copy_bytes(sink, fd, 0, torn->bytes, &torn->sha256);
    }
    if (fd >= 0)
        (void)close(fd);
    if (sink >= 0)
        (void)close(sink);
    return r;
}

static int visit_one(void *arg, const char *name)
{
    const struct visit *v = arg;
    struct torn torn;
    int r = is_pending(name) ? read_one(&torn, v->directory, name) : 0;

    return r == 0 && is_pending(name) ? v->each(v->arg, &torn) : r;
}

int torn_each(int directory, int (*each)(void *arg, const struct torn *torn), void *arg)
{
    struct visit v = {directory, each, arg};

    return folder_each(directory, visit_one, &v);
}

struct settling {
    int directory;
    bool any;
};

static int settle_one(void *arg, const char *name)
{
    char settled[TORN_NAME];
    struct settling *s = arg;

    if (!is_pending(name))
        return 0;
    (void)snprintf(settled, sizeof(settled), "%.*s", (int)(strlen(name) - strlen(PENDING)), name);
    s->any = true;
    return renameat(s->directory, name, s->directory, settled) < 0 ? -errno : 0;
}

int torn_settle(int directory)
{
    struct settling s = {.directory = directory};
    int r = folder_each(directory, settle_one, &s);

    return r == 0 && s.any && fsync(directory) < 0 ? -errno : r;
}
