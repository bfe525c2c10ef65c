/*
 * A record is never formatted twice and never split over two turns. A batch that grows past
 * AUDIT_WRITE is written early, which only bounds memory: it is durable with the rest.
 */
#include "keeper/audit.h"

#include "base/log.h"
#include "base/loop.h"
#include "keeper/audit_dir.h"
#include "keeper/epoch.h"
#include "keeper/fields_key.h"
#include "keeper/recover.h"
#include "keeper/veil.h"
#include "trail/chain.h"
#include "trail/identity.h"
#include "trail/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    struct audit_options options; /* without zeros */
    int directory, lock, fd;
    char *path; /* of the directory, for messages */
    char segment[SEGMENT_NAME];
    uint64_t segment_size, segment_time; /* bytes; when it was begun, microseconds since 1970 */
    uint64_t seq;                        /* of the next record */
    struct chain *chain;
    struct chain_hash last; /* the hash of the last record */
    struct seal_key log;
    struct epoch *epoch;
    struct veil *veil;    /* how field values are kept */
    uint64_t epoch_time;  /* when it was begun, microseconds since 1970 */
    uint64_t uncovered;   /* records since the last signature */
    uint64_t dirty_since; /* loop_now() of the first of them; 0: none */
    uint64_t sealed_at;   /* loop_now() of the last signature */
    uint64_t open;        /* requests without an outcome */
    struct buf batch;
    bool unsynced; /* something was written since the last sync */
    struct recover recovered;
    char reason[160]; /* "" while all is well */
    uint64_t records, syncs;
};

static const struct audit_io KERNEL = {write, fdatasync};

int audit_check(const char *directory, struct err *err)
{
    int fd = audit_dir_open(directory, err), r;

    if (fd < 0)
        return fd;
    r = fields_key_check(fd, directory, err);
    (void)close(fd);
    return r;
}

/* The file of the segment that begins with the next record, made if `fresh`. */
static int open_segment(struct audit *a, uint64_t first, bool fresh)
{
    int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, fd;
    char name[SEGMENT_NAME];
    struct stat st;

    segment_name(name, first);
    fd = openat(a->directory, name, flags | (fresh ? O_CREAT | O_EXCL : 0), 0640);
    if (fd < 0)
        return -errno;
    /* Whatever the umask: a group that is let into the directory may read the log. */
    if (fstat(fd, &st) < 0 ||
        (fresh && (fchmod(fd, 0640) < 0 || fsync(fd) < 0 || fsync(a->directory) < 0))) {
        int r = -errno;

        (void)close(fd);
        return r;
    }
    memcpy(a->segment, name, sizeof(name));
    a->segment_size = (uint64_t)st.st_size;
    return fd;
}

/* The file comes before the key: a key without any segment tells that segments were removed. */
static int begin_log(struct audit *a, struct err *err)
{
    uint64_t left = epoch_newest(a->directory);

    if (left && a->recovered.none)
        return err_set(err, -EINVAL,
                       "%s: there is no segment, but .epoch-%" PRIu64
                       ".key of an earlier log: put its segments back, or remove the key to begin "
                       "a new log",
                       a->path, left);
    a->fd = open_segment(a, 1, true);
    if (a->fd < 0)
        return err_set(err, a->fd, "%s: a segment can't be made: %s", a->path, strerror(-a->fd));
    a->seq = 1;
    if (epoch_create(&a->epoch, a->directory, 1, err) < 0)
        return -EIO;
    a->log = *epoch_public(a->epoch);
    return 0;
}

/* A crash while the epoch changed leaves the key of the one before or after. */
static int load_epoch(struct audit *a, const struct verify *v, struct err *err)
{
    int r = epoch_load(&a->epoch, a->directory, v->epoch, &v->key, err);

    if (r == -ENOENT)
        return err_set(err, r,
                       "%s: the key of epoch %" PRIu64 " is missing (the newest there is of epoch "
                       "%" PRIu64 "): it, or the newest segment, was removed; the log can't be "
                       "continued",
                       a->path, v->epoch, epoch_newest(a->directory));
    if (r == 0)
        r = epoch_erase(a->directory, v->epoch + 1);
    if (r == 0 && v->epoch > 1)
        r = epoch_erase(a->directory, v->epoch - 1);
    return r == 0 || err->text[0]
               ? r
               : err_set(err, r, "%s: an old key can't be erased: %s", a->path, strerror(-r));
}

static int continue_log(struct audit *a, struct err *err)
{
    const struct verify *v = &a->recovered.verify;

    a->fd = open_segment(a, a->recovered.first, false);
    if (a->fd < 0)
        return err_set(err, a->fd, "%s/audit-%" PRIu64 ".jsonl: %s", a->path, a->recovered.first,
                       strerror(-a->fd));
    a->seq = v->next_seq;
    a->last = v->last;
    a->log = v->log;
    a->open = v->open.n + v->strays;
    a->segment_time = v->segment_time;
    a->epoch_time = v->epoch_time;
    a->uncovered = verify_unsigned(v);
    return load_epoch(a, v, err);
}

static void set_options(struct audit *a, const struct audit_options *o)
{
    if (o)
        a->options = *o;
    if (!a->options.io)
        a->options.io = &KERNEL;
    if (!a->options.segment_bytes)
        a->options.segment_bytes = AUDIT_SEGMENT_BYTES;
    if (!a->options.segment_age_us)
        a->options.segment_age_us = AUDIT_DAY_US;
    if (!a->options.heartbeat_us)
        a->options.heartbeat_us = AUDIT_HEARTBEAT_US;
}

int audit_open(struct audit **out, const char *directory, const struct audit_options *options,
               struct err *err)
{
    struct audit *a = calloc(1, sizeof(*a));
    int r = 0;

    if (!a)
        return err_set(err, -ENOMEM, "out of memory");
    *a = (struct audit){.directory = -1,
                        .lock = -1,
                        .fd = -1,
                        .path = strdup(directory),
                        .batch = BUF_INIT(AUDIT_BATCH_MAX)};
    set_options(a, options);
    if (!a->path || chain_new(&a->chain) < 0)
        r = err_set(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = a->directory = audit_dir_open(directory, err);
    if (r >= 0)
        r = a->lock = audit_dir_lock(a->directory, directory, err);
    if (r >= 0)
        r = recover_log(&a->recovered, a->directory, directory, err);
    if (r == 0)
        r = a->recovered.fresh ? begin_log(a, err) : continue_log(a, err);
    if (r == 0)
        r = veil_open(&a->veil, a->directory, a->path, err);
    if (r < 0) {
        audit_free(a);
        return r;
    }
    veil_use(a->veil, a->options.fields);
    a->sealed_at = loop_now();
    a->dirty_since = a->uncovered ? a->sealed_at : 0;
    *out = a;
    return 0;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    veil_free(a->veil);
    epoch_free(a->epoch);
    chain_free(a->chain);
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
        ssize_t n = a->options.io->write(a->fd, s.data, s.len);

        if (n < 0 && errno == EINTR)
            continue;
        /* A regular file that takes nothing and names no error would be asked for ever. */
        if (n <= 0)
            return audit_fail(a, "the audit log can't be written", n < 0 ? errno : EIO);
        a->unsynced = true;
        a->segment_size += (uint64_t)n;
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
    if (a->options.io->sync(a->fd) < 0)
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

static uint64_t now_us(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static struct draft draft(const struct audit *a)
{
    return (struct draft){{a->seq, now_us()}, buf_len(&a->batch)};
}

/* Chains the record and counts it in, or takes it back when it could not be formatted. */
static int chained(struct audit *a, const struct draft *d, int formatted)
{
    struct slice line = buf_slice(&a->batch);
    struct chain_hash hash;
    int r = formatted;

    if (r == 0 && a->reason[0])
        r = -EIO;
    if (r == 0)
        r = chain_hash(a->chain, &a->last, slice_of(line.data + d->before, line.len - d->before),
                       &hash);
    if (r == 0)
        r = record_close(&a->batch, &hash);
    if (r < 0) {
        a->batch.tail = a->batch.head + d->before;
        return r;
    }
    a->last = hash;
    a->seq++;
    a->records++;
    return buf_len(&a->batch) > AUDIT_WRITE ? audit_write(a) : 0;
}

/* Adds a signature over all records so far: a checkpoint, or with `next` the epoch's last act. */
static int add_seal(struct audit *a, const struct seal_key *next)
{
    unsigned char signature[SEAL_SIGNATURE];
    struct draft d = draft(a);
    struct seal seal = {
        .log = a->log,
        .epoch = epoch_number(a->epoch),
        .seq = a->seq - 1,
        .hash = a->last,
        .next = next,
    };
    int r;

    record_time(seal.time, d.head.time_us);
    r = epoch_sign(a->epoch, &seal, signature);
    if (r == 0)
        r = chained(a, &d, record_seal(&a->batch, &d.head, &seal, signature));
    if (r == 0) {
        a->uncovered = 0;
        a->dirty_since = 0;
        a->sealed_at = loop_now();
    }
    return r;
}

static int added(struct audit *a, const struct draft *d, int formatted)
{
    int r = chained(a, d, formatted);

    if (r < 0)
        return r;
    if (a->uncovered++ == 0)
        a->dirty_since = loop_now();
    /* The record is in; if signing fails, the next one or the next second tries again. */
    if (a->uncovered >= AUDIT_CHECKPOINT_RECORDS && add_seal(a, NULL) < 0 && a->reason[0])
        return -EIO;
    return 0;
}

static int add_header(struct audit *a)
{
    struct draft d = draft(a);
    struct record_segment s = {
        .log = a->log,
        .epoch = epoch_number(a->epoch),
        .public_key = *epoch_public(a->epoch),
        .previous_seq = a->seq - 1,
        .previous = a->last,
        .open = a->open,
    };

    a->segment_time = d.head.time_us;
    return added(a, &d, record_segment(&a->batch, &d.head, &s));
}

/* ---- epochs and segments ---- */

static int change_failed(struct audit *a, const char *what, int code)
{
    return a->reason[0] ? -EIO : audit_fail(a, what, -code);
}

/* The key's last act is durable before it is erased; the next one's file before that. */
static int next_epoch(struct audit *a)
{
    uint64_t number = epoch_number(a->epoch);
    struct epoch *next = NULL;
    struct err err = ERR_INIT;
    int r = epoch_create(&next, a->directory, number + 1, &err);

    if (r == 0)
        r = add_seal(a, epoch_public(next));
    if (r == 0)
        r = audit_commit(a);
    if (r == 0)
        r = epoch_erase(a->directory, number);
    if (r < 0) {
        epoch_free(next);
        return change_failed(a, "the signing key can't be changed", r);
    }
    epoch_free(a->epoch);
    a->epoch = next;
    a->epoch_time = now_us();
    log_info("audit_epoch", "epoch=%" PRIu64 " seq=%" PRIu64, number + 1, a->seq - 1);
    return 0;
}

/* A crash anywhere in here leaves a log that can be continued (recover.h). */
static int next_segment(struct audit *a)
{
    int old = a->fd, fd, r = next_epoch(a);

    if (r < 0)
        return r;
    fd = open_segment(a, a->seq, true);
    if (fd < 0)
        return change_failed(a, "a new segment can't be made", fd);
    a->fd = fd;
    r = add_header(a);
    if (r == 0)
        r = audit_commit(a);
    /* Nobody writes there any more. */
    if (fchmod(old, 0440) < 0)
        log_warning("audit_segment", "why=\"a finished segment can't be made read-only: %s\"",
                    strerror(errno));
    (void)close(old);
    log_info("audit_segment", "segment=%s/%s epoch=%" PRIu64, a->path, a->segment,
             epoch_number(a->epoch));
    return r < 0 ? change_failed(a, "a new segment can't be begun", r) : 0;
}

static uint64_t until(uint64_t at, uint64_t now)
{
    return at > now ? at - now : 0;
}

static uint64_t least(uint64_t x, uint64_t y)
{
    return x < y ? x : y;
}

static uint64_t segment_due(const struct audit *a)
{
    return a->segment_size >= a->options.segment_bytes
               ? 0
               : until(a->segment_time + a->options.segment_age_us, now_us());
}

static uint64_t epoch_due(const struct audit *a)
{
    return until(a->epoch_time + AUDIT_DAY_US, now_us());
}

static uint64_t seal_due(const struct audit *a)
{
    uint64_t due = until(a->sealed_at + a->options.heartbeat_us, loop_now());

    return a->dirty_since ? least(due, until(a->dirty_since + AUDIT_CHECKPOINT_US, loop_now()))
                          : due;
}

uint64_t audit_due(const struct audit *a)
{
    return a->reason[0] ? UINT64_MAX : least(least(segment_due(a), epoch_due(a)), seal_due(a));
}

int audit_tend(struct audit *a)
{
    if (a->reason[0])
        return -EIO;
    if (segment_due(a) == 0)
        return next_segment(a);
    if (epoch_due(a) == 0)
        return next_epoch(a);
    /* A library that can't sign now may be able to later; the records themselves are durable. */
    if (seal_due(a) == 0 && add_seal(a, NULL) < 0)
        log_error("audit_unsigned", "directory=%s why=\"a checkpoint can't be signed\"", a->path);
    return audit_commit(a);
}

/* ---- records ---- */

void audit_fields(struct audit *a, const struct veil_rules *rules)
{
    veil_use(a->veil, rules);
}

int audit_intent(struct audit *a, const struct wire_sign *sign, struct slice key_id)
{
    struct draft d = draft(a);
    struct record_veil how;
    struct wire_sign veiled;
    int r = veil_intent(a->veil, sign, &veiled, &how);

    if (r == 0)
        r = added(a, &d, record_intent(&a->batch, &d.head, &veiled, &how, key_id));
    if (r == 0)
        a->open++;
    return r;
}

int audit_outcome(struct audit *a, const struct record_outcome *outcome)
{
    struct draft d = draft(a);
    struct record_outcome veiled = *outcome;
    int r;

    veiled.error = veil_text(outcome->error);
    r = added(a, &d, record_outcome(&a->batch, &d.head, &veiled));

    if (r == 0 && a->open)
        a->open--;
    return r;
}

int audit_reject(struct audit *a, const struct wire_reject *reject)
{
    struct draft d = draft(a);
    struct wire_reject veiled;

    veil_reject(a->veil, reject, &veiled);
    return added(a, &d, record_reject(&a->batch, &d.head, &veiled));
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
    int r = added(a, &d, record_stop(&a->batch, &d.head));

    return r < 0 ? r : add_seal(a, NULL);
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

/* What was done to the log before this start. */
static int begin_recovered(struct audit *a)
{
    const struct recover *rec = &a->recovered;
    uint64_t orphans = rec->verify.open.n;
    int r = 0;

    if (rec->set_aside) {
        struct draft d = draft(a);

        log_warning("audit_recovered", "segment=%s/%s torn_bytes=%" PRIu64 " kept_in=%s", a->path,
                    rec->torn_from, rec->set_aside, rec->torn_to);
        r = added(a, &d,
                  record_recovery(&a->batch, &d.head, slice_str(rec->torn_from), rec->set_aside,
                                  &rec->torn_sha256, slice_str(rec->torn_to)));
    }
    if (r == 0 && orphans) {
        log_warning("audit_recovered", "segment=%s/%s requests_without_outcome=%" PRIu64, a->path,
                    a->segment, orphans);
        r = requests_each(&rec->verify.open, orphan, a);
    }
    return r;
}

static int begin_fresh(struct audit *a)
{
    char identity[IDENTITY_TEXT];

    a->epoch_time = now_us();
    identity_text(identity, &a->log);
    log_warning("audit_log_created", "directory=%s identity=%s", a->path, identity);
    return add_header(a);
}

/* Hashes made from now on match none that were made with an earlier key. */
static int begin_fields_key(struct audit *a)
{
    struct draft d = draft(a);
    struct slice id = veil_key_id(a->veil);

    log_warning("audit_fields_key_created", "directory=%s key_id=%.*s", a->path, (int)id.len,
                id.data);
    return added(a, &d, record_fields_key(&a->batch, &d.head, id));
}

int audit_begin(struct audit *a, const char *version, uint32_t pid, struct err *err)
{
    int r = a->recovered.fresh ? begin_fresh(a) : 0;

    if (r == 0) {
        struct draft d = draft(a);

        r = added(a, &d,
                  record_start(&a->batch, &d.head, slice_str(version), pid, veil_key_id(a->veil)));
    }
    if (r == 0 && veil_key_created(a->veil))
        r = begin_fields_key(a);
    if (r == 0)
        r = begin_recovered(a);
    if (r == 0)
        r = audit_commit(a);
    recover_deinit(&a->recovered);
    if (r < 0)
        return err_set(err, r, "%s%s%s", a->path, a->reason[0] ? "/" : ": ",
                       a->reason[0] ? a->reason : strerror(-r));
    return 0;
}
