#include "ship/shipper.h"

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SUSPECT_US = 2000000,  /* microseconds until what is amiss is looked at again */
    STOPPED_US = 10000000, /* and again and again */
    RETRY_US = 3000000,    /* after a failure of this host */
    CURSOR_US = 1000000,   /* between two writes of the cursor */
};

/* A batch under way. */
struct flight {
    struct ship_place last;
    size_t records;
    uint64_t time_us; /* of the last record */
};

struct shipper {
    struct loop *loop;
    struct shipper_options options;
    struct sink *sink;
    struct tail tail;
    struct cursor cursor;
    enum shipper_state state;

    struct ship_place sent; /* the last record handed over, or the centre's last one */
    bool measured;          /* it was looked whether the centre has lost records */
    bool compared;          /* the centre's last record is that of the local log */
    bool conflicting;       /* an alarm about this is due: */
    struct ship_place here, there;
    struct ship_batch held; /* a batch that the sink had no memory for */
    bool holding, draining;
    struct flight *flight; /* a ring of as many as the sink takes */
    unsigned first, n;

    struct ship_place acked;
    uint64_t acked_seq;   /* it may be further, within a batch */
    uint64_t acked_us;    /* that old is the centre's state: microseconds since 1970, UTC */
    struct newest newest; /* seq 0: not known */

    bool amiss, alarmed;
    enum ship_alarm_kind kind;
    uint64_t amiss_at; /* loop_now() when it was seen first */

    struct loop_hook work;
    struct loop_timer again, write;
    uint64_t written_at; /* loop_now() */
    bool cursor_failed;

    uint64_t records, batches, alarms[SHIP_BEHIND + 1];
    char why[SHIP_WHY];
};

const char *shipper_state_name(enum shipper_state state)
{
    static const char *const NAMES[] = {"down", "looking", "shipping", "suspect", "stopped"};

    return NAMES[state];
}

static uint64_t or_usual(uint64_t us, uint64_t usual)
{
    return us ? us : usual;
}

static void note(struct shipper *s, const char *why)
{
    (void)snprintf(s->why, sizeof(s->why), "%s", why);
}

static void enter(struct shipper *s, enum shipper_state state)
{
    if (s->state != state)
        log_debug("sink_state", "sink=%s state=%s", s->options.name, shipper_state_name(state));
    s->state = state;
}

static void look(struct shipper *s)
{
    s->holding = false;
    tail_seek(&s->tail, &s->sent);
    enter(s, SHIPPER_LOOKING);
    loop_defer(s->loop, &s->work);
}

/* ---- the cursor ---- */

static void write_cursor(struct shipper *s)
{
    int r;

    loop_timer_clear(&s->write);
    if (s->acked.seq == s->cursor.at.seq && chain_same(&s->acked.hash, &s->cursor.at.hash) &&
        !s->cursor_failed)
        return;
    r = s->acked.seq ? cursor_write(&s->cursor, &s->acked) : cursor_revoke(&s->cursor);
    s->written_at = loop_now();
    if (r < 0 && !s->cursor_failed)
        log_error("cursor", "sink=%s file=%s why=\"%s\"", s->options.name, s->cursor.file,
                  strerror(-r));
    s->cursor_failed = r < 0;
    if (s->cursor_failed)
        loop_timer_set(&s->write, or_usual(s->options.retry_us, RETRY_US));
}

static void on_write(void *arg)
{
    write_cursor(arg);
}

static void remember(struct shipper *s, const struct ship_place *place)
{
    uint64_t every = or_usual(s->options.cursor_us, CURSOR_US), gone = loop_now() - s->written_at;

    s->acked = *place;
    s->acked_seq = place->seq;
    if (!loop_timer_armed(&s->write))
        loop_timer_set(&s->write, s->written_at && gone < every ? every - gone : 1);
}

/* Until the centre's last record is seen to be this log's the keeper may rely on nothing. */
static void revoke(struct shipper *s)
{
    const struct ship_place nothing = {0};

    remember(s, &nothing);
    write_cursor(s);
}

static void measure(struct shipper *s)
{
    if (s->newest.seq <= s->acked_seq)
        s->acked_us = loop_wall();
}

/* ---- alarms ---- */

static void alarm_at(struct shipper *s, enum ship_alarm_kind kind, const struct ship_place *here,
                     const struct ship_place *there, const char *why)
{
    const struct ship_alarm alarm = {kind, *here, *there, why};
    int r;

    s->alarms[kind]++;
    note(s, why);
    log_error("alarm",
              "sink=%s kind=%s here=%" PRIu64 "/%" PRIu64 " there=%" PRIu64 "/%" PRIu64 " why=%s",
              s->options.name, ship_alarm_name(kind), here->epoch, here->seq, there->epoch,
              there->seq, log_quote(slice_str(why)).text);
    r = s->sink->kind->alarm(s->sink, &alarm);
    if (r < 0)
        log_error("alarm_lost", "sink=%s kind=%s why=\"%s\"", s->options.name,
                  ship_alarm_name(kind), strerror(-r));
}

/* The log is not what it should be: once is no proof yet. */
static void is_amiss(struct shipper *s, enum ship_alarm_kind kind)
{
    uint64_t wait = or_usual(s->options.suspect_us, SUSPECT_US), now = loop_now();

    if (!s->amiss) {
        s->amiss = true;
        s->amiss_at = now;
        s->alarmed = false;
        log_warning("suspect", "sink=%s why=%s", s->options.name,
                    log_quote(slice_str(s->tail.why)).text);
    }
    if (now - s->amiss_at < wait) {
        enter(s, SHIPPER_SUSPECT);
        loop_timer_set(&s->again, wait);
        return;
    }
    if (!s->alarmed || s->kind != kind)
        alarm_at(s, kind, &s->tail.here, &s->sent, s->tail.why);
    /* What was acknowledged may have been of the other log. One that is shorter than that the
     * keeper finds by itself. */
    if (!s->compared && s->acked.seq && s->acked.seq <= s->tail.here.seq)
        revoke(s);
    s->alarmed = true;
    s->kind = kind;
    enter(s, SHIPPER_STOPPED);
    loop_timer_set(&s->again, or_usual(s->options.stopped_us, STOPPED_US));
}

static void is_well(struct shipper *s)
{
    if (s->amiss)
        log_info("well", "sink=%s why=\"the log is what it was\"", s->options.name);
    s->amiss = s->alarmed = false;
}

static void on_gap(struct shipper *s)
{
    alarm_at(s, SHIP_MISSING, &s->tail.here, &s->sent, s->tail.why);
    enter(s, SHIPPER_SHIPPING);
    loop_defer_next(s->loop, &s->work);
}

/* Something of this host failed, perhaps the disk: what was read is not believed. */
static void on_failure(struct shipper *s, int failed)
{
    char why[SHIP_WHY];

    (void)snprintf(why, sizeof(why), "%s", s->tail.why[0] ? s->tail.why : segment_strerror(failed));
    if (strcmp(why, s->why) != 0)
        log_error("audit_read", "sink=%s why=%s", s->options.name, log_quote(slice_str(why)).text);
    note(s, why);
    segment_distrust(&s->tail.reader);
    tail_rest(&s->tail);
    enter(s, SHIPPER_SUSPECT);
    loop_timer_set(&s->again, or_usual(s->options.retry_us, RETRY_US));
}

/* ---- working ---- */

/* The centre's last record is the local log's, too. */
static void on_found(struct shipper *s)
{
    if (!s->compared) {
        s->compared = true;
        s->sent = s->tail.last;
        remember(s, &s->sent);
        measure(s);
    }
    enter(s, SHIPPER_SHIPPING);
    loop_defer(s->loop, &s->work);
}

/* What it had acknowledged before is more than it has. */
static void check_behind(struct shipper *s)
{
    const struct ship_place had = s->acked;

    s->measured = true;
    if (had.seq <= s->sent.seq)
        return;
    alarm_at(s, SHIP_BEHIND, &had, &s->sent,
             "the centre has lost records that it had acknowledged; they are sent again");
    revoke(s);
}

static void go_looking(struct shipper *s)
{
    int r;

    if (!s->measured)
        check_behind(s);
    r = tail_look(&s->tail);
    switch (r) {
    case TAIL_BUSY:
        loop_defer_next(s->loop, &s->work);
        break;
    case TAIL_FOUND:
        on_found(s);
        break;
    case TAIL_GONE:
        s->compared = true;
        on_gap(s);
        break;
    case TAIL_END: /* there is no log at all; it is looked for again when something changes */
        break;
    case TAIL_ENDS:
    case TAIL_FOREIGN:
        is_amiss(s, SHIP_TRUNCATED);
        break;
    case TAIL_OTHER:
        is_amiss(s, SHIP_REWRITTEN);
        break;
    case TAIL_BROKEN:
        is_amiss(s, SHIP_BROKEN);
        break;
    case TAIL_LOST:
        tail_seek(&s->tail, &s->sent);
        loop_defer_next(s->loop, &s->work);
        break;
    default:
        on_failure(s, r);
    }
}

static void hand_over(struct shipper *s)
{
    const struct ship_batch *b = &s->held;
    struct flight *f = &s->flight[(s->first + s->n) % s->sink->kind->window];
    bool again = s->holding;
    int r = s->sink->kind->ship(s->sink, b);

    s->holding = r < 0;
    if (r < 0) {
        if (!again) /* it is asked with each wake */
            log_warning("sink_full", "sink=%s why=\"%s\"", s->options.name, strerror(-r));
        loop_timer_set(&s->again, or_usual(s->options.retry_us, RETRY_US));
        return;
    }
    s->sent = b->records[b->n - 1].place;
    *f = (struct flight){s->sent, b->n, s->tail.last_time};
    s->n++;
    loop_defer_next(s->loop, &s->work);
}

static void go_shipping(struct shipper *s)
{
    int r;

    if (s->draining || s->n == s->sink->kind->window)
        return;
    r = s->holding ? TAIL_BATCH : tail_next(&s->tail, &s->held);
    switch (r) {
    case TAIL_BATCH:
        is_well(s);
        hand_over(s);
        break;
    case TAIL_BUSY:
        loop_defer_next(s->loop, &s->work);
        break;
    case TAIL_END:
        is_well(s);
        break;
    case TAIL_GONE:
        on_gap(s);
        break;
    case TAIL_LOST:
        look(s);
        break;
    case TAIL_FOREIGN:
    case TAIL_BROKEN:
        s->tail.here = s->sent;
        is_amiss(s, r == TAIL_BROKEN ? SHIP_BROKEN : SHIP_TRUNCATED);
        break;
    default:
        on_failure(s, r);
    }
}

static void on_work(void *arg)
{
    struct shipper *s = arg;

    if (s->conflicting)
        alarm_at(
            s, SHIP_CONFLICT, &s->here, &s->there,
            "the centre has another record at this place: two copies of this log are going on");
    s->conflicting = false;
    if (s->state == SHIPPER_LOOKING)
        go_looking(s);
    else if (s->state == SHIPPER_SHIPPING)
        go_shipping(s);
}

static void on_again(void *arg)
{
    struct shipper *s = arg;

    if (s->state == SHIPPER_SUSPECT || s->state == SHIPPER_STOPPED)
        look(s);
    else
        shipper_wake(s);
}

void shipper_wake(struct shipper *s)
{
    if (s->state == SHIPPER_LOOKING || s->state == SHIPPER_SHIPPING)
        loop_defer(s->loop, &s->work);
}

/* ---- what the sink tells ---- */

static void on_ready(void *arg, const struct ship_place *head)
{
    struct shipper *s = arg;

    if (s->state != SHIPPER_DOWN)
        return;
    log_info("sink_ready", "sink=%s head=%" PRIu64, s->options.name, head->seq);
    s->why[0] = '\0';
    s->n = 0;
    s->sent = *head;
    s->measured = s->compared = false;
    look(s);
}

static void on_acknowledged(void *arg, uint64_t seq)
{
    struct shipper *s = arg;

    if (s->state == SHIPPER_DOWN || seq <= s->acked_seq || seq > s->sent.seq)
        return;
    while (s->n && s->flight[s->first].last.seq <= seq) {
        const struct flight *f = &s->flight[s->first];

        s->records += f->records;
        s->batches++;
        s->acked_us = f->time_us;
        remember(s, &f->last);
        s->first = (s->first + 1) % s->sink->kind->window;
        s->n--;
    }
    s->acked_seq = seq;
    measure(s);
    shipper_wake(s);
}

static void on_conflict(void *arg, const struct ship_place *here, const struct ship_place *there)
{
    struct shipper *s = arg;

    if (s->state == SHIPPER_DOWN)
        return;
    s->conflicting = true;
    s->here = *here;
    s->there = *there;
    loop_defer(s->loop, &s->work);
    s->n = 0;
    s->holding = false;
    loop_timer_clear(&s->again);
    tail_rest(&s->tail);
    enter(s, SHIPPER_STOPPED);
}

static void on_lost(void *arg, const char *why)
{
    struct shipper *s = arg;

    if (s->state != SHIPPER_DOWN || strcmp(why, s->why) != 0)
        log_warning("sink_lost", "sink=%s why=%s", s->options.name, log_quote(slice_str(why)).text);
    note(s, why);
    s->n = 0;
    s->holding = s->amiss = s->alarmed = s->conflicting = false;
    loop_timer_clear(&s->again);
    tail_rest(&s->tail);
    enter(s, SHIPPER_DOWN);
}

static const struct sink_events EVENTS = {on_ready, on_acknowledged, on_conflict, on_lost};

/* ---- beginning and end ---- */

static int start(struct shipper *s, struct err *err)
{
    const struct shipper_options *o = &s->options;
    int r = tail_init(&s->tail, o->audit, &o->log);

    s->flight = calloc(s->sink->kind->window, sizeof(*s->flight));
    if (r < 0 || !s->flight)
        return err_set(err, -ENOMEM, "out of memory");
    r = cursor_open(&s->cursor, o->state, o->name, o->receipt, &o->log, err);
    if (r < 0)
        return r;
    s->acked = (struct ship_place){s->cursor.at.epoch, s->cursor.at.seq, s->cursor.at.hash};
    s->acked_seq = s->acked.seq;
    s->acked_us = s->acked.seq ? cursor_time(&s->cursor) : loop_wall();
    r = s->sink->kind->start(s->sink, s->loop, &o->log, o->host, &EVENTS, s);
    return r < 0 ? err_set(err, r, "%s: %s", o->name, strerror(-r)) : 0;
}

int shipper_new(struct shipper **out, struct loop *loop, const struct shipper_options *options,
                struct sink *sink, struct err *err)
{
    struct shipper *s = calloc(1, sizeof(*s));
    int r;

    if (!s) {
        sink->kind->free(sink);
        return err_set(err, -ENOMEM, "out of memory");
    }
    s->loop = loop;
    s->options = *options;
    s->sink = sink;
    s->work = (struct loop_hook){.run = on_work, .arg = s};
    loop_timer_init(&s->again, loop, on_again, s);
    loop_timer_init(&s->write, loop, on_write, s);
    r = start(s, err);
    if (r < 0)
        shipper_free(s);
    else
        *out = s;
    return r;
}

void shipper_free(struct shipper *s)
{
    if (!s)
        return;
    s->sink->kind->free(s->sink);
    if (loop_timer_armed(&s->write))
        write_cursor(s);
    loop_cancel(s->loop, &s->work);
    loop_timer_deinit(&s->again);
    loop_timer_deinit(&s->write);
    tail_deinit(&s->tail);
    free(s->flight);
    free(s);
}

void shipper_newest(struct shipper *s, const struct newest *newest)
{
    s->newest = *newest;
    measure(s);
}

void shipper_drain(struct shipper *s)
{
    s->draining = true;
}

bool shipper_idle(const struct shipper *s)
{
    return s->n == 0;
}

void shipper_report(struct shipper_report *out, const struct shipper *s)
{
    uint64_t now = loop_wall();

    *out = (struct shipper_report){
        .name = s->options.name,
        .kind = s->sink->kind->name,
        /* While it looks whether things are well again, they aren't. */
        .state = s->alarmed && s->state != SHIPPER_DOWN ? SHIPPER_STOPPED : s->state,
        .receipt = s->options.receipt,
        .acknowledged = s->acked_seq,
        .records = s->records,
        .batches = s->batches,
        .under_way = s->n,
        .why = s->why,
        .cursor_failed = s->cursor_failed,
    };
    if (s->newest.seq > s->acked_seq) {
        out->lag_records = s->newest.seq - s->acked_seq;
        out->lag_us = now > s->acked_us ? now - s->acked_us : 0;
    }
    memcpy(out->alarms, s->alarms, sizeof(out->alarms));
}
