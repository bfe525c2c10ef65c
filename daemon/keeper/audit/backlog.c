#include "keeper/audit/backlog.h"

#include "audit/segments.h"
#include "base/log.h"
#include "base/loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void backlog_init(struct backlog *b, const struct receipts_paths *paths, uint64_t quota,
                  int directory)
{
    *b = (struct backlog){.quota = quota, .directory = directory, .next = UINT64_MAX};
    receipts_init(&b->receipts, paths);
    b->covered = receipts_covered(&b->receipts);
    b->stale = b->receipts.n > 0;
}

uint64_t backlog_due(const struct backlog *b)
{
    uint64_t now = loop_now(), at = b->looked_at ? b->looked_at + BACKLOG_LOOK_US : 0;

    if (b->receipts.n == 0)
        return UINT64_MAX;
    return at > now ? at - now : 0;
}

static uint64_t last_seq(const struct ledger *l)
{
    return l->seq - 1;
}

/* ---- bytes ---- */

static void count(struct backlog *b, uint64_t active)
{
    struct segments s = {0};
    int r = segments_list(&s, b->directory);

    b->stale = r < 0;
    if (r < 0) {
        log_warning("audit_quota", "why=\"the audit directory can't be read: %s\"", strerror(-r));
        return;
    }
    b->finished = 0;
    b->next = UINT64_MAX;
    for (size_t i = 0; i < s.n && s.first[i] < active; i++) {
        uint64_t last = (i + 1 < s.n ? s.first[i + 1] : active) - 1;

        if (last <= b->covered)
            continue;
        if (b->next == UINT64_MAX)
            b->next = last;
        b->finished += segment_size(b->directory, s.first[i], s.packed[i]);
    }
    segments_deinit(&s);
}

void backlog_segments(struct backlog *b, uint64_t active)
{
    if (b->receipts.n)
        count(b, active);
}

uint64_t backlog_bytes(const struct backlog *b, const struct ledger *l)
{
    return b->finished + (last_seq(l) > b->covered ? l->active.size + buf_len(&l->batch) : 0);
}

/* ---- time ---- */

static void note_moment(struct backlog *b, uint64_t seq)
{
    unsigned done = 0;

    /* The newest that all receipts cover stays: what comes after it is younger. */
    while (done + 1 < b->n_moments && b->moments[done + 1].seq <= b->covered)
        done++;
    b->n_moments -= done;
    memmove(b->moments, b->moments + done, b->n_moments * sizeof(b->moments[0]));
    if (b->n_moments && b->moments[b->n_moments - 1].seq == seq)
        return;
    if (b->n_moments == BACKLOG_MOMENTS) {
        b->n_moments = BACKLOG_MOMENTS / 2;
        for (size_t i = 1; i < b->n_moments; i++)
            b->moments[i] = b->moments[2 * i];
    }
    b->moments[b->n_moments++] = (struct backlog_moment){seq, loop_now()};
}

uint64_t backlog_records(const struct receipts_one *one, const struct ledger *l)
{
    return last_seq(l) > one->seq ? last_seq(l) - one->seq : 0;
}

uint64_t backlog_age(const struct backlog *b, const struct receipts_one *one,
                     const struct ledger *l)
{
    uint64_t age, now_us = loop_wall();
    unsigned i = 0;

    while (i < b->n_moments && b->moments[i].seq <= one->seq)
        i++;
    if (backlog_records(one, l) == 0 || i == b->n_moments)
        return 0;
    age = loop_now() - b->moments[i].at;
    if (i == 0 && one->time_us && now_us > one->time_us && now_us - one->time_us > age)
        age = now_us - one->time_us;
    return age;
}

/* ---- too much ---- */

static void give_reason(struct backlog *b, uint64_t bytes)
{
    (void)snprintf(b->reason, sizeof(b->reason),
                   "audit.quota: %" PRIu64 " bytes of the audit log wait for the receipt of %s",
                   bytes, receipts_last(&b->receipts)->name);
}

static void over(struct backlog *b, uint64_t bytes)
{
    b->over = true;
    give_reason(b, bytes);
    log_error("audit_quota", "state=reached waiting=%" PRIu64 " quota=%" PRIu64 " receipt=%s",
              bytes, b->quota, receipts_last(&b->receipts)->name);
}

static void under(struct backlog *b, uint64_t bytes)
{
    b->over = false;
    b->reason[0] = '\0';
    log_warning("audit_quota", "state=recovered waiting=%" PRIu64 " quota=%" PRIu64, bytes,
                b->quota);
}

bool backlog_takes(struct backlog *b, const struct ledger *l)
{
    uint64_t bytes = b->quota ? backlog_bytes(b, l) : 0;

    if (!b->over && bytes > b->quota)
        over(b, bytes);
    return !b->over;
}

bool backlog_look(struct backlog *b, const struct ledger *l, uint64_t active)
{
    struct receipts_log log = {.identity = l->log, .seq = last_seq(l), .hash = l->last};
    uint64_t covered, bytes;
    bool more;

    b->looked_at = loop_now();
    receipts_look(&b->receipts, &log, loop_wall());
    covered = receipts_covered(&b->receipts);
    more = covered >= b->next;
    b->stale |= more || covered < b->covered;
    b->covered = covered;
    if (b->stale)
        count(b, active);
    note_moment(b, log.seq);
    if (!backlog_takes(b, l)) {
        bytes = backlog_bytes(b, l);
        if (bytes <= b->quota)
            under(b, bytes);
        else
            give_reason(b, bytes);
    }
    return more;
}
