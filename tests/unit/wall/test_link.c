#include "unit/unit.h"
#include "wall/link.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct link *link;
    int peer;
    unsigned messages, closes;
    uint64_t last;
    const char *why;
    bool free_in_message, hold_in_message;
};

static void on_message(void *arg, const struct wire_message *m)
{
    struct world *w = arg;

    w->messages++;
    w->last = m->id;
    if (w->hold_in_message)
        link_hold(w->link, true);
    if (w->free_in_message) {
        link_free(w->link);
        w->link = NULL;
    }
}

static void on_closed(void *arg, const char *why)
{
    struct world *w = arg;

    w->closes++;
    w->why = why;
    link_free(w->link);
    w->link = NULL;
}

static const struct link_events EVENTS = {on_message, on_closed, NULL};

static void begin(struct world *w)
{
    int fds[2];

    (void)signal(SIGPIPE, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    w->peer = fds[1];
    CU_ASSERT_EQUAL_FATAL(link_new(&w->link, w->loop, fds[0], &EVENTS, w), 0);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run(struct world *w)
{
    struct loop_timer t;

    loop_timer_init(&t, w->loop, stop, w->loop);
    loop_timer_set(&t, 2000);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&t);
}

static void finish(struct world *w)
{
    link_free(w->link);
    if (w->peer >= 0)
        (void)close(w->peer);
    loop_free(w->loop);
}

static struct buf pings(unsigned n)
{
    struct buf b = BUF_INIT(1 << 20);

    for (unsigned i = 1; i <= n; i++) {
        struct wire_message m = {.type = WIRE_PING, .id = i};

        CU_ASSERT_EQUAL_FATAL(codec_encode(&b, &m), 0);
    }
    return b;
}

static void a_turn_s_messages_leave_in_one_write(void)
{
    struct world w = {0};
    char got[4096];
    int before = 0;

    begin(&w);
    for (unsigned i = 1; i <= 100; i++) {
        struct wire_message m = {.type = WIRE_PING, .id = i};

        CU_ASSERT_EQUAL(link_send(w.link, &m), 0);
    }
    before = (int)recv(w.peer, got, sizeof(got), 0);
    CU_ASSERT_EQUAL(before, -1); /* nothing leaves before the turn's end */
    run(&w);
    CU_ASSERT_EQUAL(recv(w.peer, got, sizeof(got), 0), 100 * 16);
    finish(&w);
}

static void bytes_that_come_one_by_one(void)
{
    struct world w = {0};
    struct buf b = pings(2);

    begin(&w);
    while (buf_len(&b)) {
        CU_ASSERT_EQUAL(write(w.peer, buf_slice(&b).data, 1), 1);
        buf_consume(&b, 1);
        run(&w);
        CU_ASSERT_EQUAL(w.messages, buf_len(&b) == 0 ? 2u : buf_len(&b) <= 16 ? 1u : 0u);
    }
    buf_deinit(&b);
    finish(&w);
}

static void many_at_once(void)
{
    struct world w = {0};
    struct buf b = pings(1000);

    begin(&w);
    CU_ASSERT_EQUAL(buf_send(&b, w.peer), 16000);
    run(&w);
    CU_ASSERT_EQUAL(w.messages, 1000);
    CU_ASSERT_EQUAL(w.last, 1000);
    buf_deinit(&b);
    finish(&w);
}

static void held_and_resumed(void)
{
    struct world w = {.hold_in_message = true};
    struct buf b = pings(3);

    begin(&w);
    CU_ASSERT_EQUAL(buf_send(&b, w.peer), 48);
    for (unsigned i = 1; i <= 3; i++) {
        run(&w);
        CU_ASSERT_EQUAL(w.messages, i);
        link_hold(w.link, false);
    }
    buf_deinit(&b);
    finish(&w);
}

static void freed_within_a_message(void)
{
    struct world w = {.free_in_message = true};
    struct buf b = pings(3);

    begin(&w);
    CU_ASSERT_EQUAL(buf_send(&b, w.peer), 48);
    run(&w);
    CU_ASSERT_EQUAL(w.messages, 1);
    CU_ASSERT_EQUAL(w.closes, 0);
    buf_deinit(&b);
    finish(&w);
}

static void a_bad_message_ends_the_link(void)
{
    struct world w = {0};
    struct buf b = pings(1);

    begin(&w);
    CU_ASSERT_EQUAL(buf_append(&b, "\0\0\0\0\x63\0\0\0", 8), 0);
    CU_ASSERT_EQUAL(buf_send(&b, w.peer), 24);
    run(&w);
    CU_ASSERT_EQUAL(w.messages, 1);
    CU_ASSERT_EQUAL(w.closes, 1);
    buf_deinit(&b);
    finish(&w);
}

static void the_other_side_goes(void)
{
    struct world w = {0};

    begin(&w);
    (void)close(w.peer);
    w.peer = -1;
    run(&w);
    CU_ASSERT_EQUAL(w.closes, 1);
    finish(&w);
}

static void a_peer_that_does_not_read(void)
{
    static char much[REQUEST_BODY_MAX];
    struct request_field field = {SLICE_LIT("a"), {much, sizeof(much)}, REQUEST_STRING};
    struct wire_message m = {.type = WIRE_SIGN,
                             .sign = {.id = 1,
                                      .request_id = SLICE_LIT("r"),
                                      .method = SLICE_LIT("PUT"),
                                      .n_fields = 1,
                                      .fields = &field}};
    struct world w = {0};
    int r = 0;

    begin(&w);
    for (unsigned i = 0; i < 30 && r == 0; i++) {
        r = link_send(w.link, &m);
        run(&w);
    }
    CU_ASSERT_EQUAL(r, -ENOBUFS);
    CU_ASSERT(link_unsent(w.link) > 4 * WIRE_MESSAGE_MAX);
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"a turn's messages leave in one write", a_turn_s_messages_leave_in_one_write},
    {"bytes that come one by one", bytes_that_come_one_by_one},
    {"many at once", many_at_once},
    {"held and resumed", held_and_resumed},
    {"freed within a message", freed_within_a_message},
    {"a bad message ends the link", a_bad_message_ends_the_link},
    {"the other side goes", the_other_side_goes},
    {"a peer that does not read", a_peer_that_does_not_read},
};
UNIT_MAIN("link", CASES)
