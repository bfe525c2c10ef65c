/* The life of a connection with many calls, and of each of them. */
#include "proxy/upstream/h2_conn.h"
#include "unit/proxy/h2/h2_fixture.h"
#include "unit/proxy/upstream/h2_conn_fixture.h"
#include "unit/unit.h"

#include <nghttp2/nghttp2.h>
#include <sys/socket.h>

static void waits_for_settings(void)
{
    struct world *w = open_only(FAR, FAR, FAR);

    (void)queue_call(w, 2);
    CU_ASSERT_TRUE(h2_conn_opening(w->h2_conn));
    CU_ASSERT_EQUAL(h2_conn_wake(w->h2_conn), 0);
    run(w, 2000);
    CU_ASSERT_TRUE(hear(w));
    CU_ASSERT_EQUAL(w->nexts, 0);
    f_settings(&w->in, S_STREAMS, 1);
    say(w);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_HEADERS, 0, NULL), 1);
    finish(w);
    /* None come. */
    w = open_only(TIMEOUT, FAR, FAR);
    (void)queue_call(w, 2);
    run(w, 2 * TIMEOUT);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_FALSE(w->opened);
    CU_ASSERT_PTR_NOT_NULL(strstr(w->why, "settings"));
    finish(w);
    /* It hangs up instead. */
    w = open_only(FAR, FAR, FAR);
    hang_up(w);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_FALSE(w->opened);
    finish(w);
}

static void goaway(void)
{
    struct world *w = begin();

    calls(w, 3, 2);
    f_goaway(&w->in, 3, 0);
    say(w);
    CU_ASSERT_EQUAL(h2_conn_room(w->h2_conn), 0);
    CU_ASSERT_EQUAL(w->all[2].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->all[2].sent, WIRE_SENT_ALL); /* so the outcome is unknown */
    CU_ASSERT_PTR_NOT_NULL(strstr(w->all[2].why, "GOAWAY"));
    CU_ASSERT_EQUAL(w->gones, 0);
    answer(w, 0, "ok");
    answer(w, 1, "ok");
    say(w);
    CU_ASSERT_EQUAL(w->welled, 2);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

static void refused(void)
{
    struct world *w = begin();

    calls(w, 2, 2);
    f_number(&w->in, F_RST, 1, NGHTTP2_REFUSED_STREAM);
    answer(w, 1, "ok");
    say(w);
    CU_ASSERT_EQUAL(w->all[0].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->all[0].sent, WIRE_SENT_ALL);
    CU_ASSERT_PTR_NOT_NULL(strstr(w->all[0].why, "REFUSED_STREAM"));
    CU_ASSERT_EQUAL(w->all[1].ends, 1);
    CU_ASSERT_EQUAL(w->gones, 0);
    finish(w);
}

static void broken_rules_end_all(void)
{
    struct world *w = begin();

    calls(w, 2, 2);
    f_data(&w->in, 0, "x", false);
    say(w);
    CU_ASSERT_EQUAL(w->all[0].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->all[1].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

static void one_late_stream(void)
{
    struct world *w = begin_with(TIMEOUT, FAR, 100);
    struct seen f = {0};

    calls(w, 2, 2);
    f_answer(&w->in, 3, "200", "", false);
    say(w);
    for (unsigned i = 0; i < 6; i++) { /* the other goes on, piece by piece */
        run(w, TIMEOUT / 4);
        f_data(&w->in, 3, "x", false);
        CU_ASSERT_EQUAL(send(w->peer, buf_slice(&w->in).data, buf_len(&w->in), 0),
                        (ssize_t)buf_len(&w->in));
        buf_reset(&w->in, SIZE_MAX);
    }
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].failed, UPSTREAM_TIMEOUT + 1);
    CU_ASSERT_EQUAL(w->all[0].sent, WIRE_SENT_ALL);
    CU_ASSERT_TRUE(hear(w));
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_RST, 1, &f), 1);
    CU_ASSERT_EQUAL(f_read(f.payload, 0), NGHTTP2_CANCEL);
    CU_ASSERT_EQUAL(w->all[1].failed, 0);
    CU_ASSERT_EQUAL(h2_conn_room(w->h2_conn), 99); /* it was not silent: it stays in use */
    f_data(&w->in, 3, "x", true);
    say(w);
    CU_ASSERT_EQUAL(w->all[1].ends, 1);
    finish(w);
}

/* Nothing at all came: it may be dead, so it is used no more. */
static void silence(void)
{
    struct world *w = begin_with(TIMEOUT, FAR, 100);

    calls(w, 1, 2);
    run(w, 2 * TIMEOUT);
    CU_ASSERT_EQUAL(w->all[0].failed, UPSTREAM_TIMEOUT + 1);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

static void idle(void)
{
    struct world *w = begin_with(FAR, TIMEOUT, 100);

    calls(w, 1, 2);
    answer(w, 0, "ok");
    say(w);
    run(w, TIMEOUT / 2);
    CU_ASSERT_EQUAL(w->gones, 0);
    run(w, TIMEOUT);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_FALSE(hear(w)); /* with a word */
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_GOAWAY, 0, NULL), 1);
    finish(w);
}

static void resume(struct one *o)
{
    o->call->paused = false;
    h2_conn_update(o->call);
}

static void a_paused_call_stops_no_other(void)
{
    static char piece[16000];
    struct world *w = begin_with(TIMEOUT, FAR, 100);

    queue_call(w, 2)->act = PAUSE_IN_HEAD;
    calls(w, 1, 2);
    f_answer(&w->in, 1, "200", "", false);
    for (unsigned i = 0; i < 4; i++)
        f_frame(&w->in, F_DATA, 0, 1, piece, sizeof(piece));
    f_data(&w->in, 1, "x", true);
    f_answer(&w->in, 3, "200", "", false);
    for (unsigned i = 0; i < 200; i++) { /* 3.2 MB, three times the connection's window */
        f_frame(&w->in, F_DATA, 0, 3, piece, sizeof(piece));
        if (i % 10 == 9)
            say(w);
    }
    f_data(&w->in, 3, "", true);
    say(w);
    CU_ASSERT_EQUAL(w->all[1].ends, 1);
    CU_ASSERT_EQUAL(w->all[1].body_len, 200 * sizeof(piece));
    CU_ASSERT_EQUAL(w->all[0].body_len, 0);
    CU_ASSERT_EQUAL(w->all[0].ends, 0);
    run(w, 2 * TIMEOUT); /* no time runs for it */
    CU_ASSERT_EQUAL(w->all[0].failed, 0);
    resume(&w->all[0]);
    CU_ASSERT_EQUAL(w->all[0].body_len, 0); /* never from within */
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].body_len, 4 * sizeof(piece) + 1);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    finish(w);
}

static void paused_again_and_again(void)
{
    struct world *w = begin();

    queue_call(w, 2)->act = PAUSE_IN_BODY;
    calls(w, 0, 0);
    f_answer(&w->in, 1, "200", "", false);
    for (unsigned i = 0; i < 5; i++)
        f_data(&w->in, 1, "ab", i == 4);
    say(w);
    CU_ASSERT_EQUAL(w->all[0].body_len, 2);
    resume(&w->all[0]);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].body_len, 10);
    CU_ASSERT_EQUAL(w->all[0].ends, 0); /* it paused again */
    resume(&w->all[0]);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    finish(w);
}

/* Two answers that are here as a whole and one that isn't; all three are paused. */
static struct world *held(void)
{
    struct world *w = begin();

    for (unsigned i = 0; i < 3; i++)
        queue_call(w, 2)->act = PAUSE_IN_HEAD;
    calls(w, 0, 0);
    answer(w, 0, "ok");
    f_answer(&w->in, 3, "200", "", false);
    answer(w, 2, "");
    say(w);
    CU_ASSERT_EQUAL(w->all[0].heads + w->all[1].heads + w->all[2].heads, 3);
    return w;
}

static void an_answer_outlives_its_connection(void)
{
    struct world *w = held();

    hang_up(w);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->lands, 1);
    CU_ASSERT_EQUAL(w->gones, 0);
    CU_ASSERT_EQUAL(h2_conn_room(w->h2_conn), 0);
    CU_ASSERT_EQUAL(w->all[1].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->all[0].failed + w->all[2].failed, 0);
    resume(&w->all[0]);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].body_len, 2);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    CU_ASSERT_EQUAL(w->gones, 0);
    resume(&w->all[2]);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[2].ends, 1);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_EQUAL(w->welled, 2);
    finish(w);

    w = held(); /* resumed in the turn in which it ends */
    resume(&w->all[0]);
    drop(&w->all[2]);
    hang_up(w);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);

    w = held(); /* nobody wants it any more */
    hang_up(w);
    run(w, 2000);
    drop(&w->all[0]);
    CU_ASSERT_EQUAL(w->gones, 0);
    drop(&w->all[2]);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);

    w = held(); /* freed with answers on it */
    hang_up(w);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->lands, 1);
    finish(w);
}

/* The first that is taken shows that the connection is of no use any more. */
static void goaway_and_all_answers_held(void)
{
    struct world *w = begin();

    for (unsigned i = 0; i < 3; i++)
        queue_call(w, 2)->act = PAUSE_IN_HEAD;
    calls(w, 0, 0);
    f_goaway(&w->in, 5, 0);
    for (unsigned i = 0; i < 3; i++)
        answer(w, i, "ok");
    say(w);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(w->all[i].failed, 0);
        resume(&w->all[i]);
        run(w, 2000);
        CU_ASSERT_EQUAL(w->all[i].ends, 1);
        CU_ASSERT_EQUAL(w->lands, 1);
        CU_ASSERT_EQUAL(w->gones, i == 2);
    }
    finish(w);
}

static void dropping(void)
{
    struct world *w = begin();

    queue_call(w, 2)->act = DROP_IN_HEAD;
    calls(w, 2, 2);
    drop(&w->all[1]);
    run(w, 2000);
    (void)hear(w);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_RST, 3, NULL), 1);
    answer(w, 0, "ok");
    answer(w, 1, "ok");
    answer(w, 2, "ok");
    say(w);
    CU_ASSERT_EQUAL(w->all[0].heads, 1);
    CU_ASSERT_EQUAL(w->all[0].body_len + w->all[0].ends, 0);
    CU_ASSERT_EQUAL(w->all[1].heads, 0);
    CU_ASSERT_EQUAL(w->all[2].ends, 1);
    CU_ASSERT_EQUAL(h2_conn_calls(w->h2_conn), 0);
    CU_ASSERT_EQUAL(h2_conn_room(w->h2_conn), 100);
    finish(w);
}

static void freed_from_within(void)
{
    for (unsigned act = FREE_IN_HEAD; act <= FREE_IN_END; act++) {
        struct world *w = begin();

        queue_call(w, 2)->act = act;
        calls(w, 2, 2);
        answer(w, 0, "ok");
        answer(w, 1, "ok");
        say(w);
        CU_ASSERT_EQUAL(w->gones, 1);
        CU_ASSERT_EQUAL(w->all[0].ends, act == FREE_IN_END);
        CU_ASSERT_EQUAL(w->all[1].heads, 0);
        finish(w);
    }
}

static void leaving(void)
{
    struct world *w = begin();

    calls(w, 1, 2);
    h2_conn_drain(w->h2_conn);
    CU_ASSERT_EQUAL(h2_conn_room(w->h2_conn), 0);
    CU_ASSERT_EQUAL(w->gones, 0);
    answer(w, 0, "ok");
    say(w);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
    w = begin();
    h2_conn_drain(w->h2_conn);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

/* It leaves before a server would tell it to, amid a batch. */
static void not_for_ever(void)
{
    struct world *w = begin();
    unsigned sent = 0;

    while (w->h2_conn && sent < CALLS - 100) {
        unsigned before = w->nexts;

        calls(w, 70, 2); /* of which 900 is no multiple */
        if (!w->h2_conn)
            break;
        for (; sent < w->n && w->all[sent].call && w->all[sent].call->h2_conn; sent++)
            answer(w, sent, "ok");
        say(w);
        CU_ASSERT_TRUE(w->nexts > before || h2_conn_room(w->h2_conn) == 0);
    }
    (void)(w->h2_conn ? h2_conn_wake(w->h2_conn) : 0);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_EQUAL(w->welled, 900);
    finish(w);
}

static const struct unit_case CASES[] = {
    {"waits for settings", waits_for_settings},
    {"GOAWAY", goaway},
    {"refused", refused},
    {"broken rules end all", broken_rules_end_all},
    {"one late stream", one_late_stream},
    {"silence", silence},
    {"idle", idle},
    {"a paused call stops no other", a_paused_call_stops_no_other},
    {"paused again and again", paused_again_and_again},
    {"an answer outlives its connection", an_answer_outlives_its_connection},
    {"GOAWAY and all answers held", goaway_and_all_answers_held},
    {"dropping", dropping},
    {"freed from within", freed_from_within},
    {"leaving", leaving},
    {"not for ever", not_for_ever},
};
UNIT_MAIN("h2_conn", CASES)
