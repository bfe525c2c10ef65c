#include "ctl/audit/audit_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    WAIT_UNTOLD_MS = 250, /* between two looks without inotify */
    WAIT_TOLD_MS = 2000,  /* with it */
};

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

struct follow {
    struct audit_read *read;
    struct audit_segment *at;
    char *folder;
    int directory, inotify; /* inotify may be -1 */
    struct err *err;
};

static int watch(struct follow *f)
{
    const char *slash = strrchr(f->at->path, '/');
    size_t n = slash ? (size_t)(slash - f->at->path) : 0;

    f->folder = slash ? strndup(f->at->path, n ? n : 1) : strdup(".");
    if (!f->folder)
        return err_set(f->err, -ENOMEM, "out of memory");
    f->directory = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->directory < 0)
        return err_set(f->err, -errno, "%s: %s", f->folder, strerror(errno));
    f->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (f->inotify >= 0 &&
        inotify_add_watch(f->inotify, f->folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
        (void)close(f->inotify);
        f->inotify = -1;
    }
    return 0;
}

/* Takes what is told off the queue: that something changed is all that counts. */
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
    int told = 0;

    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &held, &before);
    if (!ended)
        told = ppoll(fds, n, &most, &before);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return told;
}

/* False when it is time to end. */
static bool wait_change(const struct follow *f)
{
    struct pollfd fds[] = {{.fd = STDOUT_FILENO}, {.fd = f->inotify, .events = POLLIN}};
    int told = sleep_on(fds, 2, f->inotify < 0 ? WAIT_UNTOLD_MS : WAIT_TOLD_MS);

    if (told > 0 && fds[0].revents)
        return false; /* the pipe's other end, or the terminal, is gone */
    if (told > 0)
        drain(f->inotify);
    return !ended;
}

static uint64_t number_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return segment_first(slash ? slash + 1 : path);
}

/* The number of the segment behind the present one, 0 when there is none. */
static int find_next(const struct follow *f, uint64_t *next)
{
    uint64_t present = number_of(f->at->path);
    struct segments all;
    int r = present ? segments_list(&all, f->directory) : 0;

    *next = 0;
    if (r < 0)
        return err_set(f->err, r, "%s: %s", f->folder, strerror(-r));
    for (size_t i = 0; present && i < all.n && *next == 0; i++)
        if (all.first[i] > present)
            *next = all.first[i];
    if (present)
        segments_deinit(&all);
    return 0;
}

static int read_present(const struct follow *f, bool newest)
{
    int r = audit_segment_read(f->at, f->read, newest);

    return r < 0 ? err_set(f->err, r, "%s: %s", f->at->path, strerror(-r)) : 0;
}

static int open_next(const struct follow *f, uint64_t first, bool packed)
{
    char name[SEGMENT_NAME], *path = NULL;
    int r;

    segment_file_name(name, first, packed);
    if (asprintf(&path, "%s/%s", f->folder, name) < 0)
        return err_set(f->err, -ENOMEM, "out of memory");
    audit_segment_close(f->at);
    r = audit_segment_open(f->at, path, f->err);
    free(path);
    return r;
}

/* One that is finished may be compressed at any moment. */
static int move_on(const struct follow *f, uint64_t first)
{
    int r = open_next(f, first, false);

    return r == -ENOENT ? open_next(f, first, true) : r;
}

/* Whole records are never taken back: a file that got shorter than what was read is another one. */
static int check_length(const struct follow *f)
{
    struct stat st;

    if (!f->at->reader.packed && fstat(f->at->fd, &st) == 0 &&
        (uint64_t)st.st_size < f->at->reader.offset)
        return err_set(f->err, -EBADMSG, "%s: records that were read are no longer in it",
                       f->at->path);
    return 0;
}

/* Reads all that is there now. */
static int catch_up(const struct follow *f)
{
    uint64_t next = 1;
    int r = 0;

    while (r == 0 && next) {
        /* First the look for a successor: if there is one, the present segment is complete. */
        r = find_next(f, &next);
        if (r == 0)
            r = check_length(f);
        if (r == 0)
            r = read_present(f, next == 0);
        if (r == 0 && next)
            r = move_on(f, next);
    }
    return r;
}

int audit_follow(struct audit_read *read, struct audit_segment *at, struct err *err)
{
    struct follow f = {.read = read, .at = at, .directory = -1, .inotify = -1, .err = err};
    int r;

    r = watch(&f);
    do {
        if (r == 0)
            r = catch_up(&f);
        (void)fflush(stdout);
    } while (r == 0 && !ferror(stdout) && wait_change(&f));
    if (f.inotify >= 0)
        (void)close(f.inotify);
    if (f.directory >= 0)
        (void)close(f.directory);
    free(f.folder);
    return r;
}
