/*
 * The log as a whole: how it begins and goes on, when a new key or a new segment is due, and the
 * records of the keeper's own actions. ledger.c writes.
 */
#include "keeper/audit/audit.h"

#include "audit/seal.h"
#include "base/log.h"
#include "base/loop.h"
#include "keeper/audit/active_segment.h"
#include "keeper/audit/ledger.h"
#include "keeper/audit/recover.h"
#include "keeper/audit/truncated_tail.h"
#include "keeper/redaction/fields_key.h"
#include "keeper/redaction/redaction.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SHORT = 256,          /* bytes of a text that the space kept for an outcome has room for */
    STEP_MIN = 64 * 1024, /* bytes of a segment that are reserved at once */
    STEP_MAX = 1024 * 1024,
    CHECK_US = 10000000, /* an idle log's file is looked after so often */
};

struct audit {
    struct audit_options options; /* without zeros */
    int directory, lock;
    char *path;             /* of the directory, for messages */
    uint64_t segment_time;  /* when it was begun, microseconds since 1970 */
    uint64_t epoch_time;    /* when it was begun, microseconds since 1970 */
    uint64_t segment_first; /* the first seq of the active segment */
    struct ledger ledger;
    struct retention retention;
    struct backlog backlog;
    struct redaction *redaction; /* how field values are kept */
    struct recover recovered;
};

int audit_check(const char *directory, struct err *err)
{
    int fd = audit_dir_open(directory, err), r;

    if (fd < 0)
        return fd;
    r = fields_key_check(fd, directory, err);
    (void)close(fd);
    return r;
}

/* The file comes before the key: a key without any segment means that segments were removed. */
static int begin_log(struct audit *a, struct err *err)
{
    static const struct chain_hash ZEROS;
    struct ledger *l = &a->ledger;
    uint64_t left = epoch_newest(a->directory);
    struct err why = ERR_INIT;
    int r;

    if (left && a->recovered.none)
        return err_set(err, -EINVAL,
                       "%s: there is no segment, but .epoch-%" PRIu64
                       ".key of an earlier log: put its segments back, or remove the key to begin "
                       "a new log",
                       a->path, left);
    r = active_create(&l->active, a->directory, a->path, 1);
    if (r < 0)
        return err_set(err, r, "%s: a segment can't be made: %s", a->path, strerror(-r));
    ledger_continue(l, 1, &ZEROS);
    a->segment_first = 1;
    r = epoch_create(&l->epoch, a->directory, 1, &why);
    if (r < 0)
        return err_set(err, r, "%s/%s", a->path, why.text);
    l->log = *epoch_public(l->epoch);
    return 0;
}

/* A crash while the epoch changed leaves the key of the one before or after. */
static int load_epoch(struct audit *a, const struct verify *v, struct err *err)
{
    int r = epoch_load(&a->ledger.epoch, a->directory, v->epoch, &v->key, err);

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

    struct ledger *l = &a->ledger;
    int r = active_open(&l->active, a->directory, a->path, a->recovered.first);

    if (r < 0)
        return err_set(err, r, "%s/audit-%" PRIu64 ".jsonl: %s", a->path, a->recovered.first,
                       strerror(-r));
    ledger_continue(l, v->next_seq, &v->last);
    l->log = v->log;
    for (const struct open_request *o = v->open.first; r == 0 && o; o = o->after)
        r = ledger_open(l, o->seq);
    if (r < 0)
        return err_set(err, r, "out of memory");
    l->uncovered = verify_unsigned(v);
    l->dirty_since = l->uncovered ? l->sealed_at : 0;
    a->segment_first = a->recovered.first;
    a->segment_time = v->segment_time;
    a->epoch_time = v->epoch_time;
    return load_epoch(a, v, err);
}

static void set_options(struct audit *a, const struct audit_options *o)
{
    if (o)
        a->options = *o;
    if (!a->options.io)
        a->options.io = &AUDIT_KERNEL;
    if (!a->options.segment_bytes)
        a->options.segment_bytes = AUDIT_SEGMENT_BYTES;
    if (!a->options.segment_age_us)
        a->options.segment_age_us = AUDIT_DAY_US;
    if (!a->options.heartbeat_us)
        a->options.heartbeat_us = AUDIT_HEARTBEAT_US;
}

/* Little is reserved for little segments. */
static uint64_t step(const struct audit_options *o)
{
    return o->segment_bytes < STEP_MIN   ? STEP_MIN
           : o->segment_bytes > STEP_MAX ? STEP_MAX
                                         : o->segment_bytes;
}

int audit_open(struct audit **out, const char *directory, const struct audit_options *options,
               struct err *err)
{
    struct audit *a = calloc(1, sizeof(*a));
    int r = 0;

    if (!a)
        return err_set(err, -ENOMEM, "out of memory");
    *a = (struct audit){.directory = -1, .lock = -1, .path = strdup(directory)};
    set_options(a, options);
    if (ledger_init(&a->ledger, a->options.io, step(&a->options)) < 0 || !a->path)
        r = err_set(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = a->directory = audit_dir_open(directory, err);
    if (r >= 0)
        r = a->lock = audit_dir_lock(a->directory, directory, err);
    retention_init(&a->retention, &a->options.retention, a->directory, a->path);
    backlog_init(&a->backlog, a->options.receipts, a->options.quota, a->directory);
    if (r >= 0)
        r = recover_log(&a->recovered, a->directory, directory, err);
    if (r == 0)
        r = a->recovered.fresh ? begin_log(a, err) : continue_log(a, err);
    if (r == 0)
        r = redact_open(&a->redaction, a->directory, a->path, err);
    if (r < 0) {
        audit_free(a);
        return r;
    }
    redact_use(a->redaction, a->options.fields);
    *out = a;
    return 0;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    ledger_deinit(&a->ledger);
    retention_deinit(&a->retention);
    redact_free(a->redaction);
    if (a->lock >= 0)
        (void)close(a->lock);
    if (a->directory >= 0)
        (void)close(a->directory);
    recover_deinit(&a->recovered);
    free(a->path);
    free(a);
}

struct audit_state audit_state(const struct audit *a)
{
    const struct ledger *l = &a->ledger;
    bool open = l->state == LEDGER_OPEN, over = open && a->backlog.over;

    return (struct audit_state){.ok = open && !over,
                                .passing = over,
                                .reason = over   ? a->backlog.reason
                                          : open ? l->alarm
                                                 : l->reason,
                                .records = l->records,
                                .syncs = l->syncs};
}

const struct backlog *audit_backlog(const struct audit *a, const struct ledger **ledger)
{
    *ledger = &a->ledger;
    return &a->backlog;
}

bool audit_failed(const struct audit *a)
{
    return a->ledger.state == LEDGER_FAILED;
}

int audit_commit(struct audit *a)
{
    return ledger_commit(&a->ledger);
}

/* ---- epochs and segments ---- */

static int add_header(struct audit *a)
{
    struct ledger *l = &a->ledger;
    struct draft d = ledger_draft(l);
    struct record_segment s = {
        .log = l->log,
        .epoch = epoch_number(l->epoch),
        .public_key = *epoch_public(l->epoch),
        .previous_seq = l->seq - 1,
        .previous = l->last,
        .n_open = l->n_open,
        .open = l->open,
    };

    a->segment_time = d.head.time_us;
    return ledger_add(l, LEDGER_END, &d, record_segment(&l->batch, &d.head, &s));
}

/* A full disk loses nothing here: the old key and the old segment go on to the end. */
static int change_failed(struct audit *a, const char *what, int code)
{
    struct ledger *l = &a->ledger;

    if (l->state == LEDGER_FAILED)
        return -EIO;
    if (code == -ENOSPC || code == -EDQUOT)
        return l->state == LEDGER_FULL ? 0 : (ledger_full(l, -code), 0);
    return ledger_fail(l, what, -code);
}

/* The key's last act is durable before it is erased; the next one's file before that. */
static int next_epoch(struct audit *a)
{
    struct ledger *l = &a->ledger;
    uint64_t number = epoch_number(l->epoch);
    struct epoch *next = NULL;
    struct err err = ERR_INIT;
    int r = epoch_create(&next, a->directory, number + 1, &err);

    if (r < 0)
        return r;
    r = ledger_seal(l, epoch_public(next));
    if (r == 0)
        r = ledger_commit(l);
    if (r == 0)
        r = epoch_erase(a->directory, number);
    if (r < 0) {
        epoch_free(next);
        /* Even a full disk: the log may already name a key that would be gone. */
        return l->state == LEDGER_FAILED ? -EIO
                                         : ledger_fail(l, "the signing key can't be changed", -r);
    }
    epoch_free(l->epoch);
    l->epoch = next;
    a->epoch_time = loop_wall();
    log_info("audit_epoch", "epoch=%" PRIu64 " seq=%" PRIu64, number + 1, l->seq - 1);
    return 0;
}

static int change_epoch(struct audit *a)
{
    int r = next_epoch(a);

    return r < 0 ? change_failed(a, "the signing key can't be changed", r) : 0;
}

/* A crash anywhere in here leaves a log that can be continued (recover.h). */
static int change_segment(struct audit *a)
{
    struct ledger *l = &a->ledger;
    struct active_segment next = {.io = l->active.io, .fd = -1, .step = l->active.step}, old;
    int r = next_epoch(a);

    if (r == 0)
        r = active_create(&next, a->directory, a->path, l->seq);
    if (r < 0)
        return change_failed(a, "a new segment can't be begun", r);
    old = l->active;
    l->active = next;
    a->segment_first = l->seq;
    retention_wake(&a->retention);
    r = add_header(a);
    if (r == 0)
        r = ledger_commit(l);
    /* Without a header the old one would go on; with it nobody writes there any more. */
    if (r == 0)
        active_finish(&old);
    else
        active_close(&old);
    backlog_segments(&a->backlog, a->segment_first);
    log_info("audit_segment", "segment=%s epoch=%" PRIu64, l->active.file, epoch_number(l->epoch));
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

/* A full log begins neither a new epoch nor a new segment. */
static uint64_t segment_due(const struct audit *a)
{
    if (a->ledger.state != LEDGER_OPEN)
        return UINT64_MAX;
    return a->ledger.active.size >= a->options.segment_bytes
               ? 0
               : until(a->segment_time + a->options.segment_age_us, loop_wall());
}

static uint64_t epoch_due(const struct audit *a)
{
    return a->ledger.state != LEDGER_OPEN ? UINT64_MAX
                                          : until(a->epoch_time + AUDIT_DAY_US, loop_wall());
}

static uint64_t seal_due(const struct audit *a)
{
    const struct ledger *l = &a->ledger;
    uint64_t now = loop_now(), due = until(l->sealed_at + a->options.heartbeat_us, now);

    return l->dirty_since ? least(due, until(l->dirty_since + AUDIT_CHECKPOINT_US, now)) : due;
}

static uint64_t check_due(const struct audit *a)
{
    return until(a->ledger.checked_at + CHECK_US, loop_now());
}

static uint64_t work_due(const struct audit *a)
{
    return a->ledger.state == LEDGER_OPEN ? retention_due(&a->retention) : UINT64_MAX;
}

uint64_t audit_due(const struct audit *a)
{
    return a->ledger.state == LEDGER_FAILED
               ? UINT64_MAX
               : least(least(least(segment_due(a), epoch_due(a)), work_due(a)),
                       least(least(seal_due(a), check_due(a)), backlog_due(&a->backlog)));
}

/* A piece of the work on finished segments. */
static int work(struct audit *a)
{
    uint64_t oldest_open = a->ledger.n_open ? a->ledger.open[0] : UINT64_MAX;
    bool busy = a->retention.state != RETENTION_IDLE;
    int r = retention_step(&a->retention, &a->ledger, a->segment_first, oldest_open,
                           a->backlog.covered);

    if (busy && a->retention.state == RETENTION_IDLE)
        backlog_segments(&a->backlog, a->segment_first);
    return r;
}

int audit_tend(struct audit *a)
{
    struct ledger *l = &a->ledger;

    if (l->state == LEDGER_FAILED)
        return -EIO;
    if (segment_due(a) == 0)
        return change_segment(a);
    if (epoch_due(a) == 0)
        return change_epoch(a);
    /* Signing may work again later; the records themselves are durable. */
    if (seal_due(a) == 0 && ledger_seal(l, NULL) < 0)
        log_error("audit_unsigned", "directory=%s why=\"a checkpoint can't be signed\"", a->path);
    if (check_due(a) == 0 && ledger_check(l) < 0)
        return -EIO;
    if (backlog_due(&a->backlog) == 0 && backlog_look(&a->backlog, l, a->segment_first))
        retention_wake(&a->retention);
    if (work_due(a) == 0 && work(a) < 0)
        return -EIO;
    return ledger_commit(l);
}

uint64_t audit_seq(const struct audit *a)
{
    return a->ledger.seq - 1;
}

uint64_t audit_last_intent(const struct audit *a)
{
    return a->ledger.n_open ? a->ledger.open[a->ledger.n_open - 1] : 0;
}

/* ---- records ---- */

void audit_fields(struct audit *a, const struct redaction_rules *rules)
{
    redact_use(a->redaction, rules);
}

int audit_intent(struct audit *a, const struct sign_request *sign, struct slice key_id)
{
    struct ledger *l = &a->ledger;
    struct draft d = ledger_draft(l);
    struct record_redaction how;
    struct sign_request redacted;
    int r = backlog_takes(&a->backlog, l) ? redact_intent(a->redaction, sign, &redacted, &how)
                                          : -EDQUOT;

    if (r == 0)
        r = ledger_open(l, d.head.seq);
    if (r < 0)
        return r;
    r = ledger_add(l, LEDGER_NEW, &d, record_intent(&l->batch, &d.head, &redacted, &how, key_id));
    if (r < 0)
        ledger_close(l, d.head.seq);
    return r;
}

int audit_outcome(struct audit *a, const struct record_outcome *outcome)
{
    struct ledger *l = &a->ledger;
    struct draft d = ledger_draft(l);
    struct record_outcome redacted = *outcome;
    int r = redact_answer(a->redaction, outcome->method, outcome->path, &redacted.answer,
                          &redacted.forms);

    if (r < 0)
        return r;
    redacted.error = redact_text(outcome->error);
    r = record_outcome(&l->batch, &d.head, &redacted);
    if (r == 0 && !ledger_has_room(l, &d)) {
        /* What happened is told all the same, in the space that was kept for it. */
        const struct request_answer full = redacted.answer;

        redacted.answer =
            (struct request_answer){.what = full.what & (uint32_t)~REQUEST_ANSWER_OBJECT,
                                    .object = full.object.len <= SHORT ? full.object : SLICE_NULL,
                                    .error = slice_cut(full.error, SHORT),
                                    .bytes = full.bytes,
                                    .sha256 = full.sha256};
        l->batch.tail = l->batch.head + d.before;
        r = record_outcome(&l->batch, &d.head, &redacted);
    }
    r = ledger_add(l, LEDGER_END, &d, r);
    if (r == 0)
        ledger_close(l, outcome->intent);
    return r;
}

int audit_reject(struct audit *a, const struct reject_request *reject)
{
    struct ledger *l = &a->ledger;
    struct draft d = ledger_draft(l);
    struct reject_request redacted;

    if (!backlog_takes(&a->backlog, l))
        return -EDQUOT;
    redact_reject(a->redaction, reject, &redacted);
    return ledger_add(l, LEDGER_NEW, &d, record_reject(&l->batch, &d.head, &redacted));
}

int audit_key(struct audit *a, struct slice workspace, struct slice key_id, const char *event)
{
    struct ledger *l = &a->ledger;
    struct draft d = ledger_draft(l);

    return ledger_add(l, LEDGER_NEW, &d, record_key(&l->batch, &d.head, workspace, key_id, event));
}

int audit_config(struct audit *a, const char *result, struct slice error)
{
    struct ledger *l = &a->ledger;
    struct draft d = ledger_draft(l);

    return ledger_add(l, LEDGER_NEW, &d, record_config(&l->batch, &d.head, result, error));
}

int audit_stop(struct audit *a)
{
    struct ledger *l = &a->ledger;
    struct draft d = ledger_draft(l);
    /* A request whose outcome could not be recorded gets it at the next start; then no stop record
     * is written. */
    int r = l->n_open ? 0 : ledger_add(l, LEDGER_END, &d, record_stop(&l->batch, &d.head));

    return r < 0 ? r : ledger_seal(l, NULL);
}

static int add_unknown_outcome(struct audit *a, const struct open_request *open)
{
    struct record_outcome o = {
        .request_id = open->id,
        .intent = open->seq,
        .sent = "unknown",
        .error = SLICE_LIT("the keeper stopped before the outcome was known"),
    };

    return audit_outcome(a, &o);
}

static int record_truncated_tail(void *arg, const struct truncated_tail *tail)
{
    struct audit *a = arg;
    struct ledger *l = &a->ledger;
    struct draft d = ledger_draft(l);

    log_warning("audit_recovered", "segment=%s/%s torn_bytes=%" PRIu64 " kept_in=%s", a->path,
                tail->segment, tail->bytes, tail->name);
    return ledger_add(l, LEDGER_END, &d,
                      record_recovery(&l->batch, &d.head, slice_str(tail->segment), tail->bytes,
                                      &tail->sha256, slice_str(tail->name)));
}

/* What was done to the log before this start. */
static int begin_recovered(struct audit *a)
{
    const struct recover *rec = &a->recovered;
    uint64_t orphans = rec->verify.open.n - rec->verify.unseen;
    int r = truncated_tail_each(a->directory, record_truncated_tail, a);

    if (r == 0 && orphans) {
        log_warning("audit_recovered", "segment=%s/%s requests_without_outcome=%" PRIu64, a->path,
                    a->ledger.active.name, orphans);
        for (const struct open_request *o = rec->verify.open.first; r == 0 && o; o = o->after)
            r = o->id.len ? add_unknown_outcome(a, o) : 0;
    }
    return r;
}

static int begin_fresh(struct audit *a)
{
    char identity[IDENTITY_TEXT];

    a->epoch_time = loop_wall();
    identity_text(identity, &a->ledger.log);
    log_warning("audit_log_created", "directory=%s identity=%s", a->path, identity);
    return add_header(a);
}

/* Hashes made from now on match none that were made with an earlier key. */
static int begin_fields_key(struct audit *a)
{
    struct ledger *l = &a->ledger;
    struct draft d = ledger_draft(l);
    struct slice id = redact_key_id(a->redaction);

    log_warning("audit_fields_key_created", "directory=%s key_id=%.*s", a->path, (int)id.len,
                id.data);
    return ledger_add(l, LEDGER_NEW, &d, record_fields_key(&l->batch, &d.head, id));
}

static int begin_start(struct audit *a, const char *version, uint32_t pid)
{
    struct ledger *l = &a->ledger;
    struct draft d = ledger_draft(l);
    uint64_t heartbeat = (a->options.heartbeat_us + 999999) / 1000000;

    return ledger_add(l, LEDGER_NEW, &d,
                      record_start(&l->batch, &d.head, slice_str(version), pid,
                                   redact_key_id(a->redaction), heartbeat));
}

int audit_begin(struct audit *a, const char *version, uint32_t pid, struct err *err)
{
    int r = a->recovered.fresh ? begin_fresh(a) : 0;

    if (r == 0 && !a->recovered.fresh && a->recovered.verify.format < RECORD_FORMAT)
        r = change_segment(a);
    if (r == 0)
        r = begin_start(a, version, pid);
    if (r == 0 && redact_key_created(a->redaction))
        r = begin_fields_key(a);
    if (r == 0)
        r = begin_recovered(a);
    if (r == 0)
        r = ledger_commit(&a->ledger);
    if (r == 0)
        r = truncated_tail_settle(a->directory);
    recover_deinit(&a->recovered);
    if (r < 0)
        return err_set(err, r, "%s%s%s", a->path, a->ledger.reason[0] ? "/" : ": ",
                       a->ledger.reason[0] ? a->ledger.reason : strerror(-r));
    if (backlog_due(&a->backlog) == 0)
        (void)backlog_look(&a->backlog, &a->ledger, a->segment_first);
    return 0;
}
