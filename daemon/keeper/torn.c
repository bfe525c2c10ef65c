#include "keeper/torn.h"

#include "keeper/copy.h"
#include "trail/segments.h"

#include <dirent.h>
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

/* Calls with the name of each pending file. */
static int list(int directory, int (*each)(void *arg, int directory, const char *name), void *arg)
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
    while (r == 0 && (entry = readdir(dir))) {
        size_t n = strlen(entry->d_name);

        if (n < TORN_NAME && ends_with(entry->d_name, n, PENDING) &&
            ends_with(entry->d_name, n - strlen(PENDING), TORN))
            r = each(arg, directory, entry->d_name);
    }
    (void)closedir(dir);
    return r;
}

struct visit {
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

static int visit_one(void *arg, int directory, const char *name)
{
    const struct visit *v = arg;
    struct torn torn;
    int r = read_one(&torn, directory, name);

    return r == 0 ? v->each(v->arg, &torn) : r;
}

int torn_each(int directory, int (*each)(void *arg, const struct torn *torn), void *arg)
{
    struct visit v = {each, arg};

    return list(directory, visit_one, &v);
}

static int settle_one(void *arg, int directory, const char *name)
{
    char settled[TORN_NAME];
    bool *any = arg;

    (void)snprintf(settled, sizeof(settled), "%.*s", (int)(strlen(name) - strlen(PENDING)), name);
    *any = true;
    return renameat(directory, name, directory, settled) < 0 ? -errno : 0;
}

int torn_settle(int directory)
{
    bool any = false;
    int r = list(directory, settle_one, &any);

    return r == 0 && any && fsync(directory) < 0 ? -errno : r;
}
