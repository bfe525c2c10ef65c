/* The proxy's end of the wall against a keeper that the test plays with plain sockets. */
#include "unit/unit.h"
#include "wall/caller.h"
#include "wall/codec.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct caller *caller;
    char folder[64];
    struct sockaddr_un address;
    struct unix_users keepers;
    int listener, peer;
    struct buf in;
    size_t heard; /* bytes of `in` that the last message took */
};

struct asker {
    struct caller_ticket ticket;
    unsigned answers, lost;
    enum wire_type type;
    bool durable;
};

static struct wire_space space;

static void on_answer(struct caller_ticket *t, const struct wire_message *m)
{
    struct asker *a = t->arg;

    if (!m) {
        a->lost++;
        return;
    }
    a->answers++;
    a->type = m->type;
    a->durable = m->type == WIRE_RECORDED && m->recorded.durable;
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

static void keeper_listens(struct world *w)
{
    (void)unlink(w->address.sun_path);
    w->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CU_ASSERT_EQUAL_FATAL(bind(w->listener, (struct sockaddr *)&w->address, sizeof(w->address)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(w->listener, 4), 0);
}

static void begin(struct world *w, uint64_t timeout_us)
{
    *w = (struct world){.listener = -1, .peer = -1, .in = BUF_INIT(1 << 20)};
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(w->folder, sizeof(w->folder), "/tmp/test_caller_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(w->folder));
    w->address.sun_family = AF_UNIX;
    (void)snprintf(w->address.sun_path, sizeof(w->address.sun_path), "%s/k", w->folder);
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    CU_ASSERT_EQUAL_FATAL(unix_users_set(&w->keepers, NULL, "nobody"), 0);
    CU_ASSERT_EQUAL_FATAL(
        caller_new(&w->caller, w->loop, w->address.sun_path, &w->keepers, timeout_us), 0);
}

static void keeper_goes(struct world *w)
{
    if (w->peer >= 0)
        (void)close(w->peer);
    if (w->listener >= 0)
        (void)close(w->listener);
    w->peer = w->listener = -1;
    buf_reset(&w->in, 0);
    w->heard = 0;
}

static void finish(struct world *w)
{
    caller_free(w->caller);
    keeper_goes(w);
    loop_free(w->loop);
    buf_deinit(&w->in);
    (void)unlink(w->address.sun_path);
    (void)rmdir(w->folder);
}

/* The next message at the keeper's side; it must be there. */
static struct wire_message hear(struct world *w)
{
    struct wire_message m = {0};
    const char *why;
    size_t used = 0;

    buf_consume(&w->in, w->heard);
    w->heard = 0;
    CU_ASSERT_NOT_EQUAL(buf_recv(&w->in, w->peer, 65536), 0);
    CU_ASSERT_EQUAL_FATAL(codec_decode(buf_slice(&w->in), &m, &space, &used, &why), CODEC_DONE);
    w->heard = used;
    return m;
}

static void say(struct world *w, const struct wire_message *m)
{
    struct buf b = BUF_INIT(65536);

    CU_ASSERT_EQUAL_FATAL(codec_encode(&b, m), 0);
    CU_ASSERT(buf_send(&b, w->peer) > 0);
    CU_ASSERT_EQUAL(buf_len(&b), 0);
    buf_deinit(&b);
    run(w, 3000);
}

static void greet(struct world *w)
{
    struct wire_message welcome = {.type = WIRE_WELCOME, .state = {.audit_ok = 1}};

    for (int i = 0; i < 400 && w->peer < 0; i++) {
        run(w, 5000);
        w->peer = accept4(w->listener, NULL, NULL, SOCK_NONBLOCK);
    }
    CU_ASSERT_FATAL(w->peer >= 0);
    run(w, 2000);
    CU_ASSERT_EQUAL(hear(w).type, WIRE_HELLO);
    say(w, &welcome);
    CU_ASSERT_TRUE(caller_state(w->caller)->connected);
}

/* Whoever listens is asked of the kernel before the first byte goes. */
static void a_keeper_of_another_user(void)
{
    struct world w;
    char byte;

    begin(&w, 5000000);
    caller_free(w.caller);
    CU_ASSERT_EQUAL(unix_users_set(&w.keepers, "4000000000", ""), 0);
    CU_ASSERT_EQUAL_FATAL(caller_new(&w.caller, w.loop, w.address.sun_path, &w.keepers, 5000000),
                          0);
    keeper_listens(&w);
    for (int i = 0; i < 400 && w.peer < 0; i++) {
        run(&w, 5000);
        w.peer = accept4(w.listener, NULL, NULL, SOCK_NONBLOCK);
    }
    CU_ASSERT_FATAL(w.peer >= 0);
    CU_ASSERT_EQUAL(recv(w.peer, &byte, 1, 0), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(caller_state(w.caller)->reason, "not 4000000000"));
    CU_ASSERT_FALSE(caller_state(w.caller)->connected);
    finish(&w);
}

static void what_waits_for_receipts(void)
{
    static const struct wire_receipt SINKS[] = {{{"archive", 7}, 12, 3000000}, {{"b", 1}, 0, 0}};
    struct wire_message state = {
        .type = WIRE_STATE,
        .state = {.audit_ok = 1, .waiting = 5, .quota = 6, .n_receipts = 2, .receipts = SINKS}};
    struct world w;

    begin(&w, 5000000);
    keeper_listens(&w);
    greet(&w);
    CU_ASSERT_EQUAL(caller_state(w.caller)->n_receipts, 0);
    say(&w, &state);
    CU_ASSERT_EQUAL(caller_state(w.caller)->waiting, 5);
    CU_ASSERT_EQUAL(caller_state(w.caller)->quota, 6);
    CU_ASSERT_EQUAL_FATAL(caller_state(w.caller)->n_receipts, 2);
    CU_ASSERT_STRING_EQUAL(caller_state(w.caller)->receipts[0].name, "archive");
    CU_ASSERT_EQUAL(caller_state(w.caller)->receipts[0].records, 12);
    CU_ASSERT_EQUAL(caller_state(w.caller)->receipts[0].age_us, 3000000);
    CU_ASSERT_STRING_EQUAL(caller_state(w.caller)->receipts[1].name, "b");
    state.state.n_receipts = 0;
    say(&w, &state);
    CU_ASSERT_EQUAL(caller_state(w.caller)->n_receipts, 0);
    finish(&w);
}

/* One field, and the loop doesn't run. */
static int sign_value(struct world *w, struct asker *a, struct slice value)
{
    struct request_field field = {SLICE_LIT("a"), value, REQUEST_STRING};
    struct sign_request s = {
        .request_id = SLICE_LIT("r"), .method = SLICE_LIT("PUT"), .n_fields = 1, .fields = &field};

    a->ticket.answer = on_answer;
    a->ticket.arg = a;
    return caller_sign(w->caller, &a->ticket, &s);
}

static int sign(struct world *w, struct asker *a)
{
    struct sign_request s = {.request_id = SLICE_LIT("r"), .method = SLICE_LIT("PUT")};
    int r;

    a->ticket.answer = on_answer;
    a->ticket.arg = a;
    r = caller_sign(w->caller, &a->ticket, &s);
    run(w, 2000);
    return r;
}

static void a_whole_conversation(void)
{
    static const char HEX[] = "a66f0f836c075414e525052df5af4bc7e84b7a67a3518ad88f70e0c83f72c8ce";
    struct wire_message answer = {.type = WIRE_SIGNED,
                                  .signed_ = {.key_id = SLICE_LIT("k"), .signature = {HEX, 64}}};
    struct wire_outcome outcome = {.status = 200};
    struct asker a = {0};
    struct world w;

    begin(&w, 5000000);
    CU_ASSERT_EQUAL(sign(&w, &a), -ENOTCONN);
    keeper_listens(&w);
    greet(&w);
    CU_ASSERT_EQUAL(sign(&w, &a), 0);
    answer.signed_.id = hear(&w).sign.id;
    CU_ASSERT_EQUAL(answer.signed_.id, a.ticket.id);
    say(&w, &answer);
    CU_ASSERT_EQUAL(a.answers, 1);
    CU_ASSERT_EQUAL(a.type, WIRE_SIGNED);
    CU_ASSERT_NOT_EQUAL(a.ticket.id, 0);
    CU_ASSERT_EQUAL(caller_outcome(w.caller, &a.ticket, &outcome), 0);
    run(&w, 2000);
    CU_ASSERT_EQUAL(hear(&w).outcome.id, answer.signed_.id);
    answer =
        (struct wire_message){.type = WIRE_RECORDED, .recorded = {.id = a.ticket.id, .durable = 1}};
    say(&w, &answer);
    CU_ASSERT_EQUAL(a.answers, 2);
    CU_ASSERT_TRUE(a.durable);
    CU_ASSERT_EQUAL(a.ticket.id, 0);
    CU_ASSERT_EQUAL(caller_outcome(w.caller, &a.ticket, &outcome), -ENOTCONN);
    finish(&w);
}

static void the_keeper_goes_and_comes_back(void)
{
    struct asker a = {0}, b = {0};
    struct world w;

    begin(&w, 5000000);
    keeper_listens(&w);
    greet(&w);
    CU_ASSERT_EQUAL(sign(&w, &a), 0);
    keeper_goes(&w);
    run(&w, 3000);
    CU_ASSERT_EQUAL(a.lost, 1);
    CU_ASSERT_EQUAL(a.ticket.id, 0);
    CU_ASSERT_FALSE(caller_state(w.caller)->connected);
    CU_ASSERT_NOT_EQUAL(caller_state(w.caller)->reason[0], '\0');
    CU_ASSERT_EQUAL(sign(&w, &b), -ENOTCONN);
    keeper_listens(&w);
    greet(&w);
    CU_ASSERT_EQUAL(caller_state(w.caller)->connects, 2);
    CU_ASSERT_EQUAL(sign(&w, &b), 0);
    finish(&w);
    CU_ASSERT_EQUAL(b.lost, 0);
}

static void a_keeper_that_says_nothing_loses_the_link(void)
{
    struct asker a = {0};
    struct world w;

    begin(&w, 30000);
    keeper_listens(&w);
    greet(&w);
    CU_ASSERT_EQUAL(sign(&w, &a), 0);
    run(&w, 150000);
    CU_ASSERT_EQUAL(a.lost, 1);
    finish(&w);
}

static void on_room(void *arg)
{
    ++*(unsigned *)arg;
}

/* No work is taken in then, but the largest outcome of every open ticket is; and no ping is missed.
 */
static void a_keeper_that_does_not_read_for_a_while(void)
{
    enum { OPEN = 2000 };
    static struct asker askers[OPEN], late;
    static char text[REQUEST_TEXT_MAX], value[200000];
    struct wire_outcome outcome = {.status = 200, .error = {text, sizeof(text)}};
    struct reject_request reject = {.request_id = SLICE_LIT("r"), .status = 400};
    struct world w;
    unsigned n = 0, room = 0, heard = 0;
    int r = 0;

    memset(askers, 0, sizeof(askers));
    begin(&w, 5000000);
    caller_on_room(w.caller, on_room, &room);
    keeper_listens(&w);
    greet(&w);
    while (n < OPEN - 1 && sign_value(&w, &askers[n], SLICE_NULL) == 0)
        n++;
    CU_ASSERT(n > 1000);
    CU_ASSERT(caller_has_room(w.caller));
    r = sign_value(&w, &askers[n], slice_of(value, sizeof(value)));
    for (unsigned i = 0; r == 0 && i < 20; i++)
        r = sign_value(&w, &late, slice_of(value, sizeof(value)));
    CU_ASSERT_EQUAL(r, -ENOBUFS);
    CU_ASSERT(!caller_has_room(w.caller));
    CU_ASSERT_EQUAL(sign_value(&w, &late, SLICE_NULL), -ENOBUFS);
    CU_ASSERT_EQUAL(caller_reject(w.caller, &late.ticket, &reject), -ENOBUFS);
    for (unsigned i = 0; i < n; i++)
        CU_ASSERT_EQUAL(caller_outcome(w.caller, &askers[i].ticket, &outcome), 0);
    run(&w, 1200000); /* a ping is due meanwhile */
    CU_ASSERT_TRUE(caller_state(w.caller)->connected);
    room = 0;
    for (unsigned tries = 0; tries < 2000 && heard < n; tries++) {
        const char *why;
        struct wire_message m;
        size_t used = 0;

        buf_consume(&w.in, w.heard);
        w.heard = 0;
        run(&w, 500);
        while (buf_recv(&w.in, w.peer, 65536) > 0)
            while (codec_decode(buf_slice(&w.in), &m, &space, &used, &why) == CODEC_DONE) {
                heard += m.type == WIRE_OUTCOME;
                buf_consume(&w.in, used);
            }
    }
    CU_ASSERT_EQUAL(heard, n);
    CU_ASSERT(room > 0 && caller_has_room(w.caller));
    CU_ASSERT_EQUAL(sign(&w, &late), 0);
    finish(&w);
}

static void answers_nobody_waits_for(void)
{
    struct wire_message stale = {.type = WIRE_RECORDED, .recorded = {.id = 12345, .durable = 1}};
    struct asker a = {0};
    struct world w;

    begin(&w, 5000000);
    keeper_listens(&w);
    greet(&w);
    CU_ASSERT_EQUAL(sign(&w, &a), 0);
    stale.recorded.id = a.ticket.id;
    caller_forget(w.caller, &a.ticket);
    say(&w, &stale);
    CU_ASSERT_EQUAL(a.answers, 0);
    CU_ASSERT_TRUE(caller_state(w.caller)->connected);
    finish(&w);
}

static void a_keeper_that_asks_is_no_keeper(void)
{
    struct wire_message hello = {.type = WIRE_HELLO, .version = WIRE_VERSION};
    struct world w;

    begin(&w, 5000000);
    keeper_listens(&w);
    greet(&w);
    say(&w, &hello);
    CU_ASSERT_FALSE(caller_state(w.caller)->connected);
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"a keeper of another user", a_keeper_of_another_user},
    {"what waits for receipts", what_waits_for_receipts},
    {"a whole conversation", a_whole_conversation},
    {"the keeper goes and comes back", the_keeper_goes_and_comes_back},
    {"a keeper that says nothing loses the link", a_keeper_that_says_nothing_loses_the_link},
    {"a keeper that does not read for a while", a_keeper_that_does_not_read_for_a_while},
    {"answers nobody waits for", answers_nobody_waits_for},
    {"a keeper that asks is no keeper", a_keeper_that_asks_is_no_keeper},
};
UNIT_MAIN("caller", CASES)
