/* One client connection over a socket pair; the test plays the client and the handler. */
#include "proxy/front/client.h"
#include "unit/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GOOD "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"

struct world {
    struct loop *loop;
    struct client *client;
    int fd;
    unsigned requests, refusals, gones, rooms;
    unsigned status; /* of the last refusal */
    bool with_head;
    char targets[256], body[256];
    size_t body_len;
    bool hold;  /* don't answer at once */
    bool no;    /* check refuses */
    bool quick; /* short timers */
};

static void answer(struct world *w, struct client *c, bool keep)
{
    CU_ASSERT_EQUAL(buf_append_slice(client_out(c), SLICE_LIT("A;")), 0);
    (void)w;
    client_answered(c, keep && !client_closing(c));
}

static bool on_check(void *arg, const struct http_head *head, struct refusal *why)
{
    struct world *w = arg;

    (void)head;
    return !w->no || refuse(why, 404, "unknown_endpoint", "no");
}

static void on_request(void *arg, struct client *c, const struct http_head *head, struct slice body)
{
    struct world *w = arg;

    w->requests++;
    strncat(w->targets, head->target.data, head->target.len);
    w->body_len = body.len;
    if (body.len && body.len <= sizeof(w->body))
        memcpy(w->body, body.data, body.len);
    client_attach(c, w);
    if (!w->hold)
        answer(w, c, head->keep_alive);
}

static void on_refused(void *arg, struct client *c, const struct http_head *head,
                       const struct refusal *why)
{
    struct world *w = arg;

    w->refusals++;
    w->status = why->status;
    w->with_head = head != NULL;
    answer(w, c, head && head->keep_alive);
}

static void on_room(void *exchange)
{
    ((struct world *)exchange)->rooms++;
}

static void on_gone(void *exchange)
{
    ((struct world *)exchange)->gones++;
}

static void on_closed(void *arg, struct client *c)
{
    (void)c;
    ((struct world *)arg)->client = NULL;
}

static const struct client_handler HANDLER = {on_check, on_request, on_refused, on_room, on_gone};

static void begin(struct world *w)
{
    struct client_limits limits = {.header_bytes = 512,
                                   .body_bytes = 1000,
                                   .header_timeout_us = w->quick ? 40000 : 5000000,
                                   .body_timeout_us = w->quick ? 40000 : 5000000,
                                   .idle_timeout_us = w->quick ? 80000 : 5000000,
                                   .write_timeout_us = w->quick ? 40000 : 5000000};
    struct client_peer peer = {.via = "tcp", .address = "test", .uid = 7};
    static struct origin_hosts hosts;
    struct client_owner owner = {.closed = on_closed, .arg = w, .hosts = &hosts};
    int fds[2];

    hosts.n = 0;
    CU_ASSERT_EQUAL_FATAL(origin_hosts_add(&hosts, "h"), 0);
    (void)signal(SIGPIPE, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    w->fd = fds[1];
    CU_ASSERT_EQUAL_FATAL(
        client_new(&w->client, w->loop, fds[0], &peer, &limits, &HANDLER, w, &owner), 0);
    CU_ASSERT_EQUAL(client_peer(w->client)->uid, 7);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run(struct world *w, uint64_t us)
{
    struct loop_timer t;

    loop_timer_init(&t, w->loop, stop, w->loop);
    loop_timer_set(&t, us);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&t);
}

static void say(struct world *w, const char *data, size_t len)
{
    CU_ASSERT_EQUAL(write(w->fd, data, len), (ssize_t)len);
    run(w, 1500);
}

static void expect(struct world *w, const char *wanted)
{
    char got[256] = "";
    ssize_t n = recv(w->fd, got, sizeof(got) - 1, 0);

    if (n < 0)
        n = 0;
    got[n] = '\0';
    CU_ASSERT_STRING_EQUAL(got, wanted);
}

static bool closed(struct world *w)
{
    char byte;

    return recv(w->fd, &byte, 1, 0) == 0;
}

static void finish(struct world *w)
{
    client_free(w->client);
    if (w->fd >= 0)
        (void)close(w->fd);
    loop_free(w->loop);
}

static void whole_split_and_by_bytes(void)
{
    static const char DATA[] = GOOD;

    for (size_t step = 1; step <= sizeof(DATA) - 1; step++) {
        struct world w = {0};

        begin(&w);
        for (size_t at = 0; at < sizeof(DATA) - 1; at += step) {
            size_t left = sizeof(DATA) - 1 - at;

            CU_ASSERT_EQUAL(w.requests, 0);
            say(&w, DATA + at, left < step ? left : step);
        }
        CU_ASSERT_EQUAL(w.requests, 1);
        CU_ASSERT_EQUAL(w.body_len, 2);
        CU_ASSERT_EQUAL(memcmp(w.body, "{}", 2), 0);
        expect(&w, "A;");
        finish(&w);
        if (step > 5)
            step += 9;
    }
}

static void pipelined(void)
{
    struct world w = {0};

    begin(&w);
    say(&w, GOOD GOOD "DELETE /y HTTP/1.1\r\nHost: h\r\n\r\n" GOOD,
        3 * (sizeof(GOOD) - 1) + strlen("DELETE /y HTTP/1.1\r\nHost: h\r\n\r\n"));
    CU_ASSERT_EQUAL(w.requests, 4);
    CU_ASSERT_STRING_EQUAL(w.targets, "/x/x/y/x");
    expect(&w, "A;A;A;A;");
    finish(&w);
}

static void one_at_a_time(void)
{
    struct world w = {.hold = true};

    begin(&w);
    say(&w, GOOD GOOD, 2 * (sizeof(GOOD) - 1));
    CU_ASSERT_EQUAL(w.requests, 1);
    CU_ASSERT_EQUAL(client_body(w.client).len, 2);
    answer(&w, w.client, true);
    run(&w, 1500);
    CU_ASSERT_EQUAL(w.requests, 2);
    expect(&w, "A;");
    finish(&w);
    CU_ASSERT_EQUAL(w.gones, 1);
}

static void chunked_bodies_are_decoded(void)
{
    static const char DATA[] =
        "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nDELETE /y HTTP/1.1\r\nHost: h\r\n\r\n";

    for (size_t step = 1; step < 40; step += 6) {
        struct world w = {0};

        begin(&w);
        for (size_t at = 0; at < sizeof(DATA) - 1; at += step) {
            size_t left = sizeof(DATA) - 1 - at;

            say(&w, DATA + at, left < step ? left : step);
        }
        CU_ASSERT_EQUAL(w.requests, 2);
        CU_ASSERT_STRING_EQUAL(w.targets, "/x/y");
        CU_ASSERT_EQUAL(memcmp(w.body, "abcde", 5), 0);
        finish(&w);
    }
}

static void refused_and_closed(const char *data, unsigned status)
{
    struct world w = {0};

    begin(&w);
    say(&w, data, strlen(data));
    CU_ASSERT_EQUAL(w.refusals, 1);
    CU_ASSERT_EQUAL(w.status, status);
    CU_ASSERT_EQUAL(w.requests, 0);
    expect(&w, "A;");
    CU_ASSERT_TRUE(closed(&w));
    finish(&w);
}

static void limits_and_malformations(void)
{
    char much[800];

    memset(much, 'a', sizeof(much) - 1);
    much[sizeof(much) - 1] = '\0';
    memcpy(much, "GET /", 5);
    refused_and_closed(much, 431);
    refused_and_closed("nonsense\r\n\r\n", 400);
    refused_and_closed("GET / HTTP/1.1\n", 400);
    refused_and_closed("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", 413);
    refused_and_closed("POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
                       400);
}

static void a_refusal_with_a_whole_body_keeps_the_connection(void)
{
    struct world w = {.no = true};

    begin(&w);
    say(&w, GOOD, sizeof(GOOD) - 1);
    CU_ASSERT_EQUAL(w.refusals, 1);
    CU_ASSERT_TRUE(w.with_head);
    w.no = false;
    say(&w, GOOD, sizeof(GOOD) - 1);
    CU_ASSERT_EQUAL(w.requests, 1);
    expect(&w, "A;A;");
    finish(&w);
}

static void a_refusal_before_the_body_closes(void)
{
    struct world w = {.no = true};

    begin(&w);
    say(&w, GOOD, sizeof(GOOD) - 3);
    CU_ASSERT_EQUAL(w.refusals, 1);
    expect(&w, "A;");
    CU_ASSERT_TRUE(closed(&w));
    say(&w, "{}", 2); /* late bytes are thrown away, not taken for a request */
    CU_ASSERT_EQUAL(w.requests, 0);
    finish(&w);
}

static void continue_is_said_when_it_is_waited_for(void)
{
    static const char HEAD[] =
        "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    struct world w = {0};

    begin(&w);
    say(&w, HEAD, sizeof(HEAD) - 1);
    expect(&w, "HTTP/1.1 100 Continue\r\n\r\n");
    say(&w, "{}", 2);
    expect(&w, "A;");
    finish(&w);
}

static void timers(void)
{
    struct world w = {.quick = true};

    begin(&w);
    say(&w, "POST /x", 7);
    run(&w, 70000);
    CU_ASSERT_EQUAL(w.status, 408);
    finish(&w);
    w = (struct world){.quick = true};
    begin(&w);
    say(&w, GOOD, sizeof(GOOD) - 2);
    run(&w, 70000);
    CU_ASSERT_EQUAL(w.status, 408);
    CU_ASSERT_TRUE(w.with_head);
    finish(&w);
    w = (struct world){.quick = true};
    begin(&w);
    run(&w, 120000);
    CU_ASSERT_PTR_NULL(w.client); /* idle, without a word */
    CU_ASSERT_EQUAL(w.refusals, 0);
    finish(&w);
}

static void half_close_and_going_away(void)
{
    struct world w = {0};

    begin(&w);
    CU_ASSERT_EQUAL(write(w.fd, GOOD, sizeof(GOOD) - 1), sizeof(GOOD) - 1);
    (void)shutdown(w.fd, SHUT_WR);
    run(&w, 3000);
    CU_ASSERT_EQUAL(w.requests, 1);
    expect(&w, "A;");
    CU_ASSERT_PTR_NULL(w.client);
    finish(&w);
    w = (struct world){.hold = true};
    begin(&w);
    say(&w, GOOD, sizeof(GOOD) - 1);
    (void)close(w.fd);
    w.fd = -1;
    run(&w, 3000);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.client); /* perhaps a half-close: it is answered */
    answer(&w, w.client, true);
    run(&w, 3000);
    CU_ASSERT_PTR_NULL(w.client);
    finish(&w);
}

static void congestion(void)
{
    static char much[CLIENT_OUT_HIGH];
    struct world w = {.hold = true};
    ssize_t n;

    begin(&w);
    say(&w, GOOD, sizeof(GOOD) - 1);
    CU_ASSERT_FALSE(client_congested(w.client));
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(buf_append(client_out(w.client), much, sizeof(much)), 0);
    client_push(w.client);
    CU_ASSERT_TRUE(client_congested(w.client));
    run(&w, 1500);
    CU_ASSERT_EQUAL(w.rooms, 0);
    while ((n = read(w.fd, much, sizeof(much))) > 0 || w.rooms == 0)
        run(&w, 1500);
    CU_ASSERT_EQUAL(w.rooms, 1);
    CU_ASSERT_FALSE(client_congested(w.client));
    finish(&w);
}

static void a_client_that_does_not_read(void)
{
    static char much[CLIENT_OUT_HIGH];
    struct world w = {.quick = true, .hold = true};

    begin(&w);
    say(&w, GOOD, sizeof(GOOD) - 1);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(buf_append(client_out(w.client), much, sizeof(much)), 0);
    client_push(w.client);
    run(&w, 80000);
    CU_ASSERT_PTR_NULL(w.client);
    CU_ASSERT_EQUAL(w.gones, 1);
    finish(&w);
}

static void drained_and_turned_away(void)
{
    struct refusal no;
    struct world w = {0};

    begin(&w);
    client_drain(w.client);
    CU_ASSERT_PTR_NULL(w.client);
    finish(&w);
    w = (struct world){.hold = true};
    begin(&w);
    say(&w, GOOD, sizeof(GOOD) - 1);
    client_drain(w.client);
    CU_ASSERT_TRUE(client_closing(w.client));
    finish(&w);
    w = (struct world){0};
    begin(&w);
    (void)refuse(&no, 503, "overloaded", "full");
    client_turn_away(w.client, &no);
    run(&w, 1500);
    CU_ASSERT_EQUAL(w.status, 503);
    expect(&w, "A;");
    CU_ASSERT_TRUE(closed(&w));
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"whole, split, and by bytes", whole_split_and_by_bytes},
    {"pipelined", pipelined},
    {"one at a time", one_at_a_time},
    {"chunked bodies are decoded", chunked_bodies_are_decoded},
    {"limits and malformations", limits_and_malformations},
    {"a refusal with a whole body keeps the connection",
     a_refusal_with_a_whole_body_keeps_the_connection},
    {"a refusal before the body closes", a_refusal_before_the_body_closes},
    {"continue is said when it is waited for", continue_is_said_when_it_is_waited_for},
    {"timers", timers},
    {"half-close and going away", half_close_and_going_away},
    {"congestion", congestion},
    {"a client that does not read", a_client_that_does_not_read},
    {"drained and turned away", drained_and_turned_away},
};
UNIT_MAIN("client", CASES)
