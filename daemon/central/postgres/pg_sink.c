/*
 * Each query has a PQpipelineSync of its own behind it, so that it is a transaction of its own, and
 * its answer counts only when the sync's comes: that is after the commit. What was asked and not
 * answered yet is a ring, in the order of the answers.
 */
#include "central/postgres/pg_sink.h"

#include "central/postgres/pg_check.h"
#include "central/postgres/pg_link.h"
#include "central/postgres/pg_ship.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW = 4,     /* batches */
    ASKED_MAX = 16, /* queries; what the window leaves is for alarms */
    TIMEOUT_US = 30000000,
};

static const char STATEMENT[] = "ship";

enum what { SETTINGS, CHECK, PREPARE, HEAD, SHIP, ALARM };

struct asked {
    enum what what;
    bool answered; /* its sync is not there yet */
    size_t n;      /* SHIP: records */
    struct ship_place *places;
    union {
        struct pg_server server;    /* CHECK */
        struct ship_place head;     /* HEAD */
        struct pg_ship_answer ship; /* SHIP */
    };
};

struct pg_sink {
    struct sink sink;
    struct pg_target target;
    bool standby;
    uint64_t timeout_us;
    struct seal_key log;
    const char *host;
    const struct sink_events *events;
    void *arg;
    struct pg_link *link;
    bool up;
    bool conflicted; /* since it is up: nothing that is shipped counts */
    struct pg_server checked, best;
    uint64_t behind; /* the last record sent */
    struct asked asked[ASKED_MAX];
    size_t first, n, ships; /* of the ring; ships: batches in it */
    struct pg_scratch scratch;
};

static struct pg_sink *of(struct sink *sink)
{
    return (struct pg_sink *)sink;
}

static void forget_first(struct pg_sink *s)
{
    struct asked *a = &s->asked[s->first];

    s->ships -= a->what == SHIP;
    free(a->places);
    a->places = NULL;
    s->first = (s->first + 1) % ASKED_MAX;
    s->n--;
}

static void forget_all(struct pg_sink *s)
{
    while (s->n)
        forget_first(s);
}

/* Something was sent, or has not been: then the connection is given up. */
static bool await(struct pg_sink *s, enum what what, bool sent)
{
    PGconn *conn = pg_link_conn(s->link);

    if (!sent || PQpipelineSync(conn) != 1) {
        pg_link_fail(s->link, PQerrorMessage(conn));
        return false;
    }
    if (s->n == 0)
        pg_link_expect(s->link, s->timeout_us);
    s->asked[(s->first + s->n++) % ASKED_MAX] = (struct asked){.what = what};
    s->ships += what == SHIP;
    return true;
}

/* All that has to be known is asked in one go. */
static void on_open(void *arg)
{
    struct pg_sink *s = arg;
    PGconn *conn = pg_link_conn(s->link);

    forget_all(s);
    s->up = s->conflicted = false;
    if (await(s, SETTINGS,
              PQsendQueryParams(conn, PG_SETTINGS_QUERY, 0, NULL, NULL, NULL, NULL, 0) == 1) &&
        await(s, CHECK,
              PQsendQueryParams(conn, PG_CHECK_QUERY, 0, NULL, NULL, NULL, NULL, 0) == 1) &&
        await(s, PREPARE,
              PQsendPrepare(conn, STATEMENT, PG_SHIP_QUERY, PG_SHIP_PARAMS, PG_SHIP_TYPES) == 1) &&
        await(s, HEAD, pg_head_send(conn, &s->log) == 0))
        pg_link_flush(s->link);
}

static void fail_old(struct pg_sink *s, const struct pg_server *server)
{
    char why[PG_WHY];

    (void)snprintf(why, sizeof(why),
                   "an old primary: its timeline is %" PRIu64 ", another server's was %" PRIu64,
                   server->timeline, s->best.timeline);
    pg_link_fail(s->link, why);
}

/* Reads an answer; what fails here gives the connection up. */
static void take_answer(struct pg_sink *s, struct asked *a, const PGresult *result)
{
    const char *why = NULL;
    int r = 0;

    a->answered = true;
    switch (a->what) {
    case CHECK:
        why = pg_check_read(result, s->standby, &a->server);
        break;
    case HEAD:
        r = pg_head_answer(result, &a->head);
        break;
    case SHIP:
        r = pg_ship_answer(result, &a->ship);
        break;
    case SETTINGS:
    case PREPARE:
    case ALARM:
        break;
    }
    if (r < 0)
        why = "the server's answer is not one";
    if (why)
        pg_link_fail(s->link, why);
    else if (a->what == CHECK && a->server.system == s->best.system &&
             a->server.timeline < s->best.timeline)
        fail_old(s, &a->server);
    else if (a->what == CHECK)
        s->checked = a->server;
}

static void failed(struct pg_sink *s, enum what what, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *why = what == CHECK || what == PREPARE ? pg_check_failed(state) : NULL;
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    /* Without a SQLSTATE the message is libpq's own. */
    pg_link_fail(s->link, why ? why : text ? text : PQresultErrorMessage(result));
}

/* The batch is committed. Calls out last: the sink may be gone then. */
static void shipped(struct pg_sink *s, const struct pg_ship_answer *answer,
                    const struct ship_place *first, const struct ship_place *last)
{
    const struct sink_events *events = s->events;

    if (s->conflicted)
        return;
    if (s->standby && !answer->standby) {
        pg_link_fail(s->link, "the server doesn't wait for a standby any more");
    } else if (answer->behind) {
        pg_link_fail(s->link, "the archive ends before what was shipped to it last");
    } else if (answer->place == 0) {
        pg_link_useful(s->link);
        events->acknowledged(s->arg, last->seq);
    } else if (answer->place < first->seq || answer->place > last->seq) {
        pg_link_fail(s->link, "the server's answer is not one");
    } else {
        const struct ship_place here = first[answer->place - first->seq];
        const struct ship_place there = answer->there;

        s->conflicted = true;
        events->conflict(s->arg, &here, &there);
    }
}

static void settle(struct pg_sink *s)
{
    struct asked a = s->asked[s->first];

    s->asked[s->first].places = NULL;
    forget_first(s);
    pg_link_expect(s->link, s->n ? s->timeout_us : 0);
    if (!a.answered) {
        pg_link_fail(s->link, "the server left a question without an answer");
    } else if (a.what == HEAD) {
        s->up = true;
        s->best = s->checked;
        s->behind = a.head.seq;
        pg_link_settle(s->link);
        s->events->ready(s->arg, &a.head);
    } else if (a.what == SHIP) {
        shipped(s, &a.ship, a.places, a.places + a.n - 1);
    }
    free(a.places);
}

static void on_result(void *arg, PGresult *result)
{
    struct pg_sink *s = arg;
    struct asked *a = &s->asked[s->first];
    ExecStatusType status = PQresultStatus(result);
    bool synced = status == PGRES_PIPELINE_SYNC;

    if (s->n == 0)
        pg_link_fail(s->link, "the server answers what it was not asked");
    else if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        take_answer(s, a, result);
    else if (!synced)
        failed(s, a->what, result);
    PQclear(result);
    if (synced && s->n)
        settle(s);
}

/* Such as that a commit was not waited for: nothing in this pipeline can be relied on. */
static void on_warning(void *arg, const char *text)
{
    struct pg_sink *s = arg;
    char why[PG_WHY];

    if (s->ships == 0)
        return;
    (void)snprintf(why, sizeof(why), "not acknowledged, the server warns: %.200s", text);
    pg_link_fail(s->link, why);
}

static void on_lost(void *arg, const char *why)
{
    struct pg_sink *s = arg;

    forget_all(s);
    s->up = false;
    s->events->lost(s->arg, why);
}

static const struct pg_link_events LINK_EVENTS = {on_open, on_result, on_warning, on_lost};

static int pg_start(struct sink *sink, struct loop *loop, const struct seal_key *log,
                    const char *host, const struct sink_events *events, void *arg)
{
    struct pg_sink *s = of(sink);

    s->log = *log;
    s->host = host;
    s->events = events;
    s->arg = arg;
    return pg_link_new(&s->link, loop, &s->target, &LINK_EVENTS, s);
}

static int send_batch(struct pg_sink *s, PGconn *conn, const struct ship_batch *batch)
{
    struct ship_place *places = malloc(batch->n * sizeof(*places));
    uint64_t before = batch->records[0].place.seq - 1;
    int r;

    if (!places)
        return -ENOMEM;
    r = pg_ship_send(conn, STATEMENT, &s->scratch, &s->log, s->host,
                     s->behind < before ? s->behind : before, batch);
    if (r == -ENOBUFS)
        pg_link_fail(s->link, "a batch is larger than the archive takes");
    if (r == -ENOMEM || r == -ENOBUFS || !await(s, SHIP, r == 0)) {
        free(places);
        return r == -ENOMEM ? r : 0;
    }
    for (size_t i = 0; i < batch->n; i++)
        places[i] = batch->records[i].place;
    s->behind = places[batch->n - 1].seq;
    s->asked[(s->first + s->n - 1) % ASKED_MAX].places = places;
    s->asked[(s->first + s->n - 1) % ASKED_MAX].n = batch->n;
    pg_link_flush(s->link);
    return 0;
}

static int pg_ship(struct sink *sink, const struct ship_batch *batch)
{
    struct pg_sink *s = of(sink);
    PGconn *conn = s->up ? pg_link_conn(s->link) : NULL;

    if (!conn || s->conflicted)
        return 0; /* lost, which is reported in a moment; or nothing counts any more */
    if (s->ships == WINDOW || s->n == ASKED_MAX)
        return -ENOMEM;
    return send_batch(s, conn, batch);
}

static int pg_alarm(struct sink *sink, const struct ship_alarm *alarm)
{
    struct pg_sink *s = of(sink);
    PGconn *conn = s->up ? pg_link_conn(s->link) : NULL;

    if (!conn)
        return 0;
    if (s->n >= ASKED_MAX - WINDOW)
        return -ENOMEM;
    if (await(s, ALARM, pg_alarm_send(conn, &s->log, s->host, alarm) == 0))
        pg_link_flush(s->link);
    return 0;
}

static void pg_free(struct sink *sink)
{
    struct pg_sink *s = of(sink);

    pg_link_free(s->link);
    forget_all(s);
    pg_scratch_deinit(&s->scratch);
    pg_target_free(&s->target);
    free(s);
}

static const struct sink_kind PG_SINK = {
    .name = "postgresql",
    .start = pg_start,
    .ship = pg_ship,
    .alarm = pg_alarm,
    .free = pg_free,
    .window = WINDOW,
};

int pg_sink_new(struct sink **out, const struct pg_sink_options *options, struct err *err)
{
    struct pg_sink *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return err_set(err, -ENOMEM, "no memory");
    s->sink.kind = &PG_SINK;
    s->standby = options->standby;
    s->timeout_us = options->timeout_us ? options->timeout_us : TIMEOUT_US;
    s->scratch = PG_SCRATCH_INIT;
    r = pg_target_read(&s->target, options->url, options->passfile, false, err);
    if (r < 0) {
        pg_free(&s->sink);
        return r;
    }
    *out = &s->sink;
    return 0;
}
