/*
 * A record is never formatted twice and never split over two turns. A batch that grows past
 * AUDIT_WRITE is written early, which only bounds memory: it is durable with the rest.
 */
#include "keeper/audit.h"

#include "base/log.h"
#include "keeper/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    AUDIT_WRITE = 1024 * 1024, /* bytes of a batch that are written before its end */
    AUDIT_BATCH_MAX =
        64 * 1024 * 1024, /* the longest message, all of it escaped, and AUDIT_WRITE */
};

_Static_assert(AUDIT_BATCH_MAX > 6 * WIRE_MESSAGE_MAX + 2 * AUDIT_WRITE, "any record must fit");

struct audit {
    const struct audit_io *io;
    int directory, lock, fd;
    char *path; /* of the directory, for messages */
    char segment[48];
    uint64_t seq; /* of the next record */
    struct buf batch;
    bool unsynced; /* something was written since the last sync */
    struct recover recovered;
    char reason[160]; /* "" while all is well */
    uint64_t records, syncs;
};

static const struct audit_io KERNEL = {write, fdatasync};

static int check_directory(int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(err, -EPERM, "%s: the audit directory belongs to user %u, not to %u", path,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return err_set(err, -EPERM,
                       "%s: others may write in the audit directory (mode %04o); use chmod go-w",
                       path, (unsigned)st.st_mode & 07777);
    if (faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0)
        return err_set(err, -errno, "%s: the audit directory can't be written: %s", path,
                       strerror(errno));
    return 0;
}

/* A descriptor of the checked directory, or -errno. */
static int open_directory(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    if (fd < 0 && errno == ENOENT)
        return err_set(err, -ENOENT,
                       "%s: the audit directory is not there; make it with: install -d -m 0750 %s",
                       path, path);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    r = check_directory(fd, path, err);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    return fd;
}

int audit_check(const char *directory, struct err *err)
{
    int fd = open_directory(directory, err);

    if (fd < 0)
        return fd;
    (void)close(fd);
    return 0;
}

static int lock_directory(struct audit *a, struct err *err)
{
    a->lock = openat(a->directory, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (a->lock < 0)
        return err_set(err, -errno, "%s/.lock: %s", a->path, strerror(errno));
    if (flock(a->lock, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, -errno, "%s: %s", a->path,
                       errno == EWOULDBLOCK ? "another keeper writes there" : strerror(errno));
    return 0;
}

/* The number in `audit-<first seq>.jsonl`, or 0 for any other name. */
static uint64_t segment_seq(const char *name)
{
    char again[48];
    uint64_t seq = 0;

    if (sscanf(name, "audit-%20" SCNu64 ".jsonl", &seq) != 1)
        return 0;
    (void)snprintf(again, sizeof(again), "audit-%" PRIu64 ".jsonl", seq);
    return strcmp(name, again) == 0 ? seq : 0;
}

/* *first is 0 when there is no segment. */
static int newest_segment(struct audit *a, uint64_t *first, struct err *err)
{
    int fd = openat(a->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    *first = 0;
    if (!dir) {
        int r = err_set(err, -errno, "%s: %s", a->path, strerror(errno));

        if (fd >= 0)
            (void)close(fd);
        return r;
    }
    while ((entry = readdir(dir))) {
        uint64_t seq = segment_seq(entry->d_name);

        if (seq > *first)
            *first = seq;
    }
    (void)closedir(dir);
    return 0;
}

static int open_segment(struct audit *a, uint64_t first, struct err *err)
{
    int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    bool fresh = first == 0;
    struct stat st;

    a->seq = fresh ? 1 : first;
    (void)snprintf(a->segment, sizeof(a->segment), "audit-%" PRIu64 ".jsonl", a->seq);
    a->fd = openat(a->directory, a->segment, flags | (fresh ? O_CREAT | O_EXCL : 0), 0640);
    if (a->fd < 0 || fstat(a->fd, &st) < 0)
        return err_set(err, -errno, "%s/%s: %s", a->path, a->segment, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EINVAL, "%s/%s: not a regular file", a->path, a->segment);
    /* Whatever the umask: a group that is let into the directory may read the log. */
    if (fresh && (fchmod(a->fd, 0640) < 0 || fsync(a->fd) < 0 || fsync(a->directory) < 0))
        return err_set(err, -errno, "%s/%s: %s", a->path, a->segment, strerror(errno));
    return 0;
}

static int recover_segment(struct audit *a, struct err *err)
{
    char name[PATH_MAX];
    int r;

    (void)snprintf(name, sizeof(name), "%s/%s", a->path, a->segment);
    r = recover_scan(&a->recovered, a->fd, name, a->seq, err);
    if (r == 0)
        r = recover_cut(&a->recovered, a->directory, a->fd, a->segment, err);
    a->seq = a->recovered.next_seq;
    return r;
}

int audit_open(struct audit **out, const char *directory, const struct audit_io *io,
               struct err *err)
{
    struct audit *a = calloc(1, sizeof(*a));
    uint64_t first = 0;
    int r = 0;

    if (!a)
        return err_set(err, -ENOMEM, "out of memory");
    *a = (struct audit){.io = io ? io : &KERNEL,
                        .directory = -1,
                        .lock = -1,
                        .fd = -1,
                        .path = strdup(directory),
                        .batch = BUF_INIT(AUDIT_BATCH_MAX)};
    if (!a->path)
        r = err_set(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = a->directory = open_directory(directory, err);
    if (r >= 0)
        r = lock_directory(a, err);
    if (r == 0)
        r = newest_segment(a, &first, err);
    if (r == 0)
        r = open_segment(a, first, err);
    if (r == 0)
        r = recover_segment(a, err);
    if (r < 0) {
        audit_free(a);
        return r;
    }
    *out = a;
    return 0;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    if (a->fd >= 0)
        (void)close(a->fd);
    if (a->lock >= 0)
        (void)close(a->lock);
    if (a->directory >= 0)
        (void)close(a->directory);
    recover_deinit(&a->recovered);
    buf_deinit(&a->batch);
    free(a->path);
    free(a);
}

struct audit_state audit_state(const struct audit *a)
{
    return (struct audit_state){a->reason[0] == '\0', a->reason, a->records, a->syncs};
}

static int audit_fail(struct audit *a, const char *what, int code)
{
    (void)snprintf(a->reason, sizeof(a->reason), "%s: %s: %s", a->segment, what, strerror(code));
    log_error("audit_failed", "directory=%s reason=\"%s\"", a->path, a->reason);
    buf_reset(&a->batch, 0);
    return -EIO;
}

static int audit_write(struct audit *a)
{
    while (buf_len(&a->batch)) {
        struct slice s = buf_slice(&a->batch);
        ssize_t n = a->io->write(a->fd, s.data, s.len);

        if (n < 0 && errno == EINTR)
            continue;
        /* A regular file that takes nothing and names no error would be asked for ever. */
        if (n <= 0)
            return audit_fail(a, "the audit log can't be written", n < 0 ? errno : EIO);
        a->unsynced = true;
        buf_consume(&a->batch, (size_t)n);
    }
    buf_reset(&a->batch, AUDIT_WRITE);
    return 0;
}

int audit_commit(struct audit *a)
{
    int r;

    if (a->reason[0])
        return -EIO;
    r = audit_write(a);
    if (r < 0 || !a->unsynced)
        return r;
    if (a->io->sync(a->fd) < 0)
        return audit_fail(a, "the audit log can't be made durable", errno);
    a->unsynced = false;
    a->syncs++;
    return 0;
}

/* One record that is being made. */
struct draft {
    struct record_head head;
    size_t before; /* bytes in the batch in front of it */
};

static struct draft draft(const struct audit *a)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (struct draft){
        {a->seq, (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u},
        buf_len(&a->batch),
    };
}

/* Counts the record in, or takes it back when it could not be formatted. */
static int added(struct audit *a, const struct draft *d, int formatted)
{
    if (formatted == 0 && a->reason[0])
        formatted = -EIO;
    if (formatted < 0) {
        a->batch.tail = a->batch.head + d->before;
        return formatted;
    }
    a->seq++;
    a->records++;
    return buf_len(&a->batch) > AUDIT_WRITE ? audit_write(a) : 0;
}

int audit_intent(struct audit *a, const struct wire_sign *sign, struct slice key_id)
{
    struct draft d = draft(a);

    return added(a, &d, record_intent(&a->batch, &d.head, sign, key_id));
}

int audit_outcome(struct audit *a, const struct record_outcome *outcome)
{
    struct draft d = draft(a);

    return added(a, &d, record_outcome(&a->batch, &d.head, outcome));
}

int audit_reject(struct audit *a, const struct wire_reject *reject)
{
    struct draft d = draft(a);

    return added(a, &d, record_reject(&a->batch, &d.head, reject));
}

int audit_key(struct audit *a, struct slice workspace, struct slice key_id, const char *event)
{
    struct draft d = draft(a);

    return added(a, &d, record_key(&a->batch, &d.head, workspace, key_id, event));
}

int audit_config(struct audit *a, const char *result, struct slice error)
{
    struct draft d = draft(a);

    return added(a, &d, record_config(&a->batch, &d.head, result, error));
}

int audit_stop(struct audit *a)
{
    struct draft d = draft(a);

    return added(a, &d, record_stop(&a->batch, &d.head));
}

static int orphan(void *arg, struct slice request_id)
{
    struct record_outcome o = {
        .request_id = request_id,
        .sent = "unknown",
        .error = SLICE_LIT("the keeper stopped before the outcome was known"),
    };

    return audit_outcome(arg, &o);
}

/* What was done to the segment before this start. */
static int begin_recovered(struct audit *a)
{
    char torn[64];
    int r = 0;

    if (a->recovered.torn) {
        struct draft d = draft(a);

        (void)snprintf(torn, sizeof(torn), "%s.torn", a->segment);
        log_warning("audit_recovered", "segment=%s/%s torn_bytes=%" PRIu64 " kept_in=%s", a->path,
                    a->segment, a->recovered.torn, torn);
        r = added(a, &d,
                  record_recovery(&a->batch, &d.head, slice_str(a->segment), a->recovered.torn,
                                  slice_str(torn)));
    }
    if (r == 0 && a->recovered.orphans) {
        log_warning("audit_recovered", "segment=%s/%s requests_without_outcome=%" PRIu64, a->path,
                    a->segment, a->recovered.orphans);
        r = recover_each(&a->recovered, orphan, a);
    }
    recover_deinit(&a->recovered);
    return r;
}

int audit_begin(struct audit *a, const char *version, uint32_t pid, struct err *err)
{
    struct draft d = draft(a);
    int r = added(a, &d, record_start(&a->batch, &d.head, slice_str(version), pid));

    if (r == 0)
        r = begin_recovered(a);
    if (r == 0)
        r = audit_commit(a);
    if (r < 0)
        return err_set(err, r, "%s%s%s", a->path, a->reason[0] ? "/" : ": ",
                       a->reason[0] ? a->reason : strerror(-r));
    return 0;
}
