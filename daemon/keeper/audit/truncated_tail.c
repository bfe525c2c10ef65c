#include "keeper/audit/truncated_tail.h"

#include "audit/segments.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char PENDING[] = ".pending";
static const char TAIL_SUFFIX[] = ".torn";

static bool ends_with(const char *name, size_t n, const char *tail)
{
    size_t t = strlen(tail);

    return n > t && memcmp(name + n - t, tail, t) == 0;
}

/* A name that neither a settled nor a pending file has; the descriptor of the pending one. */
static int make(int directory, const char *segment)
{
    char name[TRUNCATED_TAIL_NAME], pending[TRUNCATED_TAIL_NAME + sizeof(PENDING)];

    for (unsigned i = 1; i < 10000; i++) {
        int fd;

        if (i == 1)
            (void)snprintf(name, sizeof(name), "%s%s", segment, TAIL_SUFFIX);
        else
            (void)snprintf(name, sizeof(name), "%s.%u%s", segment, i, TAIL_SUFFIX);
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

/* A crash before the cut leaves the truncated end in both: it is moved, and recorded, once more. */
int truncated_tail_set_aside(int directory, const char *segment, int fd, uint64_t good, uint64_t n)
{
    int to = make(directory, segment), r;

    if (to < 0)
        return to;
    r = file_copy_fd(to, fd, good, n);
    if (r == 0 &&
        (fsync(to) < 0 || fsync(directory) < 0 || ftruncate(fd, (off_t)good) < 0 || fsync(fd) < 0))
        r = -errno;
    (void)close(to);
    return r;
}

static bool is_pending(const char *name)
{
    size_t n = strlen(name);

    return n < TRUNCATED_TAIL_NAME && ends_with(name, n, PENDING) &&
           ends_with(name, n - strlen(PENDING), TAIL_SUFFIX);
}

struct visit {
    int directory;
    int (*each)(void *arg, const struct truncated_tail *tail);
    void *arg;
};

static int hash_file(int fd, struct chain_hash *sha256)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    char block[64 * 1024];
    ssize_t n = 0;

    while (good && (n = read(fd, block, sizeof(block))) > 0)
        good = EVP_DigestUpdate(ctx, block, (size_t)n);
    good = good && n == 0 && EVP_DigestFinal_ex(ctx, sha256->bytes, NULL);
    EVP_MD_CTX_free(ctx);
    return n < 0 ? -errno : good ? 0 : -ENOMEM;
}

static int read_one(struct truncated_tail *tail, int directory, const char *name)
{
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r;
    const char *suffix = strstr(name, ".jsonl");
    size_t n = suffix ? (size_t)(suffix - name) + strlen(".jsonl") : 0;
    struct stat st;

    if (fd < 0)
        return -errno;
    r = fstat(fd, &st) < 0 ? -errno : hash_file(fd, &tail->sha256);
    (void)snprintf(tail->segment, sizeof(tail->segment), "%.*s", (int)n, name);
    (void)snprintf(tail->name, sizeof(tail->name), "%.*s", (int)(strlen(name) - strlen(PENDING)),
                   name);
    tail->bytes = (uint64_t)st.st_size;
    (void)close(fd);
    return r;
}

static int visit_one(void *arg, const char *name)
{
    const struct visit *v = arg;
    struct truncated_tail tail;
    int r = is_pending(name) ? read_one(&tail, v->directory, name) : 0;

    return r == 0 && is_pending(name) ? v->each(v->arg, &tail) : r;
}

int truncated_tail_each(int directory, int (*each)(void *arg, const struct truncated_tail *tail),
                        void *arg)
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
    char settled[TRUNCATED_TAIL_NAME];
    struct settling *s = arg;

    if (!is_pending(name))
        return 0;
    (void)snprintf(settled, sizeof(settled), "%.*s", (int)(strlen(name) - strlen(PENDING)), name);
    s->any = true;
    return renameat(s->directory, name, s->directory, settled) < 0 ? -errno : 0;
}

int truncated_tail_settle(int directory)
{
    struct settling s = {.directory = directory};
    int r = folder_each(directory, settle_one, &s);

    return r == 0 && s.any && fsync(directory) < 0 ? -errno : r;
}
