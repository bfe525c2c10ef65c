/* Answers on a connection: how they end, and what is made of those that do not. */
#include "unit/proxy/upstream/conn_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    {"truncated bodies", truncated_bodies},
    {"answers without keep-alive", answers_without_keep_alive},
};
UNIT_MAIN("conn", CASES)
