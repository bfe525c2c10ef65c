/* What such a connection reads and writes: which calls go out, in which write, and how far. */
#include "proxy/upstream/h2_conn.h"
#include "unit/proxy/h2/h2_fixture.h"
#include "unit/proxy/upstream/h2_conn_fixture.h"
#include "unit/unit.h"

static void all_calls_of_a_turn_in_one_write(void)
{
    struct world *w = begin();

    calls(w, 64, 100);
    CU_ASSERT_EQUAL(w->writes, 1);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_HEADERS, 0, NULL), 64);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_DATA, 0, NULL), 64);
    CU_ASSERT_EQUAL(h2_conn_calls(w->h2_conn), 64);
    for (unsigned i = 0; i < 64; i++) {
        CU_ASSERT_EQUAL(h2_conn_sent(w->all[i].call), WIRE_SENT_ALL);
        CU_ASSERT_EQUAL(buf_len(&w->all[i].call->request), 0); /* a credential no longer needed */
        CU_ASSERT_PTR_NULL(w->all[i].call->request.data);
        answer(w, i, "ok");
    }
    say(w);
    for (unsigned i = 0; i < 64; i++) {
        CU_ASSERT_EQUAL(w->all[i].ends, 1);
        CU_ASSERT_EQUAL(w->all[i].body_len, 2);
    }
    CU_ASSERT_EQUAL(w->welled, 64);
    CU_ASSERT_EQUAL(h2_conn_calls(w->h2_conn), 0);
    CU_ASSERT_TRUE(h2_conn_used(w->h2_conn));
    finish(w);
}

static void not_more_than_the_peer_allows(void)
{
    struct world *w = begin_with(FAR, FAR, 2);

    calls(w, 5, 2);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_HEADERS, 0, NULL), 2);
    CU_ASSERT_EQUAL(h2_conn_room(w->h2_conn), 0);
    answer(w, 0, "ok");
    say(w);
    CU_ASSERT_EQUAL(f_count(buf_slice(&w->sent), F_HEADERS, 0, NULL), 1);
    f_settings(&w->in, S_STREAMS, 4);
    say(w);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    answer(w, 1, "ok");
    say(w);
    CU_ASSERT_EQUAL(h2_conn_calls(w->h2_conn) + w->welled, 5);
    finish(w);
    w = open_only(FAR, FAR, FAR);
    f_settings(&w->in, S_STREAMS, 0);
    say(w);
    CU_ASSERT_TRUE(h2_conn_opening(w->h2_conn)); /* it may still come */
    finish(w);
}

/* The peer's end is seen before calls are taken: they stay the owner's. */
static void closed_before_the_turn(void)
{
    struct world *w = begin();

    (void)queue_call(w, 2);
    CU_ASSERT_EQUAL(h2_conn_wake(w->h2_conn), 100);
    hang_up(w);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->nexts, 0);
    CU_ASSERT_EQUAL(w->gones, 1);
    CU_ASSERT_TRUE(w->opened);
    CU_ASSERT_EQUAL(w->all[0].failed, 0);
    CU_ASSERT_PTR_NOT_NULL(call_ring_first(&w->queue));
    finish(w);
    w = begin();
    (void)queue_call(w, 2);
    CU_ASSERT_EQUAL(h2_conn_wake(w->h2_conn), 100);
    f_goaway(&w->in, 0, 0);
    say(w);
    CU_ASSERT_EQUAL(w->nexts, 0);
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

static void closed_after_the_requests(void)
{
    struct world *w = begin();

    calls(w, 3, 2);
    f_answer(&w->in, 3, "200", "", false);
    say(w);
    hang_up(w);
    run(w, 2000);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(w->all[i].failed, UPSTREAM_BROKEN + 1);
        CU_ASSERT_EQUAL(w->all[i].sent, WIRE_SENT_ALL);
        CU_ASSERT_EQUAL(w->all[i].heads, i == 1);
        CU_ASSERT_EQUAL(w->all[i].ends, 0);
    }
    CU_ASSERT_EQUAL(w->gones, 1);
    finish(w);
}

/* More than the peer's window: part of it is on its way, the rest waits. */
static void closed_within_a_request(void)
{
    struct world *w = begin();

    calls(w, 1, 100000);
    CU_ASSERT_EQUAL(h2_conn_sent(w->all[0].call), WIRE_SENT_PARTIAL);
    hang_up(w);
    run(w, 2000);
    CU_ASSERT_EQUAL(w->all[0].failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w->all[0].sent, WIRE_SENT_PARTIAL);
    finish(w);
    w = begin();
    calls(w, 1, 100000);
    f_number(&w->in, F_WINDOW, 0, 100000);
    f_number(&w->in, F_WINDOW, 1, 100000);
    say(w);
    CU_ASSERT_EQUAL(h2_conn_sent(w->all[0].call), WIRE_SENT_ALL);
    answer(w, 0, "ok");
    say(w);
    CU_ASSERT_EQUAL(w->all[0].ends, 1);
    finish(w);
}

/* The socket takes no more: what was offered may be on its way, what was not is still the owner's.
 */
static void a_socket_that_is_full(void)
{
    struct world *w = begin();
    unsigned taken = 0, all = 0, heard = 0;
    struct slice rest;
    struct seen f;

    for (unsigned i = 0; i < 90; i++)
        (void)queue_call(w, 6000);
    f_number(&w->in, F_WINDOW, 0, 1 << 30);
    say(w);
    (void)h2_conn_wake(w->h2_conn);
    run(w, 5000); /* nobody reads */
    CU_ASSERT_TRUE(h2_conn_calls(w->h2_conn) > 0 && h2_conn_calls(w->h2_conn) < 90);
    taken = h2_conn_calls(w->h2_conn);
    CU_ASSERT_EQUAL(taken, w->nexts);
    (void)hear(w); /* what got through; before any more can follow */
    rest = buf_slice(&w->sent);
    while (f_next(&rest, &f))
        heard += f.type == F_DATA && f.flags & END;
    hang_up(w);
    run(w, 5000);
    for (unsigned i = 0; i < 90; i++) {
        CU_ASSERT_EQUAL(w->all[i].failed, i < taken ? UPSTREAM_BROKEN + 1 : 0);
        if (i < taken)
            CU_ASSERT_NOT_EQUAL(w->all[i].sent, WIRE_SENT_NONE);
        all += w->all[i].sent == WIRE_SENT_ALL;
    }
    CU_ASSERT_TRUE(all < taken);
    CU_ASSERT_EQUAL(all, heard);
    finish(w);
}

static const struct unit_case CASES[] = {
    {"all calls of a turn in one write", all_calls_of_a_turn_in_one_write},
    {"not more than the peer allows", not_more_than_the_peer_allows},
    {"closed before the turn", closed_before_the_turn},
    {"closed after the requests", closed_after_the_requests},
    {"closed within a request", closed_within_a_request},
    {"a socket that is full", a_socket_that_is_full},
};
UNIT_MAIN("h2_io", CASES)
