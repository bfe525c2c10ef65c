#include "unit/ship/ship_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int audit_fd = -1;

struct audit *keep(struct audit_options *options)
{
    if (audit_fd >= 0)
        close(audit_fd);
    audit_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL(audit_fd >= 0);
    options->segment_bytes = options->segment_bytes ? options->segment_bytes : 4096;
    return open_audit(options);
}

void pairs(struct audit *a, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        intent(a, "r");
        outcome(a, "r");
    }
    CU_ASSERT_EQUAL(audit_commit(a), 0);
}

void tend(struct audit *a)
{
    for (int i = 0; i < 1000 && audit_due(a) == 0; i++)
        CU_ASSERT_EQUAL(audit_tend(a), 0);
}

unsigned segment_count(void)
{
    struct segments s;
    unsigned n;

    CU_ASSERT_EQUAL_FATAL(segments_list(&s, audit_fd), 0);
    n = (unsigned)s.n;
    segments_deinit(&s);
    return n;
}

const char *segment_path(unsigned back)
{
    char name[SEGMENT_NAME];
    struct segments s;

    CU_ASSERT_EQUAL_FATAL(segments_list(&s, audit_fd), 0);
    CU_ASSERT_FATAL(s.n > back);
    segment_file_name(name, s.first[s.n - 1 - back], s.packed[s.n - 1 - back]);
    segments_deinit(&s);
    return in_folder(name);
}

static uint64_t newest_first(void)
{
    struct segments s;
    uint64_t first;

    CU_ASSERT_EQUAL_FATAL(segments_list(&s, audit_fd), 0);
    first = s.n ? s.first[s.n - 1] : 0;
    segments_deinit(&s);
    return first;
}

void next_segment(struct audit *a)
{
    uint64_t before = newest_first();

    for (int i = 0; i < 100 && newest_first() == before; i++) {
        pairs(a, 1);
        tend(a);
    }
    CU_ASSERT(newest_first() > before);
}

struct seal_key identity(void)
{
    struct seal_key log = {{0}};

    CU_ASSERT_EQUAL_FATAL(tail_identity(&log, audit_fd), 0);
    return log;
}

/* ---- the centre ---- */

static int fake_start(struct sink *sink, struct loop *loop, const struct seal_key *log,
                      const char *host, const struct sink_events *events, void *arg)
{
    struct fake_sink *f = (struct fake_sink *)sink;

    (void)log;
    (void)host;
    CU_ASSERT_FALSE(f->started);
    f->started = true;
    f->loop = loop;
    f->events = events;
    f->arg = arg;
    return 0;
}

static void take_record(struct fake_archive *c, const struct ship_record *r)
{
    const struct ship_place *last = c->n ? &c->records[c->n - 1] : NULL;

    if (r->place.seq != (last ? last->seq + 1 : 1))
        c->double_or_gap = true;
    CU_ASSERT_FATAL(c->n < ARCHIVE_RECORDS);
    c->records[c->n++] = r->place;
    c->bytes += r->line.len;
}

static int fake_ship(struct sink *sink, const struct ship_batch *batch)
{
    struct fake_sink *f = (struct fake_sink *)sink;
    size_t bytes = 0;

    CU_ASSERT(f->up);
    if (f->fail_ship) {
        int r = f->fail_ship;

        f->fail_ship = 0;
        return r;
    }
    f->unacknowledged++;
    CU_ASSERT(f->unacknowledged <= sink->kind->window);
    CU_ASSERT(batch->n >= 1 && batch->n <= SHIP_BATCH_RECORDS);
    for (size_t i = 0; i < batch->n; i++)
        bytes += batch->records[i].line.len;
    CU_ASSERT_EQUAL(bytes, batch->bytes);
    CU_ASSERT(batch->n == 1 || bytes <= SHIP_BATCH_BYTES);
    if (f->unacknowledged > f->archive->most)
        f->archive->most = f->unacknowledged;
    f->archive->batches++;
    if (f->conflict) {
        loop_defer_next(f->loop, &f->work);
        f->last = batch->records[0].place.seq;
        return 0;
    }
    for (size_t i = 0; i < batch->n; i++)
        take_record(f->archive, &batch->records[i]);
    f->last = batch->records[batch->n - 1].place.seq;
    if (!f->hold)
        fake_acknowledge(f);
    return 0;
}

static int fake_alarm(struct sink *sink, const struct ship_alarm *alarm)
{
    struct fake_sink *f = (struct fake_sink *)sink;

    CU_ASSERT(f->up);
    CU_ASSERT_FATAL(f->archive->n_alarms < ARCHIVE_ALARMS);
    f->archive->alarms[f->archive->n_alarms++] =
        (struct fake_alarm){alarm->kind, alarm->here, alarm->there};
    CU_ASSERT(alarm->why && *alarm->why);
    return 0;
}

static void fake_free(struct sink *sink)
{
    struct fake_sink *f = (struct fake_sink *)sink;

    if (f->loop)
        loop_cancel(f->loop, &f->work);
    free(f);
}

static const struct sink_kind FAKE = {
    .name = "fake",
    .start = fake_start,
    .ship = fake_ship,
    .alarm = fake_alarm,
    .free = fake_free,
    .window = 3,
};

static void on_work(void *arg)
{
    struct fake_sink *f = arg;

    if (!f->up)
        return;
    if (f->conflict) {
        struct ship_place here = {1, f->last, {{1}}}, there = {1, f->last, {{2}}};

        f->conflict = false;
        f->unacknowledged = 0;
        f->events->conflict(f->arg, &here, &there);
    } else if (f->acknowledging) {
        f->acknowledging = false;
        f->unacknowledged = 0;
        f->events->acknowledged(f->arg, f->last);
    }
}

struct fake_sink *fake_new(struct loop *loop, struct fake_archive *archive)
{
    struct fake_sink *f = calloc(1, sizeof(*f));

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    f->sink.kind = &FAKE;
    f->archive = archive;
    f->loop = loop;
    f->work = (struct loop_hook){.run = on_work, .arg = f};
    return f;
}

void fake_ready(struct fake_sink *f)
{
    const struct ship_place none = {0};

    f->up = true;
    f->unacknowledged = 0;
    f->events->ready(f->arg, f->archive->n ? &f->archive->records[f->archive->n - 1] : &none);
}

void fake_lost(struct fake_sink *f, const char *why)
{
    f->up = false;
    f->acknowledging = false;
    f->unacknowledged = 0;
    f->events->lost(f->arg, why);
}

void fake_acknowledge(struct fake_sink *f)
{
    f->acknowledging = true;
    loop_defer_next(f->loop, &f->work);
}

void archive_cut(struct fake_archive *c, uint64_t seq)
{
    while (c->n && c->records[c->n - 1].seq > seq)
        c->n--;
}

/* ---- the loop ---- */

struct until {
    struct loop *loop;
    bool (*done)(void *arg);
    void *arg;
    struct loop_timer look;
    uint64_t most;
    bool reached;
};

static void on_look(void *arg)
{
    struct until *u = arg;

    u->reached = u->done(u->arg);
    if (u->reached || loop_now() > u->most)
        loop_stop(u->loop);
    else
        loop_timer_set(&u->look, 1000);
}

bool turn_until(struct loop *loop, bool (*done)(void *arg), void *arg)
{
    struct until u = {.loop = loop, .done = done, .arg = arg, .most = loop_now() + 5000000};

    loop_timer_init(&u.look, loop, on_look, &u);
    loop_timer_set(&u.look, 1);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    loop_timer_deinit(&u.look);
    return u.reached;
}
