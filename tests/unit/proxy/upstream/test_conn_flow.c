/* The pace of a connection: pausing, fairness, drips, time limits and calls that are dropped. */
#include "unit/proxy/upstream/conn_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void pause_and_resume(void)
{
    struct world w = {.pause_in_head = true};

    begin(&w);
    carry(&w, REQUEST);
    say(&w, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    say(&w, "def");
    CU_ASSERT_EQUAL(w.heads, 1);
    CU_ASSERT_EQUAL(w.body_len, 0);
    run(&w, 150000); /* longer than the response timeout: it doesn't count while paused */
    CU_ASSERT_EQUAL(w.failed, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.call);
    w.pause_in_body = true;
    w.call->paused = false;
    conn_update(w.conn);
    run(&w, 2000);
    CU_ASSERT_EQUAL(w.body_len, 3);
    CU_ASSERT_EQUAL(w.ends, 0);
    w.pause_in_body = false;
    w.call->paused = false;
    conn_update(w.conn);
    run(&w, 2000);
    CU_ASSERT_EQUAL(w.body_len, 6);
    CU_ASSERT_EQUAL(w.ends, 1);
    finish(&w);
}

static void resume(evutil_socket_t fd, short what, void *arg)
{
    struct world *w = arg;

    (void)fd;
    (void)what;
    w->call->paused = false;
    conn_update(w->conn);
}

/* It goes on and is closed in one turn: what is here is handed on before the end is looked at. */
static void resumed_and_closed_in_one_turn(void)
{
    struct world w = {.pause_in_head = true};
    struct event event;
    int fds[2];

    begin(&w);
    carry(&w, REQUEST);
    say(&w, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef");
    CU_ASSERT_EQUAL(w.heads, 1);
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    (void)event_assign(&event, loop_base(w.loop), fds[0], EV_READ, resume, &w);
    CU_ASSERT_EQUAL(event_add(&event, NULL), 0);
    CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1); /* ready first */
    (void)close(w.peer);
    w.peer = -1;
    run(&w, 2000);
    CU_ASSERT_EQUAL(w.failed, 0);
    CU_ASSERT_EQUAL(w.ends, 1);
    CU_ASSERT_EQUAL(w.body_len, 6);
    (void)close(fds[0]);
    (void)close(fds[1]);
    finish(&w);
}

/* What the peer can't write is what waits on its side, not in this process. */
static void a_large_answer_waits_at_the_peer(void)
{
    enum { ALL = 16 << 20, STEP = 1 << 20 };
    static char block[65536];
    struct world w = {.pause_every = STEP};
    size_t written = 0, ahead = 0, pauses = 0;

    memset(block, 'x', sizeof(block));
    begin(&w);
    carry(&w, REQUEST);
    say(&w, "HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n");
    while (w.call && pauses < 100) {
        size_t left = ALL - written;
        ssize_t n = left ? write(w.peer, block, left < sizeof(block) ? left : sizeof(block)) : 0;

        if (n > 0) {
            written += (size_t)n;
            continue;
        }
        if (w.call->paused) {
            ahead = written - w.body_total > ahead ? written - w.body_total : ahead;
            pauses++;
            w.call->paused = false;
            conn_update(w.conn);
        }
        run(&w, 1000);
    }
    CU_ASSERT_EQUAL(w.ends, 1);
    CU_ASSERT_EQUAL(w.body_total, ALL);
    CU_ASSERT(pauses >= ALL / STEP - 1);
    CU_ASSERT(ahead < 1 << 20); /* two socket buffers and what one connection may hold */
    finish(&w);
}

/* One turn hands on a bounded share, so that a fast peer can't starve the other connections. */
static void a_turn_has_its_share(void)
{
    static char block[150000];
    struct world w = {0};
    ssize_t n;

    memset(block, 'x', sizeof(block));
    begin(&w);
    carry(&w, REQUEST);
    say(&w, "HTTP/1.1 200 OK\r\nContent-Length: 16777216\r\n\r\n");
    n = write(w.peer, block, sizeof(block));
    CU_ASSERT(n > 100000);
    (void)event_base_loop(loop_base(w.loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    CU_ASSERT(w.body_total >= 16384);
    CU_ASSERT(w.body_total <= 2 * 65536);
    run(&w, 5000);
    CU_ASSERT_EQUAL(w.body_total, (size_t)n);
    finish(&w);
}

/* The time runs to the whole head: a byte now and then doesn't hold a connection for ever. */
static void a_head_that_drips(void)
{
    static const char HEAD[] = "HTTP/1.1 200 OK\r\nX-Long: ";
    struct world w = {0};

    begin(&w);
    carry(&w, REQUEST);
    run(&w, 2000);
    for (size_t i = 0; i < sizeof(HEAD) - 1 && w.failed == 0; i++) {
        CU_ASSERT_EQUAL(write(w.peer, HEAD + i, 1), 1);
        run(&w, 20000);
    }
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_TIMEOUT + 1);
    CU_ASSERT_EQUAL(w.heads, 0);
    finish(&w);
    w = (struct world){0};
    begin(&w);
    carry(&w, REQUEST);
    run(&w, 2000);
    for (size_t i = 0; i < 7 && w.failed == 0; i++) {
        say(&w, "HTTP/1.1 102 Wait\r\n\r\n");
        run(&w, 20000);
    }
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_TIMEOUT + 1);
    finish(&w);
}

/* Between pieces of a body the time starts again. */
static void a_slow_body_is_fine(void)
{
    struct world w = {0};

    begin(&w);
    carry(&w, REQUEST);
    say(&w, "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n");
    for (int i = 0; i < 15; i++) {
        run(&w, 10000);
        say(&w, "x");
    }
    CU_ASSERT_EQUAL(w.ends, 1);
    CU_ASSERT_EQUAL(w.failed, 0);
    finish(&w);
}

/* An early answer that the caller holds back, while the request still goes out. */
static void the_request_goes_on_while_paused(void)
{
    struct world w = {.pause_in_head = true};
    char *big = malloc(4000001), *drain = malloc(400000);
    size_t got = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(big);
    CU_ASSERT_PTR_NOT_NULL_FATAL(drain);
    memset(big, 'x', 4000000);
    big[4000000] = '\0';
    begin(&w);
    carry(&w, big);
    say(&w, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nabc");
    CU_ASSERT_EQUAL(w.heads, 1);
    for (int i = 0; i < 20; i++) {
        ssize_t n = read(w.peer, drain, 400000);

        if (n > 0)
            got += (size_t)n;
        run(&w, 2000);
    }
    CU_ASSERT(got > 1000000);
    run(&w, 150000);
    CU_ASSERT_EQUAL(w.failed, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.call);
    w.call->paused = false;
    conn_update(w.conn);
    run(&w, 2000);
    CU_ASSERT_EQUAL(w.ends, 1);
    CU_ASSERT_EQUAL(w.body_len, 3);
    finish(&w);
    free(big);
    free(drain);
}

static void dropped_within_head(void)
{
    struct world w = {.drop_in_head = true};

    begin(&w);
    carry(&w, REQUEST);
    say(&w, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    CU_ASSERT_EQUAL(w.heads, 1);
    CU_ASSERT_EQUAL(w.body_len, 0);
    CU_ASSERT_EQUAL(w.gones, 1);
    finish(&w);
}

static void timeouts(void)
{
    struct world w = {0};

    begin(&w);
    carry(&w, REQUEST);
    run(&w, 150000);
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_TIMEOUT + 1);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_ALL);
    finish(&w);
    w = (struct world){0};
    begin(&w);
    run(&w, 150000);
    CU_ASSERT_EQUAL(w.gones, 1); /* idle for too long */
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"pause and resume", pause_and_resume},
    {"resumed and closed in one turn", resumed_and_closed_in_one_turn},
    {"a large answer waits at the peer", a_large_answer_waits_at_the_peer},
    {"a turn has its share", a_turn_has_its_share},
    {"a head that drips", a_head_that_drips},
    {"a slow body is fine", a_slow_body_is_fine},
    {"the request goes on while paused", the_request_goes_on_while_paused},
    {"dropped within head", dropped_within_head},
    {"timeouts", timeouts},
};
UNIT_MAIN("conn_flow", CASES)
