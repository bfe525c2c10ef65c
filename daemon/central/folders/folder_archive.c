#include "central/folders/folder_archive.h"

#include "audit/segments.h"
#include "base/file.h"
#include "central/folders/folder_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct host {
    struct folder_log *log;
    struct archive_record record; /* the one that is due, when `has` */
    bool has, end;
    uint64_t
        left_at; /* of a log's first host: it stands at the record of that seq; 0: it doesn't */
};

struct folder_archive {
    struct archive archive;
    const char *path;
    struct host *hosts; /* by identity, then by name: those of a log stand together */
    size_t n, room;
    struct err *err;
    char copy[];
};

static struct folder_archive *of(struct archive *archive)
{
    return (struct folder_archive *)archive;
}

static int add(struct folder_archive *c, const char *path, const char *name)
{
    struct folder_log *log = NULL;
    int r;

    if (c->n == c->room) {
        size_t room = c->room ? 2 * c->room : 16;
        struct host *grown = reallocarray(c->hosts, room, sizeof(*grown));

        if (!grown)
            return err_set(c->err, -ENOMEM, "out of memory");
        c->hosts = grown;
        c->room = room;
    }
    r = folder_log_open(&log, path, name, c->err);
    if (r == 0)
        c->hosts[c->n++] = (struct host){.log = log};
    return r;
}

/* A sub-folder without a segment is none of a host. */
static int add_host(void *arg, const char *name)
{
    struct folder_archive *c = arg;
    char *path = NULL;
    struct stat st;
    int r = 0;

    if (name[0] == '.')
        return 0;
    if (asprintf(&path, "%s/%s", c->path, name) < 0)
        return err_set(c->err, -ENOMEM, "out of memory");
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        r = add(c, path, name);
    free(path);
    return r == -ENOENT ? 0 : r;
}

static int compare_keys(const struct seal_key *a, const struct seal_key *b)
{
    return memcmp(a->bytes, b->bytes, SEAL_KEY);
}

static int by_log(const void *a, const void *b)
{
    const struct host *x = a, *y = b;
    int r = compare_keys(folder_log_identity(x->log), folder_log_identity(y->log));

    return r ? r : strcmp(folder_log_host(x->log), folder_log_host(y->log));
}

/* The path is one audit folder itself; its name stands for the host's. -ENOENT: it is none. */
static int add_itself(struct folder_archive *c)
{
    const char *slash = strrchr(c->path, '/');

    return add(c, c->path, slash && slash[1] ? slash + 1 : c->path);
}

static int add_all(struct folder_archive *c)
{
    int fd = open(c->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    if (fd < 0)
        return err_set(c->err, -errno, "%s: %s", c->path, strerror(errno));
    r = add_itself(c);
    if (r == -ENOENT) {
        r = folder_each(fd, add_host, c);
        if (r < 0 && c->err->text[0] == '\0')
            (void)err_set(c->err, r, "%s: %s", c->path, strerror(-r));
    }
    (void)close(fd);
    if (r == 0 && c->n)
        qsort(c->hosts, c->n, sizeof(*c->hosts), by_log);
    return r;
}

static void folder_close(struct archive *archive)
{
    struct folder_archive *c = of(archive);

    for (size_t i = 0; i < c->n; i++)
        folder_log_free(c->hosts[i].log);
    free(c->hosts);
    free(c);
}

/* What stands behind the scheme: PATH, or an absolute one behind `//` (RFC 8089). NULL: neither. */
static const char *path_of(const char *url)
{
    const char *path = strchr(url, ':');

    if (!path)
        return NULL;
    path++;
    if (strncmp(path, "//", 2) == 0)
        path += path[2] == '/' ? 2 : strlen(path);
    return path[0] ? path : NULL;
}

static int folder_open(struct archive **out, const char *url, struct err *err)
{
    const char *path = path_of(url);
    size_t n = path ? strlen(path) : 0;
    struct folder_archive *c;
    int r;

    if (!path)
        return err_set(err, -EINVAL, "dir: must be dir:PATH or dir:///PATH");
    c = calloc(1, sizeof(*c) + n + 1);
    if (!c)
        return err_set(err, -ENOMEM, "out of memory");
    *c = (struct folder_archive){.archive.kind = &FOLDER_ARCHIVE, .err = err};
    while (n > 1 && path[n - 1] == '/')
        n--;
    memcpy(c->copy, path, n);
    c->path = c->copy;
    err->text[0] = '\0';
    r = add_all(c);
    c->err = NULL;
    if (r < 0)
        folder_close(&c->archive);
    else
        *out = &c->archive;
    return r;
}

/* The end of the hosts with the log of the one at i. */
static size_t run_end(const struct folder_archive *c, size_t i)
{
    size_t end = i + 1;

    while (end < c->n && compare_keys(folder_log_identity(c->hosts[i].log),
                                      folder_log_identity(c->hosts[end].log)) == 0)
        end++;
    return end;
}

static int folder_logs(struct archive *archive,
                       int (*each)(void *arg, const struct archive_log *log), void *arg,
                       struct err *err)
{
    struct folder_archive *c = of(archive);
    int r = 0;

    (void)err;
    for (size_t i = 0; r == 0 && i < c->n; i = run_end(c, i)) {
        struct archive_log log = {.log = *folder_log_identity(c->hosts[i].log),
                                  .host = folder_log_host(c->hosts[i].log),
                                  .records = UINT64_MAX,
                                  .first = UINT64_MAX,
                                  .last = UINT64_MAX};

        for (size_t k = i; k < run_end(c, i); k++)
            if (folder_log_first(c->hosts[k].log) < log.first)
                log.first = folder_log_first(c->hosts[k].log);
        r = each(arg, &log);
    }
    return r;
}

/* Reads what is due of a host, unless it is at hand or at its end. */
static int fill(struct host *h, struct err *err)
{
    int r = h->has || h->end ? 0 : folder_log_next(h->log, &h->record, err);

    if (r == 1)
        h->has = true;
    else if (r == 0 && !h->has)
        h->end = true;
    return r < 0 ? r : 0;
}

static int compare_places(const struct archive_record *a, const struct archive_record *b)
{
    if (a->seq != b->seq)
        return a->seq < b->seq ? -1 : 1;
    return a->epoch < b->epoch ? -1 : a->epoch > b->epoch;
}

/* The one with the lowest place, and NULL at the end of all. */
static struct host *lowest(struct host *hosts, size_t n, int *r, struct err *err)
{
    struct host *least = NULL;

    for (size_t i = 0; i < n; i++) {
        *r = fill(&hosts[i], err);
        if (*r < 0)
            return NULL;
        if (hosts[i].has && (!least || compare_places(&hosts[i].record, &least->record) < 0))
            least = &hosts[i];
    }
    return least;
}

/* The same record in another folder is the same one. */
static void drop_copies(struct host *hosts, size_t n, const struct host *of_this)
{
    for (size_t i = 0; i < n; i++)
        if (&hosts[i] != of_this && hosts[i].has &&
            compare_places(&hosts[i].record, &of_this->record) == 0 &&
            slice_eq(hosts[i].record.line, of_this->record.line))
            hosts[i].has = false;
}

/* Where the last reading of this log ended, it goes on. */
static void seek(struct host *hosts, size_t n, uint64_t first)
{
    bool there = n && hosts->left_at && hosts->left_at == first;

    for (size_t i = 0; i < n && !there; i++) {
        folder_log_seek(hosts[i].log, first);
        hosts[i].has = hosts[i].end = false;
    }
    if (n)
        hosts->left_at = 0;
}

static struct host *hosts_of(struct folder_archive *c, const struct seal_key *log, size_t *n)
{
    size_t i = 0;

    while (i < c->n && compare_keys(folder_log_identity(c->hosts[i].log), log) != 0)
        i++;
    *n = i < c->n ? run_end(c, i) - i : 0;
    return c->hosts + i;
}

static int folder_records(struct archive *archive, const struct seal_key *log, uint64_t first,
                          int (*each)(void *arg, const struct archive_record *record), void *arg,
                          struct err *err)
{
    struct host *h, *hosts;
    size_t n;
    int r = 0;

    hosts = hosts_of(of(archive), log, &n);
    seek(hosts, n, first);
    while ((h = lowest(hosts, n, &r, err))) {
        drop_copies(hosts, n, h);
        r = each(arg, &h->record);
        if (r < 0) {
            hosts->left_at = h->record.seq;
            break;
        }
        h->has = false;
    }
    return r;
}

static int folder_alarms(struct archive *archive,
                         int (*each)(void *arg, const struct archive_alarm *alarm), void *arg,
                         struct err *err)
{
    (void)archive;
    (void)each;
    (void)arg;
    (void)err;
    return 0;
}

static int folder_retired(struct archive *archive, const struct seal_key *log,
                          int (*each)(void *arg, struct slice line), void *arg, struct err *err)
{
    size_t n;
    struct host *hosts = hosts_of(of(archive), log, &n);

    return n ? folder_log_retired(hosts[0].log, each, arg, err) : 0;
}

static const char *const SCHEMES[] = {"dir", "file", NULL};

const struct archive_kind FOLDER_ARCHIVE = {
    .schemes = SCHEMES,
    .open = folder_open,
    .close = folder_close,
    .logs = folder_logs,
    .records = folder_records,
    .alarms = folder_alarms,
    .retired = folder_retired,
};
