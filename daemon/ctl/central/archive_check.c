#include "ctl/central/archive_check.h"

#include "audit/parse.h"

#include <errno.h>
#include <inttypes.h>

static const struct chain_hash ZEROS;

static const char TWO_RECORDS[] =
    "two different records have this place: two copies of the log went on, or one was rewritten";

int archive_check_init(struct archive_check *c, const struct archive_check_options *options)
{
    int r;

    *c = (struct archive_check){.o = *options};
    r = verify_init(&c->v);
    return r < 0 ? r : chain_new(&c->chain);
}

void archive_check_deinit(struct archive_check *c)
{
    verify_deinit(&c->v);
    chain_free(c->chain);
    c->chain = NULL;
}

/* ---- findings ---- */

static void flush(struct archive_check *c)
{
    if (c->held.what)
        c->o.found(c->o.arg, &c->held);
    c->held.what = NULL;
}

static void copy_host(char to[ARCHIVE_HOST], const char *host)
{
    (void)snprintf(to, ARCHIVE_HOST, "%s", host ? host : "");
}

/* A neighbouring record with the same fault extends the last finding. */
static bool extends(const struct archive_check *c, const struct finding *g)
{
    return c->held.what && c->held.kind == g->kind && strcmp(c->held_what, g->what) == 0 &&
           g->first >= c->held.first && g->first <= c->held.last + 1 && g->kind != FINDING_GAP;
}

static void find(struct archive_check *c, enum finding_kind kind, uint64_t first, uint64_t last,
                 const char *what, const char *time, const char *host, const char *other)
{
    struct finding g = {.kind = kind,
                        .log = &c->o.log,
                        .host = c->held_host,
                        .other = c->held_other,
                        .first = first,
                        .last = last,
                        .what = what};

    if (extends(c, &g)) {
        c->held.last = last > c->held.last ? last : c->held.last;
        return;
    }
    flush(c);
    c->held = g;
    copy_host(c->held_host, host);
    copy_host(c->held_other, other);
    (void)snprintf(c->held_what, sizeof(c->held_what), "%s", what);
    c->held.what = c->held_what;
    if (time && time[0]) {
        memcpy(c->held_time, time, SEAL_TIME);
        c->held.time = c->held_time;
    }
}

static void find_here(struct archive_check *c, enum finding_kind kind,
                      const struct archive_item *item, const char *what)
{
    find(c, kind, item->record->seq, item->record->seq, what,
         item->sound ? item->line.time.data : c->time, item->record->host, NULL);
}

/* ---- what the log says of itself ---- */

/* `,"heartbeat":N` at the end of a start record. */
static void note_start(struct archive_check *c, const struct line *line)
{
    static const char NAME[] = ",\"heartbeat\":";
    const char *at = memmem(line->rest.data, line->rest.len, NAME, sizeof(NAME) - 1);
    struct slice s =
        at ? slice_of(at + sizeof(NAME) - 1,
                      line->rest.len - (size_t)(at - line->rest.data) - sizeof(NAME) + 1)
           : SLICE_NULL;
    uint64_t seconds;

    c->heartbeat_s = at && parse_number(&s, &seconds) && s.len == 0 ? seconds : 0;
}

/* The record is the log's last one now, whatever is wrong with it. */
static void note(struct archive_check *c, const struct archive_item *item)
{
    const struct archive_record *r = item->record;
    enum line_type type = item->line.type;

    c->seq = r->seq;
    c->hash = item->sound ? item->line.hash : r->hash;
    c->received_us = r->received_us;
    copy_host(c->host, r->host);
    if (!item->sound)
        return;
    memcpy(c->time, item->line.time.data, SEAL_TIME);
    c->time_us = line_time(&item->line);
    if (verify_unsigned(&c->v) == 0)
        c->loose_us = 0;
    else if (c->loose_us == 0)
        c->loose_us = r->received_us && r->received_us < c->time_us ? r->received_us : c->time_us;
    if (type != LINE_CHECKPOINT && type != LINE_EPOCH && type != LINE_SEGMENT)
        c->stopped = type == LINE_STOP;
    if (slice_eq(item->line.word, SLICE_LIT("start")))
        note_start(c, &item->line);
}

/* All heads are compared: the newest may have been taken from a log that was rewritten before. */
static void check_heads(struct archive_check *c, const struct archive_item *item)
{
    bool good = true;

    while (c->heads_past < c->o.n_heads && c->o.heads[c->heads_past].seq < item->record->seq)
        c->heads_past++;
    for (; c->heads_past < c->o.n_heads && c->o.heads[c->heads_past].seq == item->record->seq;
         c->heads_past++) {
        c->heads_seen++;
        good = good && chain_same(&c->o.heads[c->heads_past].hash, &item->line.hash);
    }
    if (!good)
        find_here(c, FINDING_REWRITTEN, item, "it is not the record that the head was taken of");
}

/* What stands beside the line, and what is known of it from elsewhere. */
static void check_beside(struct archive_check *c, const struct archive_item *item)
{
    const struct archive_record *r = item->record;
    uint64_t epoch = c->v.epoch - (item->line.type == LINE_EPOCH);

    if (!chain_same(&r->hash, &item->line.hash))
        find_here(c, FINDING_ALTERED, item, "the hash that the centre has for it is not its own");
    if (r->epoch != epoch)
        find_here(c, FINDING_ALTERED, item,
                  "the epoch that the centre has for it is not the one it was written in");
    check_heads(c, item);
    if (c->o.has_first_hash && r->seq == c->o.first &&
        !chain_same(&c->o.first_hash, &item->line.hash))
        find_here(c, FINDING_REWRITTEN, item, "it is not the first record that was noted");
}

/* ---- one record into the verifier ---- */

enum fit {
    FITS,
    UNFIT, /* it is no record, or its hash doesn't follow from the one before */
    WRONG, /* its hash does, but it doesn't belong there */
};

/* Whether the hash follows from the last one: 1 or 0, or -ENOMEM. */
static int follows(const struct archive_check *c, const struct archive_item *item)
{
    struct chain_hash hash;

    if (chain_hash(c->chain, &c->v.last, item->line.covered, &hash) < 0)
        return -ENOMEM;
    return chain_same(&hash, &item->line.hash);
}

static int feed(struct archive_check *c, struct archive_item *item)
{
    bool header = item->sound && item->line.type == LINE_SEGMENT;
    int r;

    if (!item->sound)
        return UNFIT;
    if (header && c->v.begun) {
        r = follows(c, item);
        if (r <= 0)
            return r < 0 ? r : UNFIT;
    }
    if (header)
        verify_segment(&c->v);
    item->why = verify_line(&c->v, item->record->line);
    if (!item->why)
        return FITS;
    if (item->why == VERIFY_NO_MEMORY)
        return -ENOMEM;
    r = follows(c, item);
    return r < 0 ? r : r ? WRONG : UNFIT;
}

/* The epoch in force when it was written: a header says so itself. */
static uint64_t item_epoch(const struct archive_item *item)
{
    struct record_segment s;

    if (item->sound && item->line.type == LINE_SEGMENT && !line_segment(&item->line, &s))
        return s.epoch;
    return item->record->epoch;
}

static void resume(struct archive_check *c, uint64_t seq, const struct chain_hash *hash,
                   uint64_t epoch)
{
    verify_resume(&c->v, &c->o.log, seq, hash, epoch);
    if (!c->v.verifier && c->given == 0)
        c->given = seq + 1;
}

/* An unproved hash is used as it is: the next record shows whether it was right. */
static void take_given(struct archive_check *c, const struct archive_item *item)
{
    resume(c, item->record->seq, &item->line.hash,
           item->record->epoch + (item->line.type == LINE_EPOCH));
}

/* ---- damage ---- */

static int bad_hashes(struct archive_check *c, const struct archive_item *item, bool follows_last)
{
    const struct chain_hash *column = &item->record->hash;

    c->bad.n = 0;
    c->bad.computed = false;
    if (item->sound)
        c->bad.hashes[c->bad.n++] = item->line.hash;
    if ((!item->sound || !chain_same(column, &item->line.hash)) && !chain_same(column, &ZEROS))
        c->bad.hashes[c->bad.n++] = *column;
    if (!item->sound || !follows_last)
        return 0;
    c->bad.computed = true;
    return chain_hash(c->chain, &c->v.last, item->line.covered, &c->bad.hashes[c->bad.n++]);
}

static int bad_begin(struct archive_check *c, const struct archive_item *item, bool follows_last)
{
    c->bad.first = c->bad.last = item->record->seq;
    c->bad.why = item->sound
                     ? "its bytes are not those that its hash was made of (or the record before it "
                       "was altered, and its hash made anew)"
                     : item->why;
    memcpy(c->bad.time, item->sound ? item->line.time.data : c->time, SEAL_TIME);
    copy_host(c->bad.host, item->record->host);
    return bad_hashes(c, item, follows_last);
}

static void bad_end(struct archive_check *c)
{
    if (c->bad.first)
        find(c, FINDING_ALTERED, c->bad.first, c->bad.last, c->bad.why, c->bad.time, c->bad.host,
             NULL);
    c->bad.first = 0;
}

static int settle(struct archive_check *c, struct archive_item *item, int fit, bool follows_last)
{
    int r = 0;

    if (fit == FITS) {
        check_beside(c, item);
    } else if (fit == UNFIT) {
        r = bad_begin(c, item, follows_last);
    } else if (fit == WRONG) {
        find_here(c, FINDING_BROKEN, item, item->why);
        take_given(c, item);
    } else {
        return fit;
    }
    note(c, item);
    return r;
}

/* The hash before it is not known: it is trusted, unless the record names it. */
static int behind_gap(struct archive_check *c, struct archive_item *item)
{
    unsigned char signature[SEAL_SIGNATURE];
    uint64_t seq = item->record->seq;
    struct seal_key next;
    struct record_segment s;
    struct seal seal;

    if (!item->sound)
        return settle(c, item, UNFIT, false);
    /* Some records name the hash of the one before. */
    if (item->line.type == LINE_SEGMENT && !line_segment(&item->line, &s))
        resume(c, seq - 1, &s.previous, s.epoch);
    else if ((item->line.type == LINE_CHECKPOINT || item->line.type == LINE_EPOCH) &&
             !line_seal(&item->line, &seal, &next, signature))
        resume(c, seq - 1, &seal.hash, item->record->epoch);
    else {
        take_given(c, item);
        return settle(c, item, FITS, false);
    }
    return settle(c, item, feed(c, item), false);
}

/* The record behind the damaged ones: does it follow from a hash that the last of them had? */
static int after_bad(struct archive_check *c, struct archive_item *item)
{
    int fit = UNFIT;
    size_t i;

    if (c->bad.n == 0) {
        bad_end(c);
        return behind_gap(c, item);
    }
    for (i = 0; fit == UNFIT && i < c->bad.n; i++) {
        resume(c, c->bad.last, &c->bad.hashes[i], item_epoch(item));
        fit = feed(c, item);
    }
    if (fit != UNFIT && c->bad.computed && i == c->bad.n && c->bad.first == c->bad.last)
        c->bad.why = "its hash was altered; its other bytes are what the record behind it follows";
    if (fit != UNFIT) {
        bad_end(c);
        return settle(c, item, fit, true);
    }
    c->bad.last = item->record->seq;
    note(c, item);
    return bad_hashes(c, item, false);
}

static int gap(struct archive_check *c, struct archive_item *item)
{
    uint64_t first = c->seq + 1, last = item->record->seq - 1;
    char what[160];

    bad_end(c);
    (void)snprintf(what, sizeof(what),
                   "%" PRIu64 " %s missing behind the record of that time: deleted, or never "
                   "shipped",
                   last - first + 1, first == last ? "record is" : "records are");
    find(c, FINDING_GAP, first, last, what, c->time, item->record->host, NULL);
    return behind_gap(c, item);
}

/* A record at a place that was read before. */
static int again(struct archive_check *c, struct archive_item *item)
{
    const struct archive_record *r = item->record;
    bool same = r->seq == c->seq && chain_same(item->sound ? &item->line.hash : &r->hash, &c->hash);
    const char *what = same ? "the record is there twice, in two epochs"
                       : r->seq == c->seq
                           ? TWO_RECORDS
                           : "a record with this number comes again behind later ones";
    char before[ARCHIVE_HOST];
    int fit = UNFIT;

    copy_host(before, c->host);
    /* The first of the two may be the wrong one. */
    if (c->bad.first == r->seq && c->bad.last == r->seq)
        fit = feed(c, item);
    if (fit < 0)
        return fit;
    if (fit != UNFIT)
        c->bad.first = 0;
    find(c, FINDING_FORK, r->seq, r->seq, what, item->sound ? item->line.time.data : c->time,
         before, r->host);
    c->fork_seq = r->seq;
    c->fork_hash = fit == UNFIT ? (item->sound ? item->line.hash : r->hash) : c->hash;
    return fit == UNFIT ? 0 : settle(c, item, fit, true);
}

/* The next one. Behind two records of one place it may follow the other one. */
static int next(struct archive_check *c, struct archive_item *item)
{
    int fit = feed(c, item);

    if (fit == UNFIT && item->sound && c->fork_seq == c->seq) {
        resume(c, c->seq, &c->fork_hash, item_epoch(item));
        fit = feed(c, item);
        if (fit == FITS)
            find_here(c, FINDING_FORK, item,
                      "it follows the other one of the two records before it");
    }
    return settle(c, item, fit, true);
}

/* ---- the whole ---- */

static void find_beginning(struct archive_check *c)
{
    char what[160];

    (void)snprintf(what, sizeof(what), "the log begins with seq %" PRIu64 ": %s", c->first,
                   c->o.retires ? "no record says that those before it were retired"
                                : "those before it were deleted, or never shipped");
    find(c, FINDING_GAP, c->o.first, c->first - 1, what, NULL, c->host, NULL);
}

static int begin(struct archive_check *c, struct archive_item *item)
{
    int fit;

    c->first = item->record->seq;
    c->first_hash = item->sound ? item->line.hash : item->record->hash;
    copy_host(c->host, item->record->host);
    if (c->first > c->o.first && !c->o.retires)
        find_beginning(c);
    if (item->sound && item->line.type != LINE_SEGMENT && c->first == 1)
        find_here(c, FINDING_BROKEN, item, "the log doesn't begin with its header");
    if (!item->sound || item->line.type != LINE_SEGMENT) {
        c->given = c->first > 1 ? c->first : 0;
        return behind_gap(c, item);
    }
    fit = feed(c, item);
    if (c->v.begun && memcmp(&c->v.log, &c->o.log, sizeof(c->o.log)) != 0) {
        find_here(c, FINDING_BROKEN, item, "its header is that of another log");
        c->v.log = c->o.log;
    }
    return settle(c, item, fit, true);
}

int archive_check_record(struct archive_check *c, const struct archive_record *record)
{
    struct archive_item item = {.record = record};

    item.why = line_read(record->line, &item.line);
    if (record->wrong)
        item.why = record->wrong;
    if (!item.why && item.line.seq != record->seq)
        item.why = "the line that stands there has another seq";
    item.sound = !item.why;
    c->records++;
    if (record->seq == 0) { /* of a centre that can hold anything */
        find(c, FINDING_ALTERED, 0, 0,
             "there is something among the records that is none of this log", c->time, record->host,
             NULL);
        return 0;
    }
    if (c->seq == 0)
        return begin(c, &item);
    if (record->seq <= c->seq)
        return again(c, &item);
    if (record->seq > c->seq + 1)
        return gap(c, &item);
    return c->bad.first ? after_bad(c, &item) : next(c, &item);
}

int archive_check_retired(struct archive_check *c, struct slice line, uint64_t before)
{
    const char *why = verify_retired(&c->v, line, before);

    if (!why)
        return 0;
    if (why == VERIFY_NO_MEMORY)
        return -ENOMEM;
    find(c, FINDING_BROKEN, 0, 0, why, NULL, "audit-retired.jsonl", NULL);
    verify_deinit(&c->v);
    return verify_init(&c->v);
}

void archive_check_end(struct archive_check *c)
{
    const struct verify_head *head = c->o.n_heads ? &c->o.heads[c->o.n_heads - 1] : NULL;
    char what[160];

    bad_end(c);
    if (c->o.retires && c->first > c->o.first && c->v.retired < c->first - 1)
        find_beginning(c);
    if (head && head->seq > c->seq) {
        (void)snprintf(what, sizeof(what),
                       "the log ends at seq %" PRIu64
                       " at the centre, but the head proves records up to %" PRIu64,
                       c->seq, head->seq);
        find(c, FINDING_TRUNCATED, c->seq + 1, head->seq, what, c->time, c->host, NULL);
    }
    flush(c);
}

bool archive_check_unproved(const struct archive_check *c)
{
    return c->first > 1 && !c->v.proved &&
           !(c->o.has_first_hash && c->first == c->o.first && c->given != c->first);
}
