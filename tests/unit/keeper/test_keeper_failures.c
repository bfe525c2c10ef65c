/*
 * The keeper when something fails, is reloaded, ends, or is crowded.
 */
#include "base/log.h"
#include "unit/keeper/keeper_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int failures;

static void on_failure(void *arg)
{
    (void)arg;
    failures++;
}

/* No record, no signature: not for those of the turn, nor for any after it. */
static void expect_refusals(struct fixture *f, struct proxy *p)
{
    struct wire_message reject = {.type = WIRE_REJECT,
                                  .reject = {.id = 5, .client = {.uid = 1}, .status = 400}};
    struct wire_message ping = {.type = WIRE_PING, .id = 6};
    const struct wire_message *m;
    unsigned w, s;

    failures = 0;
    keeper_on_failure(f->keeper, on_failure, NULL);
    CU_ASSERT_EQUAL(keeper_pending(f->keeper), 1);
    put_sign(p, 2);
    put_sign(p, 3);
    put_outcome(p, 1);
    turn(f);
    /* In the order of the questions: all of them waited for the same commit. */
    expect_refused(p, 2, WIRE_REASON_AUDIT);
    expect_refused(p, 3, WIRE_REASON_AUDIT);
    expect_recorded(p, 1, 0);
    /* And everyone is told why, unasked. */
    m = next(p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->type, WIRE_STATE);
    CU_ASSERT_EQUAL(m->state.audit_ok, 0);
    CU_ASSERT(m->state.reason.len > 0);
    CU_ASSERT_EQUAL(failures, 1);
    fail_write = fail_sync = false;
    w = writes;
    s = syncs;
    put_sign(p, 4);
    put(p, &reject);
    put(p, &ping);
    turn(f);
    expect_refused(p, 4, WIRE_REASON_AUDIT);
    expect_recorded(p, 5, 0);
    m = next(p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->state.audit_ok, 0);
    CU_ASSERT(m->state.reason.len > 0);
    CU_ASSERT_EQUAL(m->state.signatures, 1);
    CU_ASSERT_EQUAL(keeper_pending(f->keeper), 0);
    CU_ASSERT_EQUAL(failures, 1);
    keeper_stop(f->keeper);
    CU_ASSERT_EQUAL(writes, w);
    CU_ASSERT_EQUAL(syncs, s);
}

static void test_sync_failure(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 1);
    turn(&f);
    expect_signed(p, 1);
    fail_sync = true;
    expect_refusals(&f, p);
    leave(p);
    cleanup(&f);
}

static void test_write_failure(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 1);
    turn(&f);
    expect_signed(p, 1);
    fail_write = true;
    expect_refusals(&f, p);
    CU_ASSERT_EQUAL(logged(&f, "\"intent\""), 1);
    leave(p);
    cleanup(&f);
}

static void test_reload(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    CU_ASSERT_EQUAL(logged(&f, "\"event\":\"loaded\""), 2);
    put_sign(p, 1);
    CU_ASSERT(event_base_loop(loop_base(f.loop), EVLOOP_ONCE | EVLOOP_NONBLOCK) >= 0);
    /* In the middle of a turn, with an answer waiting. */
    keeper_reload(
        f.keeper,
        load_keys(&f, "keys = ( { workspace = \"space\"; access_key_id = \"xyz\"; "
                      "access_key_secret = \"other\"; }, { workspace = \"new\"; access_key_id = "
                      "\"n1\"; access_key_secret = \"ns\"; } );"));
    turn(&f);
    expect_signed(p, 1);
    CU_ASSERT_EQUAL(
        logged(&f, "\"type\":\"key\",\"workspace\":\"old\",\"key\":\"o1\",\"event\":\"removed\""),
        1);
    CU_ASSERT_EQUAL(logged(&f, "\"workspace\":\"space\",\"key\":\"xyz\",\"event\":\"replaced\""),
                    1);
    CU_ASSERT_EQUAL(logged(&f, "\"workspace\":\"new\",\"key\":\"n1\",\"event\":\"loaded\""), 1);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"config\",\"result\":\"applied\""), 1);
    put_sign(p, 2);
    turn(&f);
    CU_ASSERT_PTR_NOT_NULL_FATAL(next(p));
    CU_ASSERT_EQUAL(p->m.type, WIRE_SIGNED);
    CU_ASSERT_NOT_EQUAL(p->m.signed_.signature.data[0], '5');
    keeper_reload_refused(f.keeper, "keys.conf:3: wrong");
    turn(&f);
    CU_ASSERT_EQUAL(logged(&f, "\"result\":\"refused\",\"error\":\"keys.conf:3: wrong\""), 1);
    leave(p);
    cleanup(&f);
}

static void test_stop(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 1);
    turn(&f);
    expect_signed(p, 1);
    keeper_stop(f.keeper);
    keeper_stop(f.keeper);
    CU_ASSERT(ended(p));
    CU_ASSERT_EQUAL(logged(&f, "\"sent\":\"unknown\",\"error\":\"the keeper stopped before the "
                               "outcome was known\""),
                    1);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"stop\""), 1);
    leave(p);
    cleanup(&f);
}

static void test_many_links(void)
{
    struct proxy *all[KEEPER_LINKS_MAX], *more;
    struct fixture f;

    setup(&f);
    for (unsigned i = 0; i < KEEPER_LINKS_MAX; i++)
        all[i] = greet(&f);
    more = arrive(&f);
    CU_ASSERT(ended(more));
    leave(more);
    leave(all[7]);
    turn(&f);
    all[7] = greet(&f);
    put_sign(all[7], 1);
    turn(&f);
    expect_signed(all[7], 1);
    for (unsigned i = 0; i < KEEPER_LINKS_MAX; i++)
        leave(all[i]);
    turn(&f);
    cleanup(&f);
}

/* A peer that never reads is let go; the keeper's memory stays bounded. */
static void test_deaf_peer(void)
{
    struct wire_message ping = {.type = WIRE_PING, .id = 1};
    struct fixture f;
    struct proxy *deaf, *good;
    struct buf out = BUF_INIT(1024 * 1024);
    bool gone = false;

    setup(&f);
    deaf = greet(&f);
    good = greet(&f);
    for (unsigned i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(codec_encode(&out, &ping), 0);
    for (unsigned i = 0; i < 20000 && !gone; i++) {
        ssize_t n = send(deaf->fd, out.data, buf_len(&out), MSG_NOSIGNAL);

        CU_ASSERT(n < 0 || (size_t)n == buf_len(&out) || n % 16 == 0);
        gone = n < 0 && errno == EPIPE;
        turn(&f);
    }
    CU_ASSERT(gone);
    put_sign(good, 1);
    turn(&f);
    expect_signed(good, 1);
    buf_deinit(&out);
    leave(deaf);
    leave(good);
    cleanup(&f);
}

static const struct unit_case CASES[] = {
    {"a failed sync", test_sync_failure},
    {"a failed write", test_write_failure},
    {"reload", test_reload},
    {"stop", test_stop},
    {"as many links as there may be", test_many_links},
    {"a peer that doesn't read", test_deaf_peer},
};

UNIT_MAIN("keeper_failures", CASES)
