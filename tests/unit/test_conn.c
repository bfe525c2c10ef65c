/* A connection over a socket pair, whose other end the test plays. */
#include "unit/unit.h"
#include "upstream/conn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char REQUEST[] = "POST /s/w/v1/org HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}";

struct world {
    struct loop *loop;
    int peer;
    struct conn *conn;
    struct upstream_call *call;
    unsigned status, heads, ends, idles, gones, unsents;
    int failed; /* enum upstream_failure + 1 */
    enum wire_sent sent;
    char why[256];
    char body[1 << 16];
    size_t body_len, body_total;
    size_t pause_every; /* pauses each time when that many more bytes have come */
    bool pause_in_head, drop_in_head, pause_in_body;
};

static void on_head(void *arg, const struct http_head *head)
{
    struct world *w = arg;

    w->heads++;
    w->status = head->status;
    if (w->pause_in_head) {
        w->call->paused = true;
        conn_update(w->conn);
    }
    if (w->drop_in_head) {
        conn_drop_call(w->conn);
        buf_deinit(&w->call->request);
        free(w->call);
        w->call = NULL;
    }
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct world *w = arg;

    if (w->body_len + len <= sizeof(w->body)) {
        memcpy(w->body + w->body_len, data, len);
        w->body_len += len;
    }
    w->body_total += len;
    if (w->pause_in_body || (w->pause_every && w->body_total / w->pause_every !=
                                                   (w->body_total - len) / w->pause_every)) {
        w->call->paused = true;
        conn_update(w->conn);
    }
}

static void on_end(void *arg)
{
    struct world *w = arg;

    w->ends++;
    w->call = NULL;
}

static void on_failed(void *arg, enum upstream_failure why, enum wire_sent sent, const char *text)
{
    struct world *w = arg;

    w->failed = (int)why + 1;
    w->sent = sent;
    (void)snprintf(w->why, sizeof(w->why), "%s", text);
    w->call = NULL;
}

static const struct upstream_events EVENTS = {on_head, on_body, on_end, on_failed};

static void on_idle(void *arg, struct conn *c)
{
    (void)c;
    ((struct world *)arg)->idles++;
}

static void on_gone(void *arg, struct conn *c)
{
    struct world *w = arg;

    (void)c;
    w->gones++;
    w->conn = NULL;
}

static void on_unsent(void *arg, struct upstream_call *call)
{
    ((struct world *)arg)->unsents++;
    buf_deinit(&call->request);
    free(call);
}

static void on_ended(void *arg, struct upstream_call *call, bool well)
{
    (void)arg;
    (void)call;
    (void)well;
}

static void begin(struct world *w)
{
    struct conn_limits limits = {100000, 100000, 4096};
    struct conn_owner owner = {on_idle, on_gone, on_unsent, on_ended, w};
    int fds[2];

    (void)signal(SIGPIPE, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    w->peer = fds[1];
    CU_ASSERT_EQUAL_FATAL(
        conn_new(&w->conn, w->loop, (struct stream){.fd = fds[0]}, &limits, &owner), 0);
}

static void carry(struct world *w, const char *request)
{
    w->call = calloc(1, sizeof(*w->call));
    CU_ASSERT_PTR_NOT_NULL_FATAL(w->call);
    w->call->events = &EVENTS;
    w->call->arg = w;
    w->call->request = BUF_INIT_SECRET(1 << 24);
    CU_ASSERT_EQUAL_FATAL(buf_append(&w->call->request, request, strlen(request)), 0);
    conn_carry(w->conn, w->call);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

/* Lets the loop run for that long. */
static void run(struct world *w, uint64_t us)
{
    struct loop_timer t;

    loop_timer_init(&t, w->loop, stop, w->loop);
    loop_timer_set(&t, us);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&t);
}

static void say(struct world *w, const char *text)
{
    CU_ASSERT_EQUAL(write(w->peer, text, strlen(text)), (ssize_t)strlen(text));
    run(w, 2000);
}

static void finish(struct world *w)
{
    if (w->call && w->conn) {
        conn_drop_call(w->conn);
        buf_deinit(&w->call->request);
        free(w->call);
    }
    conn_free(w->conn);
    loop_free(w->loop);
    if (w->peer >= 0)
        (void)close(w->peer);
}

static void heard_request(struct world *w)
{
    char got[256];
    ssize_t n = read(w->peer, got, sizeof(got));

    CU_ASSERT_EQUAL(n, (ssize_t)strlen(REQUEST));
    CU_ASSERT_EQUAL(memcmp(got, REQUEST, strlen(REQUEST)), 0);
}

static void by_length_and_again(void)
{
    struct world w = {0};

    begin(&w);
    for (unsigned i = 1; i <= 3; i++) {
        w.body_len = 0;
        carry(&w, REQUEST);
        run(&w, 2000);
        heard_request(&w);
        say(&w, "HTTP/1.1 200 OK\r\nContent-Le");
        CU_ASSERT_EQUAL(w.heads, i - 1);
        say(&w, "ngth: 5\r\n\r\nab");
        CU_ASSERT_EQUAL(w.heads, i);
        CU_ASSERT_EQUAL(w.ends, i - 1);
        say(&w, "cde");
        CU_ASSERT_EQUAL(w.ends, i);
        CU_ASSERT_EQUAL(w.idles, i);
        CU_ASSERT_EQUAL(w.body_len, 5);
        CU_ASSERT_EQUAL(memcmp(w.body, "abcde", 5), 0);
    }
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.conn);
    CU_ASSERT_TRUE(conn_used(w.conn));
    CU_ASSERT_TRUE(conn_clean(w.conn));
    finish(&w);
}

static void chunked(void)
{
    struct world w = {0};

    begin(&w);
    carry(&w, REQUEST);
    say(&w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2");
    say(&w, "\r\nde\r\n0\r\n\r\n");
    CU_ASSERT_EQUAL(w.ends, 1);
    CU_ASSERT_EQUAL(w.body_len, 5);
    CU_ASSERT_PTR_NOT_NULL(w.conn);
    finish(&w);
}

static void until_close(void)
{
    struct world w = {0};

    begin(&w);
    carry(&w, REQUEST);
    say(&w, "HTTP/1.1 200 OK\r\n\r\nabc");
    heard_request(&w); /* unread bytes would turn the close into a reset */
    CU_ASSERT_EQUAL(w.ends, 0);
    (void)close(w.peer);
    w.peer = -1;
    run(&w, 2000);
    CU_ASSERT_EQUAL(w.ends, 1);
    CU_ASSERT_EQUAL(w.body_len, 3);
    CU_ASSERT_EQUAL(w.gones, 1);
    finish(&w);
}

static void surplus_is_not_reused(void)
{
    struct world w = {0};

    begin(&w);
    carry(&w, REQUEST);
    say(&w, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\naHTTP/1.1 200 OK\r\n");
    CU_ASSERT_EQUAL(w.ends, 1);
    CU_ASSERT_EQUAL(w.gones, 1);
    CU_ASSERT_EQUAL(w.idles, 0);
    finish(&w);
}

static void data_out_of_turn_is_dirt(void)
{
    struct world w = {0};

    begin(&w);
    CU_ASSERT_EQUAL(write(w.peer, "x", 1), 1);
    CU_ASSERT_FALSE(conn_clean(w.conn));
    CU_ASSERT_EQUAL(w.gones, 1);
    finish(&w);
}

static void closed_before_a_byte_was_written(void)
{
    struct world w = {0};

    begin(&w);
    (void)close(w.peer);
    w.peer = -1;
    carry(&w, REQUEST);
    CU_ASSERT_EQUAL(w.unsents, 1); /* at once: nothing can come between a look and the write */
    CU_ASSERT_EQUAL(w.failed, 0);
    CU_ASSERT_EQUAL(w.gones, 1);
    w.call = NULL;
    finish(&w);
}

static void closed_after_the_request(void)
{
    struct world w = {0};

    begin(&w);
    carry(&w, REQUEST);
    run(&w, 2000);
    heard_request(&w);
    (void)close(w.peer);
    w.peer = -1;
    run(&w, 2000);
    CU_ASSERT_EQUAL(w.unsents, 0);
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_ALL);
    finish(&w);
}

static void closed_within_the_request(void)
{
    struct world w = {0};
    char *big = malloc(4000001);

    CU_ASSERT_PTR_NOT_NULL_FATAL(big);
    memset(big, 'x', 4000000);
    big[4000000] = '\0';
    begin(&w);
    carry(&w, big);
    run(&w, 2000);
    CU_ASSERT_EQUAL(w.call->sent, WIRE_SENT_PARTIAL);
    (void)close(w.peer);
    w.peer = -1;
    run(&w, 2000);
    CU_ASSERT_EQUAL(w.unsents, 0);
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_PARTIAL);
    finish(&w);
    free(big);
}

static void an_early_answer_is_taken(void)
{
    struct world w = {0};
    char *big = malloc(4000001);

    CU_ASSERT_PTR_NOT_NULL_FATAL(big);
    memset(big, 'x', 4000000);
    big[4000000] = '\0';
    begin(&w);
    carry(&w, big);
    run(&w, 2000);
    say(&w, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    CU_ASSERT_EQUAL(w.status, 413);
    CU_ASSERT_EQUAL(w.ends, 1);
    CU_ASSERT_EQUAL(w.gones, 1); /* half a request lies on it */
    finish(&w);
    free(big);
}

static void malformed_answers(void)
{
    static const char *const T[] = {
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 099 No\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        struct world w = {0};

        begin(&w);
        carry(&w, REQUEST);
        run(&w, 2000);
        say(&w, T[i]);
        if (w.failed != UPSTREAM_BROKEN + 1)
            CU_FAIL("not broken");
        CU_ASSERT_EQUAL(w.sent, WIRE_SENT_ALL);
        CU_ASSERT_EQUAL(w.ends, 0);
        finish(&w);
    }
}

static void a_head_that_never_ends(void)
{
    struct world w = {0};
    char line[1025];

    memset(line, 'a', 1024);
    line[1024] = '\0';
    begin(&w);
    carry(&w, REQUEST);
    run(&w, 2000);
    say(&w, "HTTP/1.1 200 OK\r\nX: ");
    for (int i = 0; i < 4 && w.failed == 0; i++)
        say(&w, line);
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_BROKEN + 1);
    finish(&w);
}

static void interim_answers(void)
{
    struct world w = {0};

    begin(&w);
    carry(&w, REQUEST);
    say(&w,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 204 No\r\n\r\n");
    CU_ASSERT_EQUAL(w.heads, 1);
    CU_ASSERT_EQUAL(w.status, 204);
    CU_ASSERT_EQUAL(w.ends, 1);
    finish(&w);
    w = (struct world){0};
    begin(&w);
    carry(&w, REQUEST);
    run(&w, 2000);
    for (int i = 0; i < 9 && w.failed == 0; i++)
        say(&w, "HTTP/1.1 100 Continue\r\n\r\n");
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_BROKEN + 1);
    finish(&w);
}

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
    say(&w, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
    for (int i = 0; i < 6; i++) {
        run(&w, 30000);
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

/* An answer that breaks off after its head has failed, however much came. */
static void truncated_bodies(void)
{
    static const char *const T[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n",
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        struct world w = {0};

        begin(&w);
        carry(&w, REQUEST);
        run(&w, 2000);
        heard_request(&w);
        say(&w, T[i]);
        CU_ASSERT_EQUAL(w.heads, 1);
        (void)close(w.peer);
        w.peer = -1;
        run(&w, 2000);
        CU_ASSERT_EQUAL(w.failed, UPSTREAM_BROKEN + 1);
        CU_ASSERT_EQUAL(w.sent, WIRE_SENT_ALL);
        CU_ASSERT_EQUAL(w.body_len, 4);
        CU_ASSERT_EQUAL(w.ends, 0);
        finish(&w);
    }
}

/* HTTP/1.0 and `Connection: close` are the last answers of their connections. */
static void answers_without_keep_alive(void)
{
    static const char *const T[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na",
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na",
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        struct world w = {0};

        begin(&w);
        carry(&w, REQUEST);
        say(&w, T[i]);
        CU_ASSERT_EQUAL(w.ends, 1);
        CU_ASSERT_EQUAL(w.idles, 0);
        CU_ASSERT_EQUAL(w.gones, 1);
        finish(&w);
    }
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
    {"by length, and again", by_length_and_again},
    {"chunked", chunked},
    {"until close", until_close},
    {"surplus is not reused", surplus_is_not_reused},
    {"data out of turn is dirt", data_out_of_turn_is_dirt},
    {"closed before a byte was written", closed_before_a_byte_was_written},
    {"closed after the request", closed_after_the_request},
    {"closed within the request", closed_within_the_request},
    {"an early answer is taken", an_early_answer_is_taken},
    {"malformed answers", malformed_answers},
    {"a head that never ends", a_head_that_never_ends},
    {"interim answers", interim_answers},
    {"pause and resume", pause_and_resume},
    {"a large answer waits at the peer", a_large_answer_waits_at_the_peer},
    {"a turn has its share", a_turn_has_its_share},
    {"a head that drips", a_head_that_drips},
    {"a slow body is fine", a_slow_body_is_fine},
    {"the request goes on while paused", the_request_goes_on_while_paused},
    {"truncated bodies", truncated_bodies},
    {"answers without keep-alive", answers_without_keep_alive},
    {"dropped within head", dropped_within_head},
    {"timeouts", timeouts},
};
UNIT_MAIN("conn", CASES)
