/*
 * What a proxy can ask for, and what it gets.
 */
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

static void test_sign(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 10);
    turn(&f);
    expect_signed(p, 10);
    CU_ASSERT_EQUAL(syncs, 1);
    CU_ASSERT_EQUAL(
        logged(&f, "\"type\":\"intent\",\"id\":\"req-1\",\"client\":{\"via\":\"tcp\",\"vouched\":"
                   "\"proxy\"},\"method\":"
                   "\"PUT\",\"workspace\":\"space\",\"path\":\"/v1/agent/1\",\"fields\":{"
                   "\"login_name\":\"admin\",\"user_name\":\"myusername\"},\"body_mac\":\""),
        1);
    CU_ASSERT_EQUAL(logged(&f, "\",\"key\":\"xyz\""), 2); /* of the key itself, and of the intent */
    put_outcome(p, 10);
    turn(&f);
    expect_recorded(p, 10, 1);
    CU_ASSERT_EQUAL(syncs, 2);
    CU_ASSERT_EQUAL(
        logged(&f, "\"type\":\"outcome\",\"id\":\"req-1\",\"intent\":6,\"status\":200,\"sent\":"
                   "\"all\",\"duration_us\":5"),
        1);
    /* The id may be used again, and only once at a time. */
    put_outcome(p, 10);
    turn(&f);
    expect_recorded(p, 10, 0);
    CU_ASSERT_EQUAL(keeper_signatures(f.keeper), 1);
    leave(p);
    cleanup(&f);
}

/* Whatever comes in one turn, from whichever link, costs one write and one sync. */
static void test_group_commit(void)
{
    enum { EACH = 50 };
    struct fixture f;
    struct proxy *a, *b;

    setup(&f);
    a = greet(&f);
    b = greet(&f);
    for (uint64_t i = 1; i <= EACH; i++) {
        put_sign(a, i);
        put_sign(b, i);
    }
    turn(&f);
    CU_ASSERT_EQUAL(syncs, 1);
    CU_ASSERT_EQUAL(writes, 1);
    for (uint64_t i = 1; i <= EACH; i++) {
        expect_signed(a, i);
        expect_signed(b, i);
    }
    for (uint64_t i = 1; i <= EACH; i++)
        put_outcome(a, i);
    turn(&f);
    CU_ASSERT_EQUAL(syncs, 2);
    for (uint64_t i = 1; i <= EACH; i++)
        expect_recorded(a, i, 1);
    leave(a);
    leave(b);
    cleanup(&f);
}

static void test_greeting(void)
{
    struct wire_message m = {.type = WIRE_HELLO, .version = WIRE_VERSION + 1};
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = arrive(&f);
    put_sign(p, 1);
    turn(&f);
    CU_ASSERT(ended(p));
    leave(p);
    p = arrive(&f);
    put(p, &m);
    turn(&f);
    CU_ASSERT(ended(p));
    leave(p);
    p = greet(&f);
    m.version = WIRE_VERSION;
    put(p, &m);
    turn(&f);
    CU_ASSERT(ended(p));
    leave(p);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"intent\""), 0);
    cleanup(&f);
}

/* A bad message ends its link; the other one goes on. */
static void test_bad_message(void)
{
    struct wire_message backwards = {.type = WIRE_RECORDED, .recorded = {1, 1}};
    struct fixture f;
    struct proxy *good, *bad;

    setup(&f);
    good = greet(&f);
    bad = greet(&f);
    put(bad, &backwards);
    turn(&f);
    CU_ASSERT(ended(bad));
    leave(bad);
    bad = greet(&f);
    put_sign(bad, 1);
    CU_ASSERT_EQUAL(send(bad->fd, "\xff\xff\xff\xff\x03\0\0\0", 8, 0), 8);
    put_sign(good, 1);
    turn(&f);
    /* The signature was made but its link is gone: the request gets its outcome. */
    CU_ASSERT(ended(bad));
    expect_signed(good, 1);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"intent\""), 2);
    CU_ASSERT_EQUAL(logged(&f, "\"sent\":\"unknown\",\"error\":\"the proxy went away\""), 1);
    leave(bad);
    leave(good);
    cleanup(&f);
}

static void test_malformed(void)
{
    static const struct request_field ORDER[] = {{SLICE_LIT("b"), SLICE_LIT("1"), REQUEST_STRING},
                                                 {SLICE_LIT("a"), SLICE_LIT("2"), REQUEST_STRING}};
    static const struct request_field TWICE[] = {{SLICE_LIT("a"), SLICE_LIT("1"), REQUEST_STRING},
                                                 {SLICE_LIT("a"), SLICE_LIT("2"), REQUEST_STRING}};
    static const struct request_field BAD_NAME[] = {
        {SLICE_LIT("\xff"), SLICE_LIT("1"), REQUEST_STRING}};
    static const struct request_field BAD_VALUE[] = {
        {SLICE_LIT("a"), SLICE_LIT("\xc0\x80"), REQUEST_STRING}};
    static const struct request_field *const FIELDS[] = {ORDER, TWICE, BAD_NAME, BAD_VALUE};
    static const char *const PATHS[] = {"", "/v2/org", "/v1/a:b", "/v1/..", "/v1//a", "/v1/%41"};
    static const char *const WORKSPACES[] = {"", "a:b", "..", "a/b"};
    static const char *const METHODS[] = {"", "GET", "post", "POST "};
    static const char *const IDS[] = {"", "a b", "a\"", "\xc3\xa5"};
    unsigned n = 0;
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    for (unsigned kind = 0; kind < 5; kind++) {
        for (unsigned i = 0; i < (kind == 0 ? 6 : 4); i++) {
            struct wire_message m = sign_message(++n);

            if (kind == 0)
                m.sign.path = slice_str(PATHS[i]);
            else if (kind == 1)
                m.sign.workspace = slice_str(WORKSPACES[i]);
            else if (kind == 2)
                m.sign.method = slice_str(METHODS[i]);
            else if (kind == 3)
                m.sign.request_id = slice_str(IDS[i]);
            else {
                m.sign.fields = FIELDS[i];
                m.sign.n_fields = i < 2 ? 2 : 1;
            }
            put(p, &m);
        }
    }
    turn(&f);
    CU_ASSERT_EQUAL(syncs, 1);
    for (unsigned i = 1; i <= n; i++)
        expect_refused(p, i, WIRE_REASON_MALFORMED);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"reject\""), n);
    CU_ASSERT_EQUAL(logged(&f, "\"status\":400,\"code\":\"bad_request\""), n);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"intent\""), 0);
    /* The link is as good as before. */
    put_sign(p, 1);
    turn(&f);
    expect_signed(p, 1);
    leave(p);
    cleanup(&f);
}

static void test_duplicate_id(void)
{
    struct fixture f;
    struct proxy *a, *b;

    setup(&f);
    a = greet(&f);
    b = greet(&f);
    put_sign(a, 1);
    put_sign(a, 1);
    put_sign(b, 1); /* ids are each link's own */
    turn(&f);
    expect_signed(a, 1);
    expect_refused(a, 1, WIRE_REASON_MALFORMED);
    expect_signed(b, 1);
    put_sign(a, 1);
    put_outcome(a, 1);
    put_sign(a, 1);
    turn(&f);
    expect_refused(a, 1, WIRE_REASON_MALFORMED);
    expect_recorded(a, 1, 1);
    expect_signed(a, 1);
    leave(a);
    leave(b);
    cleanup(&f);
}

/* An outcome can't be told before the signature was given out. */
static void test_early_outcome(void)
{
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 1);
    put_outcome(p, 1);
    turn(&f);
    expect_recorded(p, 1, 0);
    expect_signed(p, 1);
    CU_ASSERT_EQUAL(logged(&f, "\"outcome\""), 0);
    leave(p);
    cleanup(&f);
}

static void test_no_key(void)
{
    struct wire_message m = sign_message(3);
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    m.sign.workspace = SLICE_LIT("elsewhere");
    put(p, &m);
    turn(&f);
    CU_ASSERT_EQUAL(syncs, 1);
    expect_refused(p, 3, WIRE_REASON_FORBIDDEN);
    CU_ASSERT(
        slice_eq(p->m.refused.text, SLICE_LIT("no key is configured for workspace \"elsewhere\"")));
    CU_ASSERT_EQUAL(
        logged(&f, "\"type\":\"reject\",\"id\":\"req-1\",\"client\":{\"via\":\"tcp\",\"vouched\":"
                   "\"proxy\"},\"method\":"
                   "\"PUT\",\"workspace\":\"elsewhere\",\"path\":\"/v1/agent/1\",\"status\":403,"
                   "\"code\":\"forbidden\",\"error\":\"no key is configured for workspace "
                   "\\\"elsewhere\\\"\""),
        1);
    leave(p);
    cleanup(&f);
}

static void test_reject_and_ping(void)
{
    struct wire_message reject = {.type = WIRE_REJECT,
                                  .reject = {.id = 8,
                                             .request_id = SLICE_LIT("r"),
                                             .client = {.uid = 7},
                                             .status = 404,
                                             .code = SLICE_LIT("unknown_endpoint"),
                                             .error = SLICE_LIT("no")}};
    struct wire_message ping = {.type = WIRE_PING, .id = 77};
    const struct wire_message *m;
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put(p, &reject);
    turn(&f);
    expect_recorded(p, 8, 1);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"reject\",\"id\":\"r\",\"client\":{\"uid\":7,\"vouched\":"
                               "\"proxy\"},\"status\":"
                               "404,\"code\":\"unknown_endpoint\",\"error\":\"no\""),
                    1);
    put(p, &ping);
    turn(&f);
    m = next(p);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL(m->type, WIRE_STATE);
    CU_ASSERT_EQUAL(m->state.id, 77);
    CU_ASSERT_EQUAL(m->state.audit_ok, 1);
    CU_ASSERT_EQUAL(m->state.records, 6); /* header, start, the fields' key, two keys, one reject */
    CU_ASSERT_EQUAL(m->state.syncs, 3);
    CU_ASSERT_EQUAL(m->state.signatures, 0);
    leave(p);
    cleanup(&f);
}

static void test_link_drop(void)
{
    struct wire_message m = sign_message(2);
    struct fixture f;
    struct proxy *p;

    setup(&f);
    p = greet(&f);
    put_sign(p, 1);
    m.sign.request_id = SLICE_LIT("req-2");
    put(p, &m);
    turn(&f);
    expect_signed(p, 1);
    expect_signed(p, 2);
    put_outcome(p, 1);
    turn(&f);
    leave(p);
    turn(&f);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"outcome\""), 2);
    CU_ASSERT_EQUAL(logged(&f, "\"sent\":\"unknown\",\"error\":"
                               "\"the proxy went away\""),
                    1);
    /* Asked and gone in the same turn. */
    p = greet(&f);
    put_sign(p, 1);
    leave(p);
    turn(&f);
    turn(&f);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"intent\""), 3);
    CU_ASSERT_EQUAL(logged(&f, "\"sent\":\"unknown\""), 2);
    cleanup(&f);
}

static const struct unit_case CASES[] = {
    {"sign and outcome", test_sign},
    {"one commit for all of a turn", test_group_commit},
    {"greeting", test_greeting},
    {"a bad message", test_bad_message},
    {"malformed requests", test_malformed},
    {"an id in use", test_duplicate_id},
    {"an early outcome", test_early_outcome},
    {"no key", test_no_key},
    {"reject and ping", test_reject_and_ping},
    {"a link that drops", test_link_drop},
};

UNIT_MAIN("keeper", CASES)
