#include "keeper/audit/receipts.h"

#include "audit/line.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file that was changed within the last clock tick may change again and keep its time. */
#define FRESH_US UINT64_C(2000000)

static const char SUFFIX[] = ".receipt";

/* ---- which ---- */

/* NAME of FOLDER/NAME.receipt; empty when the path has another shape. */
static struct slice name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct slice name = slice_str(slash ? slash + 1 : path);
    size_t tail = sizeof(SUFFIX) - 1;

    if (name.len <= tail || memcmp(name.data + name.len - tail, SUFFIX, tail) != 0)
        return SLICE_NULL;
    name.len -= tail;
    return receipt_name(name) ? name : SLICE_NULL;
}

const char *receipts_paths_add(struct receipts_paths *paths, const char *path)
{
    struct slice name = name_of(path);

    if (name.len == 0)
        return "must be the path of a file NAME.receipt, as cention-shipd writes it";
    if (paths->n == RECEIPTS_MAX)
        return "has more than 8 files";
    for (unsigned i = 0; i < paths->n; i++)
        if (slice_eq(name_of(paths->list[i]), name))
            return "has two files of the same name";
    paths->list[paths->n] = strdup(path);
    if (!paths->list[paths->n])
        return "out of memory";
    paths->n++;
    return NULL;
}

bool receipts_paths_same(const struct receipts_paths *x, const struct receipts_paths *y)
{
    if (x->n != y->n)
        return false;
    for (unsigned i = 0; i < x->n; i++)
        if (strcmp(x->list[i], y->list[i]) != 0)
            return false;
    return true;
}

void receipts_paths_deinit(struct receipts_paths *paths)
{
    for (unsigned i = 0; i < paths->n; i++)
        free(paths->list[i]);
    *paths = (struct receipts_paths){0};
}

void receipts_init(struct receipts *r, const struct receipts_paths *paths)
{
    *r = (struct receipts){0};
    for (unsigned i = 0; paths && i < paths->n; i++) {
        struct receipts_one *one = &r->list[r->n++];
        struct slice name = name_of(paths->list[i]);

        one->path = paths->list[i];
        if (name.len)
            memcpy(one->name, name.data, name.len);
    }
}

/* ---- reading ---- */

static const char CUT_OFF[] =
    "it is of records that this log doesn't have: the log was cut off, or another copy of it went "
    "on";
static const char REWRITTEN[] =
    "it is of another last record than this log's: the log was rewritten, or another copy of it "
    "went on";

static const char *judge(const struct receipt *r, const struct receipts_log *log)
{
    if (memcmp(&r->log, &log->identity, sizeof(r->log)) != 0)
        return "it is of another log";
    if (r->seq > log->seq)
        return CUT_OFF;
    if (r->seq == log->seq && memcmp(&r->hash, &log->hash, sizeof(r->hash)) != 0)
        return REWRITTEN;
    return NULL;
}

static bool same_receipt(const struct receipt *x, const struct receipt *y)
{
    return memcmp(&x->log, &y->log, sizeof(x->log)) == 0 && x->epoch == y->epoch &&
           x->seq == y->seq && memcmp(&x->hash, &y->hash, sizeof(x->hash)) == 0;
}

/* The descriptor's file, of which *st is filled. */
static const char *read_open(int fd, struct receipt *out, struct stat *st)
{
    char text[RECEIPT_MAX + 1];
    ssize_t n;

    if (fstat(fd, st) < 0)
        return strerror(errno);
    if (!S_ISREG(st->st_mode))
        return "it is no regular file";
    do
        n = read(fd, text, sizeof(text));
    while (n < 0 && errno == EINTR);
    return n < 0 ? strerror(errno) : receipt_read(slice_of(text, (size_t)n), out);
}

/* *st is zeroed when there is nothing to read. */
static const char *read_file(const char *path, struct receipt *out, struct stat *st)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    const char *why;

    *st = (struct stat){0};
    if (fd < 0 && errno == EACCES)
        return "it can't be read (permissions; or its folder was made after the keeper's start, "
               "which needs a restart)";
    if (fd < 0)
        return errno == ELOOP ? "it is a symbolic link" : strerror(errno);
    why = read_open(fd, out, st);
    (void)close(fd);
    return why;
}

static uint64_t time_us(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_nsec / 1000u;
}

static bool same_time(const struct timespec *x, const struct timespec *y)
{
    return x->tv_sec == y->tv_sec && x->tv_nsec == y->tv_nsec;
}

static bool changed(const struct receipts_one *one)
{
    struct stat st;

    if (one->fresh || fstatat(AT_FDCWD, one->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return true;
    return st.st_dev != one->was.st_dev || st.st_ino != one->was.st_ino ||
           st.st_size != one->was.st_size || st.st_mode != one->was.st_mode ||
           !same_time(&st.st_mtim, &one->was.st_mtim) || !same_time(&st.st_ctim, &one->was.st_ctim);
}

static void say(struct receipts_one *one, const char *why)
{
    if (strcmp(one->why, why) == 0)
        return;
    (void)snprintf(one->why, sizeof(one->why), "%s", why);
    if (why == CUT_OFF || why == REWRITTEN)
        log_error("audit_alarm", "receipt=%s path=%s why=\"%s\"", one->name, one->path, one->why);
    else if (one->why[0])
        log_warning("audit_receipt", "receipt=%s path=%s covers=nothing why=\"%s\"", one->name,
                    one->path, one->why);
    else
        log_info("audit_receipt", "receipt=%s path=%s covers=%" PRIu64, one->name, one->path,
                 one->seq);
}

/* A receipt that was found bad stays bad: a log that was cut off may grow to the same number again.
 */
static void look(struct receipts_one *one, const struct receipts_log *log, uint64_t now_us)
{
    struct receipt receipt = {0};
    const char *why;

    if (!changed(one))
        return;
    why = read_file(one->path, &receipt, &one->was);
    one->fresh = one->was.st_ino && time_us(&one->was.st_ctim) + FRESH_US > now_us;
    if (!why && one->bad_why && same_receipt(&receipt, &one->bad)) {
        why = one->bad_why;
    } else if (!why && (why = judge(&receipt, log))) {
        one->bad = receipt;
        one->bad_why = why;
    }
    one->seq = why ? 0 : receipt.seq;
    one->time_us = why ? 0 : line_time(&(struct line){.time = {receipt.time, SEAL_TIME}});
    say(one, why ? why : "");
}

void receipts_look(struct receipts *r, const struct receipts_log *log, uint64_t now_us)
{
    for (unsigned i = 0; i < r->n; i++)
        look(&r->list[i], log, now_us);
}

/* ---- what they cover ---- */

const struct receipts_one *receipts_last(const struct receipts *r)
{
    const struct receipts_one *last = NULL;

    for (unsigned i = 0; i < r->n; i++)
        if (!last || r->list[i].seq < last->seq)
            last = &r->list[i];
    return last;
}

uint64_t receipts_covered(const struct receipts *r)
{
    const struct receipts_one *last = receipts_last(r);

    return last ? last->seq : UINT64_MAX;
}
