#include "ctl/audit/audit_log.h"

#include "audit/segments.h"
#include "base/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char PROOF[] = "audit-retired.jsonl";

enum {
    TAIL_WAITS = 10, /* for the rest of a line that is being written */
    TAIL_WAIT_MS = 50,
    PROGRESS_LINES = 4096, /* between two calls */
};

static int add(struct audit_log *log, char *path)
{
    char **grown = path ? reallocarray(log->paths, log->n + 1, sizeof(*grown)) : NULL;
    struct stat st;

    if (!grown) {
        free(path);
        return -ENOMEM;
    }
    log->paths = grown;
    log->paths[log->n++] = path;
    if (stat(path, &st) == 0)
        log->bytes += (uint64_t)st.st_size;
    return 0;
}

static int add_directory(struct audit_log *log, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
    struct segments segments = {0};

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    r = segments_list(&segments, fd);
    for (size_t i = 0; r == 0 && i < segments.n; i++) {
        char name[SEGMENT_NAME], *full = NULL;

        segment_file_name(name, segments.first[i], segments.packed[i]);
        r = add(log, asprintf(&full, "%s/%s", path, name) < 0 ? NULL : full);
    }
    segments_deinit(&segments);
    log->whole = true;
    if (r == 0 && faccessat(fd, PROOF, F_OK, 0) == 0 &&
        asprintf(&log->proof, "%s/%s", path, PROOF) < 0) {
        log->proof = NULL;
        r = -ENOMEM;
    }
    (void)close(fd);
    if (r < 0)
        return err_set(err, r, "%s: %s", path, strerror(-r));
    return log->n ? 0 : err_set(err, -ENOENT, "%s: there is no audit segment", path);
}

static uint64_t number_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return segment_first(slash ? slash + 1 : path);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = number_of(*(char *const *)a), y = number_of(*(char *const *)b);

    return (x > y) - (x < y);
}

static int add_files(struct audit_log *log, char **paths, int n, struct err *err)
{
    for (int i = 0; i < n; i++) {
        struct stat st;

        if (stat(paths[i], &st) < 0)
            return err_set(err, -errno, "%s: %s", paths[i], strerror(errno));
        if (!S_ISREG(st.st_mode))
            return err_set(err, -EINVAL, "%s: give one directory, or segment files", paths[i]);
        if (n > 1 && number_of(paths[i]) == 0)
            return err_set(err, -EINVAL, "%s: not named as a segment (audit-N.jsonl, perhaps .zst)",
                           paths[i]);
        if (add(log, strdup(paths[i])) < 0)
            return err_set(err, -ENOMEM, "out of memory");
    }
    qsort(log->paths, log->n, sizeof(*log->paths), by_number);
    return 0;
}

int audit_log_directory(char **out, const char *conf, struct err *err)
{
    struct settings *file = NULL;
    struct settings_node audit;
    const char *directory = NULL;
    int r = settings_open(&file, conf, err);

    if (r < 0)
        return r;
    r = settings_group(settings_root(file), "audit", &audit, err);
    if (r == 0 && audit.node)
        r = settings_string(audit, "directory", &directory, err);
    if (r == 0 && !directory)
        r = settings_fail(settings_root(file), "audit", err, "names no directory");
    if (r == 0 && !(*out = strdup(directory)))
        r = err_set(err, -ENOMEM, "out of memory");
    settings_free(file);
    return r;
}

static int add_configured(struct audit_log *log, const char *conf, struct err *err)
{
    char *directory = NULL;
    int r = audit_log_directory(&directory, conf, err);

    if (r == 0)
        r = add_directory(log, directory, err);
    free(directory);
    return r;
}

int audit_log_open(struct audit_log *log, char **arguments, int n, const char *conf,
                   struct err *err)
{
    struct stat st;
    int r;

    *log = (struct audit_log){0};
    if (n == 0)
        r = add_configured(log, conf, err);
    else if (n == 1 && stat(arguments[0], &st) == 0 && S_ISDIR(st.st_mode))
        r = add_directory(log, arguments[0], err);
    else
        r = add_files(log, arguments, n, err);
    if (r < 0)
        audit_log_deinit(log);
    return r;
}

void audit_log_deinit(struct audit_log *log)
{
    for (size_t i = 0; i < log->n; i++)
        free(log->paths[i]);
    free(log->paths);
    free(log->proof);
    *log = (struct audit_log){0};
}

struct scan {
    struct verify *v;
    audit_log_progress *progress;
    void *arg;
    uint64_t before, all; /* bytes */
    struct err *err;
};

static int broken(struct scan *s, const char *path, const struct segment_reader *r, const char *why)
{
    return err_set(s->err, -EBADMSG, "%s: line %" PRIu64 ", byte offset %" PRIu64 ": broken: %s",
                   path, r->line, r->offset, why);
}

/* Fills err with what went wrong, if anything did, and returns it. */
static int told(struct scan *s, const char *path, const struct segment_reader *r, const char *why,
                int got)
{
    if (why == VERIFY_NO_MEMORY)
        return err_set(s->err, -ENOMEM, "%s: %s", path, why);
    if (why)
        return broken(s, path, r, why);
    if (got == -EBADMSG)
        return broken(s, path, r, "the compressed file is damaged, or cut off");
    if (got == -ENOBUFS)
        return broken(s, path, r, "a line is longer than any record");
    return got < 0 ? err_set(s->err, got, "%s: %s", path, strerror(-got)) : got;
}

/* The next line; in the newest segment, a part of one may be the keeper's write under way. */
static int next(struct segment_reader *r, struct slice *line, bool newest)
{
    static const struct timespec WAIT = {0, TAIL_WAIT_MS * 1000000L};
    int got = segment_read(r, line);

    for (unsigned i = 0; newest && got == 0 && line->len && i < TAIL_WAITS; i++) {
        (void)nanosleep(&WAIT, NULL);
        r->end = false;
        r->line--;
        got = segment_read(r, line);
    }
    return got;
}

static int scan_segment(struct scan *s, const char *path, bool newest)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), got;
    struct segment_reader reader;
    struct slice line = SLICE_NULL;
    const char *why = NULL;

    if (fd < 0)
        return err_set(s->err, -errno, "%s: %s", path, strerror(errno));
    segment_reader_init(&reader, fd);
    reader.packed = segment_packed(path);
    verify_segment(s->v);
    while ((got = next(&reader, &line, newest)) == 1) {
        why = verify_line(s->v, line);
        if (why)
            break;
        if (s->progress && reader.line % PROGRESS_LINES == 0)
            s->progress(s->arg, s->before + reader.at, s->all);
    }
    if (!why && got == 0 && line.len)
        why =
            "the last record has no end: a crash tore it (the keeper's next start sets it aside), "
            "or it was cut";
    if (!why && got == 0 && reader.offset == 0)
        why = "the segment is empty";
    got = told(s, path, &reader, why, got);
    s->before += reader.at;
    segment_reader_deinit(&reader);
    (void)close(fd);
    return got;
}

/* What stays of the segments that were retired before the first one that is left. */
static int scan_proof(struct scan *s, const char *path, uint64_t before)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), got = 0;
    struct segment_reader reader;
    struct slice line = SLICE_NULL;
    const char *why = NULL;

    if (fd < 0)
        return err_set(s->err, -errno, "%s: %s", path, strerror(errno));
    segment_reader_init(&reader, fd);
    while (!why && (got = segment_read(&reader, &line)) == 1)
        why = verify_retired(s->v, line, before);
    got = told(s, path, &reader, why, got);
    segment_reader_deinit(&reader);
    (void)close(fd);
    return got;
}

int audit_log_verify(const struct audit_log *log, size_t from, struct verify *v,
                     audit_log_progress *progress, void *arg, struct err *err)
{
    struct scan s = {.v = v, .progress = progress, .arg = arg, .all = log->bytes, .err = err};
    const char *why;
    uint64_t first = number_of(log->paths[from]);
    int r = 0;

    v->whole = log->whole && from == 0;
    if (v->whole && log->proof && first > 1)
        r = scan_proof(&s, log->proof, first);
    for (size_t i = from; r == 0 && i < log->n; i++)
        r = scan_segment(&s, log->paths[i], i + 1 == log->n);
    if (r < 0)
        return r;
    why = verify_end(v);
    return why ? err_set(err, -EBADMSG, "%s: broken: %s", log->paths[log->n - 1], why) : 0;
}
