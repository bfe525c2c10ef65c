#include "ctl/audit/audit_log.h"

#include "base/settings.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    PROGRESS_LINES = 4096,  /* between two calls */
    WAIT_BLIND_MS = 250,    /* between two looks without inotify */
    WAIT_WATCHED_MS = 2000, /* with it */
};

/* ---- which log is meant ---- */

static int add_folder(struct audit_log *log, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
    struct segments all = {0};
    size_t n;

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    r = segments_list(&all, fd);
    n = all.n;
    for (size_t i = 0; i < n; i++)
        log->bytes += segment_size(fd, all.first[i], all.packed[i]);
    segments_deinit(&all);
    (void)close(fd);
    if (r == 0 && n == 0)
        return err_set(err, -ENOENT, "%s: there is no audit segment", path);
    if (r == 0 && !(log->folder = strdup(path)))
        r = -ENOMEM;
    return r < 0 ? err_set(err, r, "%s: %s", path, strerror(-r)) : 0;
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

        if (lstat(paths[i], &st) < 0)
            return err_set(err, -errno, "%s: %s", paths[i], strerror(errno));
        if (S_ISLNK(st.st_mode))
            return err_set(err, -ELOOP, "%s: a symbolic link; name the file that it points to",
                           paths[i]);
        if (!S_ISREG(st.st_mode))
            return err_set(err, -EINVAL, "%s: give one directory, or segment files", paths[i]);
        if (n > 1 && number_of(paths[i]) == 0)
            return err_set(err, -EINVAL, "%s: not named as a segment (audit-N.jsonl, perhaps .zst)",
                           paths[i]);
        log->bytes += (uint64_t)st.st_size;
    }
    log->files = calloc((size_t)n, sizeof(*log->files));
    if (!log->files)
        return err_set(err, -ENOMEM, "out of memory");
    memcpy(log->files, paths, (size_t)n * sizeof(*log->files));
    log->n_files = (size_t)n;
    qsort(log->files, log->n_files, sizeof(*log->files), by_number);
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

int audit_log_open(struct audit_log *log, char **arguments, int n, const char *conf,
                   struct err *err)
{
    char *configured = NULL;
    struct stat st;
    int r = 0;

    *log = (struct audit_log){0};
    if (n == 0)
        r = audit_log_directory(&configured, conf, err);
    if (r == 0 && (configured || (n == 1 && stat(arguments[0], &st) == 0 && S_ISDIR(st.st_mode))))
        r = add_folder(log, configured ? configured : arguments[0], err);
    else if (r == 0)
        r = add_files(log, arguments, n, err);
    free(configured);
    if (r < 0)
        audit_log_deinit(log);
    return r;
}

void audit_log_deinit(struct audit_log *log)
{
    free(log->folder);
    free(log->files);
    *log = (struct audit_log){0};
}

/* The last `segments` segments, or with 0 all. */
static int open_reader(struct log_reader *reader, const struct audit_log *log, size_t segments,
                       struct err *err)
{
    size_t skip = segments && segments < log->n_files ? log->n_files - segments : 0;
    struct segments all;
    int r;

    *reader = LOG_READER_INIT;
    r = log->folder ? log_reader_open(reader, log->folder)
                    : log_reader_open_files(reader, log->files + skip, log->n_files - skip);
    if (r == 0 && log->folder && segments) {
        r = segments_list(&all, reader->directory);
        if (r == 0 && all.n >= segments)
            log_reader_seek(reader, all.first[all.n - segments]);
        if (r == 0)
            segments_deinit(&all);
    }
    return r < 0 ? err_set(err, r, "%s: %s", log->folder ? log->folder : log->files[0],
                           segment_strerror(r))
                 : 0;
}

/* ---- reading ---- */

static void report(struct audit_read *r, const char *why)
{
    const struct segment_reader *at = &r->reader.segment;
    char text[512];

    r->damaged = true;
    if (r->quiet)
        return;
    (void)snprintf(text, sizeof(text), "%s: line %" PRIu64 ", byte offset %" PRIu64 ": skipped: %s",
                   r->reader.path, at->line, at->offset, why);
    (void)fflush(stdout);
    (void)show_failure(text, 0);
}

static int read_record(struct audit_read *r, struct slice bytes)
{
    struct line line;
    const char *why = line_read(bytes, &line);
    int answer;

    if (why) {
        report(r, why);
        return 0;
    }
    answer = r->each(r->arg, &line, bytes);
    if (answer == AUDIT_READ_DAMAGED)
        report(r, "it is no JSON object");
    return answer < 0 ? answer : 0;
}

/* Reads all that is there now. */
static int catch_up(struct audit_read *r, struct err *err)
{
    struct slice bytes = SLICE_NULL;
    int got, failed = 0;

    while (failed == 0 && (got = log_reader_next(&r->reader, &bytes)) != LOG_END) {
        if (got == LOG_LINE)
            failed = read_record(r, bytes);
        else if (got == LOG_TRUNCATED)
            report(r, "a record without its end");
        else if (got == -ENOBUFS && r->reader.complete) {
            report(r, "a line is longer than any record, and with it the rest of this segment");
            log_reader_skip(&r->reader);
        } else if (segment_is_no_file(got)) {
            report(r, segment_strerror(got));
        } else if (got < 0) {
            return err_set(err, got, "%s: %s", r->reader.path ? r->reader.path : r->reader.folder,
                           strerror(-got));
        }
    }
    return failed;
}

int audit_read_log(struct audit_read *r, const struct audit_log *log, struct err *err)
{
    int failed = open_reader(&r->reader, log, 0, err);

    if (failed == 0)
        failed = catch_up(r, err);
    if (!r->follows)
        log_reader_close(&r->reader);
    return failed;
}

void audit_read_deinit(struct audit_read *r)
{
    if (r->follows)
        log_reader_close(&r->reader);
}

/* ---- following ---- */

static volatile sig_atomic_t ended;

static void end(int number)
{
    (void)number;
    ended = 1;
}

void audit_follow_signals(void)
{
    struct sigaction action = {.sa_handler = end, .sa_flags = SA_RESTART};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool audit_follow_ended(void)
{
    return ended;
}

static int watch(const char *folder)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (fd < 0 || inotify_add_watch(fd, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) >= 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* Empties the queue of events: that something changed is all that counts. */
static void drain(int inotify)
{
    char events[4096];

    while (read(inotify, events, sizeof(events)) > 0)
        ;
}

/* Until something changed. The signals come in here or before, not between a look and the sleep. */
static int sleep_on(struct pollfd *fds, nfds_t n, long ms)
{
    struct timespec most = {ms / 1000, ms % 1000 * 1000000};
    sigset_t held, before;
    int ready = 0;

    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &held, &before);
    if (!ended)
        ready = ppoll(fds, n, &most, &before);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return ready;
}

/* False when it is time to end. */
static bool wait_change(int inotify)
{
    struct pollfd fds[] = {{.fd = STDOUT_FILENO}, {.fd = inotify, .events = POLLIN}};
    int ready = sleep_on(fds, 2, inotify < 0 ? WAIT_BLIND_MS : WAIT_WATCHED_MS);

    if (ready > 0 && fds[0].revents)
        return false; /* the pipe's other end, or the terminal, is gone */
    if (ready > 0)
        drain(inotify);
    return !ended;
}

int audit_follow(struct audit_read *r, struct err *err)
{
    int inotify = watch(r->reader.folder), failed = 0;

    r->reader.follows = true;
    do {
        if (r->reader.segment.fd >= 0 && log_reader_shrank(&r->reader))
            failed = err_set(err, -EBADMSG, "%s: records that were read are no longer in it",
                             r->reader.path);
        else
            failed = catch_up(r, err);
        (void)fflush(stdout);
    } while (failed == 0 && !ferror(stdout) && wait_change(inotify));
    if (inotify >= 0)
        (void)close(inotify);
    return failed;
}

/* ---- verifying ---- */

struct scan {
    struct log_reader reader;
    struct verify *v;
    struct err *err;
    uint64_t before; /* bytes of the segments before this one */
    char *path;      /* of the present segment, while the reader enters the next */
    uint64_t at;     /* bytes of it that were read */
    uint64_t lines;  /* of it that were verified */
};

/* Fills err with what went wrong and returns it. */
static int fail(struct err *err, const char *path, const struct segment_reader *r, const char *why,
                int got)
{
    if (why == VERIFY_NO_MEMORY)
        return err_set(err, -ENOMEM, "%s: %s", path, why);
    if (!why && got == -EBADMSG)
        why = "the compressed file is damaged, or cut off";
    if (!why && got == -ENOBUFS)
        why = "a line is longer than any record";
    if (!why)
        return err_set(err, got, "%s: %s%s", path, segment_is_no_file(got) ? "broken: " : "",
                       segment_strerror(got));
    return err_set(err, -EBADMSG, "%s: line %" PRIu64 ", byte offset %" PRIu64 ": broken: %s", path,
                   r->line, r->offset, why);
}

/* What stays of the segments that were retired before the first one that is left. */
static int scan_retired(struct scan *s, const char *folder)
{
    struct segment_reader reader = SEGMENT_READER_INIT;
    struct slice line = SLICE_NULL;
    const char *why = NULL;
    char *path = NULL;
    int got;

    if (asprintf(&path, "%s/" SEGMENTS_RETIRED, folder) < 0)
        return err_set(s->err, -ENOMEM, "out of memory");
    got = segment_reader_open_file(&reader, path);
    while (got >= 0 && !why && (got = segment_read(&reader, &line)) == 1)
        why = verify_retired(s->v, line, s->reader.number);
    if (got == -ENOENT && !why)
        got = 0;
    else if (why || got < 0)
        got = fail(s->err, path, &reader, why, got);
    segment_reader_close(&reader);
    free(path);
    return got;
}

/* Leaves one segment for the next, or at the log's end. */
static int leave_segment(struct scan *s)
{
    static const struct segment_reader FIRST_LINE = {.line = 1};

    if (s->path && s->lines == 0)
        return fail(s->err, s->path, &FIRST_LINE, "the segment is empty", 0);
    return 0;
}

static int enter_segment(struct scan *s, const struct audit_log *log)
{
    int r = leave_segment(s);

    if (r == 0 && !s->path && s->v->whole && s->reader.number > 1)
        r = scan_retired(s, log->folder);
    if (r < 0)
        return r;
    free(s->path);
    s->path = strdup(s->reader.path);
    s->lines = 0;
    verify_segment(s->v);
    return s->path ? 0 : err_set(s->err, -ENOMEM, "out of memory");
}

static int scan_line(struct scan *s, int got, struct slice line)
{
    const char *why = NULL;

    if (got == LOG_LINE)
        why = verify_line(s->v, line);
    else if (got == LOG_TRUNCATED)
        why = "the last record has no end: a crash truncated it (the keeper's next start sets it "
              "aside), or it was cut";
    s->lines++;
    return why || got < 0 ? fail(s->err, s->reader.path ? s->reader.path : s->reader.folder,
                                 &s->reader.segment, why, got)
                          : 0;
}

int audit_log_verify(const struct audit_log *log, size_t segments, struct verify *v,
                     audit_log_progress *progress, void *arg, struct err *err)
{
    struct scan s = {.v = v, .err = err};
    struct slice line = SLICE_NULL;
    const char *why;
    int r = open_reader(&s.reader, log, segments, err), got;

    s.reader.waits = true;
    v->whole = log->folder && segments == 0;
    while (r == 0 && (got = log_reader_next(&s.reader, &line)) != LOG_END) {
        if (got == LOG_SEGMENT && s.path)
            s.before += s.at;
        r = got == LOG_SEGMENT ? enter_segment(&s, log) : scan_line(&s, got, line);
        s.at = s.reader.segment.at;
        if (progress && s.lines % PROGRESS_LINES == 0)
            progress(arg, s.before + s.at, log->bytes);
    }
    if (r == 0)
        r = leave_segment(&s);
    if (r == 0 && (why = verify_end(v)))
        r = err_set(err, -EBADMSG, "%s: broken: %s", s.path, why);
    log_reader_close(&s.reader);
    free(s.path);
    return r;
}
