/*
 * A record is never formatted twice and never split over two turns. A batch that grows past
 * LEDGER_WRITE is written early, which only bounds memory: it is durable with the rest.
 */
#include "keeper/audit/ledger.h"

#include "wall/wire.h"

#include "base/log.h"
#include "base/loop.h"
#include "keeper/audit/audit.h"
#include "keeper/audit/restore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEDGER_WRITE = 1024 * 1024, /* bytes of a batch that are written before its end */
    LEDGER_BATCH_MAX =
        64 * 1024 * 1024,        /* the longest message, all of it escaped, and LEDGER_WRITE */
    LEDGER_AHEAD = 64 * 1024,    /* bytes kept for signatures and the stop record, */
    LEDGER_AHEAD_OUTCOME = 1024, /* and for the outcome of each request under way */
};

_Static_assert(LEDGER_BATCH_MAX > 6 * WIRE_MESSAGE_MAX + 2 * LEDGER_WRITE, "any record must fit");

int ledger_init(struct ledger *l, const struct audit_io *io, uint64_t step)
{
    *l = (struct ledger){
        .active = {.io = io, .fd = -1, .step = step},
        .batch = BUF_INIT(LEDGER_BATCH_MAX),
        .sealed_at = loop_now(),
        .checked_at = loop_now(),
    };
    return chain_new(&l->chain);
}

void ledger_deinit(struct ledger *l)
{
    epoch_free(l->epoch);
    chain_free(l->chain);
    if (l->active.io)
        active_close(&l->active);
    buf_deinit(&l->batch);
    free(l->open);
}

void ledger_continue(struct ledger *l, uint64_t next_seq, const struct chain_hash *last)
{
    l->seq = l->written_seq = next_seq;
    l->last = l->written = *last;
}

int ledger_fail(struct ledger *l, const char *what, int code)
{
    (void)snprintf(l->reason, sizeof(l->reason), "%s: %s: %s", l->active.name, what,
                   strerror(code));
    log_error("audit_failed", "segment=%s reason=\"%s\"", l->active.file, l->reason);
    l->state = LEDGER_FAILED;
    buf_reset(&l->batch, 0);
    return -EIO;
}

int ledger_full(struct ledger *l, int code)
{
    (void)snprintf(l->reason, sizeof(l->reason), "%s: no space can be reserved for more: %s",
                   l->active.name, strerror(code));
    log_error("audit_failed", "segment=%s reason=\"%s\"", l->active.file, l->reason);
    l->state = LEDGER_FULL;
    return -ENOSPC;
}

/* ---- records ---- */

struct draft ledger_draft(const struct ledger *l)
{
    return (struct draft){{l->seq, loop_wall()}, buf_len(&l->batch)};
}

/* Chains the record, or takes it back when it could not be formatted. */
static int chained(struct ledger *l, const struct draft *d, int formatted)
{
    struct slice line = buf_slice(&l->batch);
    struct chain_hash hash;
    int r = formatted;

    if (r == 0 && l->state == LEDGER_FAILED)
        r = -EIO;
    if (r == 0)
        r = chain_hash(l->chain, &l->last, slice_of(line.data + d->before, line.len - d->before),
                       &hash);
    if (r == 0)
        r = record_close(&l->batch, &hash);
    if (r < 0) {
        l->batch.tail = l->batch.head + d->before;
        return r;
    }
    l->last = hash;
    l->seq++;
    l->records++;
    return 0;
}

static int chained_and_counted(struct ledger *l, const struct draft *d, int formatted)
{
    int r = chained(l, d, formatted);

    if (r == 0 && l->uncovered++ == 0)
        l->dirty_since = loop_now();
    return r;
}

/* Whether the batch still leaves what the ends of so many open requests need. */
static int reserve(struct ledger *l, size_t n_open)
{
    int r;

    if (l->state == LEDGER_FULL)
        return -ENOSPC;
    r = active_reserve(&l->active, buf_len(&l->batch) + CHAIN_TAIL + LEDGER_AHEAD +
                                       n_open * LEDGER_AHEAD_OUTCOME);
    return r < 0 ? ledger_full(l, -r) : 0;
}

bool ledger_has_room(struct ledger *l, const struct draft *d)
{
    return buf_len(&l->batch) - d->before + CHAIN_TAIL <= LEDGER_AHEAD_OUTCOME ||
           l->state == LEDGER_FAILED || reserve(l, l->n_open) == 0;
}

int ledger_seal(struct ledger *l, const struct seal_key *next)
{
    unsigned char signature[SEAL_SIGNATURE];
    struct draft d = ledger_draft(l);
    struct seal seal = {
        .log = l->log,
        .epoch = epoch_number(l->epoch),
        .seq = l->seq - 1,
        .hash = l->last,
        .next = next,
    };
    int r;

    record_time(seal.time, d.head.time_us);
    r = epoch_sign(l->epoch, &seal, signature);
    if (r == 0)
        r = chained(l, &d, record_seal(&l->batch, &d.head, &seal, signature));
    if (r == 0) {
        l->uncovered = 0;
        l->dirty_since = 0;
        l->sealed_at = loop_now();
    }
    return r;
}

int ledger_open(struct ledger *l, uint64_t seq)
{
    if (l->n_open == l->open_room) {
        size_t room = l->open_room ? 2 * l->open_room : 64;
        uint64_t *more = reallocarray(l->open, room, sizeof(*more));

        if (!more)
            return -ENOMEM;
        l->open = more;
        l->open_room = room;
    }
    l->open[l->n_open++] = seq;
    return 0;
}

static int compare_seq(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

void ledger_close(struct ledger *l, uint64_t seq)
{
    uint64_t *at = bsearch(&seq, l->open, l->n_open, sizeof(seq), compare_seq);

    if (at)
        memmove(at, at + 1, (size_t)(&l->open[--l->n_open] - at) * sizeof(seq));
}

/* ---- writing ---- */

/* The active file was removed, replaced or altered: what was written is still at hand through it.
 */
static int put_back(struct ledger *l, enum active_trouble trouble)
{
    const char *what = active_trouble_name(trouble);
    struct restored restored;
    struct draft d;
    struct err err = ERR_INIT;
    int fd;

    log_error("audit_alarm", "segment=%s event=%s", l->active.file, what);
    (void)snprintf(l->alarm, sizeof(l->alarm), "%s was %s while it was being written",
                   l->active.name, what);
    fd = restore_segment(&restored, &l->active, l->written_seq, &l->written, &err);
    if (fd < 0 || active_adopt(&l->active, fd) < 0 || active_check(&l->active) != ACTIVE_SAME) {
        log_error("audit_alarm", "segment=%s why=\"it can't be put back: %s\"", l->active.file,
                  fd < 0 ? err.text : "the directory was moved");
        return ledger_fail(l, l->alarm, fd < 0 ? -fd : ESTALE);
    }
    log_warning("audit_restored", "segment=%s bytes=%" PRIu64 " set_aside=%s", l->active.file,
                l->active.size, restored.kept[0] ? restored.kept : "nothing");
    d = ledger_draft(l);
    return chained_and_counted(l, &d,
                               record_alarm(&l->batch, &d.head, slice_str(l->active.name), what,
                                            l->active.size, slice_str(restored.kept)));
}

int ledger_check(struct ledger *l)
{
    enum active_trouble trouble;

    if (l->state == LEDGER_FAILED)
        return -EIO;
    l->checked_at = loop_now();
    trouble = active_check(&l->active);
    return trouble == ACTIVE_SAME ? 0 : put_back(l, trouble);
}

static int ledger_write(struct ledger *l)
{
    int r;

    if (buf_len(&l->batch) == 0)
        return 0;
    r = ledger_check(l);
    if (r < 0)
        return l->state == LEDGER_FAILED ? -EIO : ledger_fail(l, "the alarm can't be recorded", -r);
    r = active_write(&l->active, &l->batch);
    if (r < 0)
        return ledger_fail(l, "the audit log can't be written", -r);
    buf_reset(&l->batch, LEDGER_WRITE);
    l->written_seq = l->seq;
    l->written = l->last;
    return 0;
}

int ledger_commit(struct ledger *l)
{
    bool unsynced;
    int r;

    if (l->state == LEDGER_FAILED)
        return -EIO;
    r = ledger_write(l);
    if (r < 0)
        return r;
    unsynced = l->active.unsynced;
    r = active_sync(&l->active);
    if (r < 0)
        return ledger_fail(l, "the audit log can't be made durable", -r);
    l->syncs += unsynced;
    return 0;
}

int ledger_add(struct ledger *l, enum ledger_kind kind, const struct draft *d, int formatted)
{
    int r = formatted;

    if (r == 0 && kind == LEDGER_NEW && l->state != LEDGER_FAILED)
        r = reserve(l, l->n_open + 1);
    r = chained_and_counted(l, d, r);
    if (r < 0)
        return r;
    /* The record is in; if signing fails, the next one or the next second tries again. */
    if (l->uncovered >= AUDIT_CHECKPOINT_RECORDS && ledger_seal(l, NULL) < 0 &&
        l->state == LEDGER_FAILED)
        return -EIO;
    return buf_len(&l->batch) > LEDGER_WRITE ? ledger_write(l) : 0;
}
