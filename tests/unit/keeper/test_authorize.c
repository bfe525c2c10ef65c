/*
 * What the keeper does with its policy: who is asked for, what is signed, and what is recorded.
 */
#include "keeper/authorize.h"

#include "unit/keeper/keeper_fixture.h"
#include "unit/policy/policy_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static struct wire_message ask(uint64_t id, uint32_t uid, const char *token)
{
    struct wire_message m = sign_message(id);

    m.sign.client.uid = uid;
    m.sign.client.token = slice_str(token);
    /* A proxy can't say who it is. */
    m.sign.client.name = SLICE_LIT("forged");
    return m;
}

static void expect_text(struct proxy *p, uint64_t id, enum wire_reason reason, const char *text)
{
    expect_refused(p, id, reason);
    CU_ASSERT(slice_eq(p->m.refused.text, slice_str(text)));
}

#define MAY "client crm may not PUT /v1/agent/1 in workspace space"

static void test_rules(void)
{
    struct policy *policy =
        policy_of("clients = ( { name = \"crm\"; uid = 7; }, { name = \"site\"; token = \"" HASH_ONE
                  "\"; } );\n rules = ( { client = \"site\"; paths = \"/v1/agent/:id\"; } );");
    struct fixture f;
    struct proxy *p;
    struct wire_message m;

    setup(&f);
    keeper_policy(f.keeper, policy);
    p = greet(&f);
    m = ask(1, 7, NULL);
    put(p, &m);
    m = ask(2, 8, NULL);
    put(p, &m);
    m = ask(3, 7, "cpt_wrong");
    put(p, &m);
    m = ask(4, CLIENT_UID_UNKNOWN, "cpt_one");
    put(p, &m);
    turn(&f);
    expect_text(p, 1, WIRE_REASON_FORBIDDEN, MAY);
    expect_refused(p, 2, WIRE_REASON_UNKNOWN_CLIENT);
    expect_refused(p, 3, WIRE_REASON_UNKNOWN_CLIENT);
    expect_signed(p, 4);
    CU_ASSERT_EQUAL(syncs, 1);
    CU_ASSERT_EQUAL(logged(&f, "\"type\":\"intent\""), 1);
    CU_ASSERT_EQUAL(logged(&f, "\"client\":{\"name\":\"site\",\"via\":\"tcp\",\"vouched\":"
                               "\"proxy\"},\"method\":\"PUT\""),
                    1);
    CU_ASSERT_EQUAL(logged(&f, "\"client\":{\"name\":\"crm\",\"uid\":7,\"via\":\"tcp\",\"vouched\":"
                               "\"proxy\"},\"method\":"
                               "\"PUT\",\"workspace\":\"space\",\"path\":\"/v1/agent/1\","
                               "\"status\":403,\"code\":\"forbidden\",\"error\":\"" MAY "\""),
                    1);
    CU_ASSERT_EQUAL(
        logged(&f,
               "\"client\":{\"uid\":8,\"via\":\"tcp\",\"vouched\":\"proxy\"},\"method\":\"PUT\","
               "\"workspace\":\"space\",\"path\":\"/v1/agent/1\",\"status\":401,"
               "\"code\":\"unknown_client\",\"error\":\""),
        1);
    CU_ASSERT_EQUAL(logged(&f, "\"status\":401"), 2);
    CU_ASSERT_EQUAL(logged(&f, "forged"), 0);
    CU_ASSERT_EQUAL(logged(&f, "cpt_"), 0);
    CU_ASSERT_EQUAL(keeper_signatures(f.keeper), 1);
    leave(p);
    cleanup(&f);
    policy_free(policy);
}

/* Who is also in what the proxy refused by itself, and in what is malformed. */
static void test_rejects(void)
{
    struct policy *policy = policy_of("clients = ( { name = \"crm\"; uid = 7; } );");
    struct wire_message reject = {.type = WIRE_REJECT,
                                  .reject = {.id = 1,
                                             .request_id = SLICE_LIT("bad-1"),
                                             .client = {.uid = 7, .name = SLICE_LIT("forged")},
                                             .status = 400,
                                             .code = SLICE_LIT("bad_json"),
                                             .error = SLICE_LIT("no")}};
    struct wire_message m = ask(2, 7, NULL);
    struct fixture f;
    struct proxy *p;

    setup(&f);
    keeper_policy(f.keeper, policy);
    p = greet(&f);
    put(p, &reject);
    reject.reject.id = 3;
    reject.reject.client.uid = 8;
    put(p, &reject);
    m.sign.path = SLICE_LIT("/v2/x");
    put(p, &m);
    turn(&f);
    expect_recorded(p, 1, 1);
    /* Nobody's client learns nothing of its body, and gets no list of problems. */
    expect_refused(p, 3, WIRE_REASON_UNKNOWN_CLIENT);
    expect_refused(p, 2, WIRE_REASON_MALFORMED);
    CU_ASSERT_EQUAL(
        logged(&f,
               "\"id\":\"bad-1\",\"client\":{\"name\":\"crm\",\"uid\":7,\"vouched\":\"proxy\"}"),
        1);
    CU_ASSERT_EQUAL(logged(&f, "\"id\":\"bad-1\",\"client\":{\"uid\":8,\"vouched\":\"proxy\"},"
                               "\"status\":401,\"code\":\"unknown_client\""),
                    1);
    CU_ASSERT_EQUAL(logged(&f, "bad_json"), 1);
    CU_ASSERT_EQUAL(logged(&f, "\"client\":{\"name\":\"crm\",\"uid\":7,\"via\":\"tcp\",\"vouched\":"
                               "\"proxy\"},\"method\":"
                               "\"PUT\",\"workspace\":\"space\",\"path\":\"/v2/x\",\"status\":400"),
                    1);
    CU_ASSERT_EQUAL(logged(&f, "forged"), 0);
    leave(p);
    cleanup(&f);
    policy_free(policy);
}

static void test_limit(void)
{
    struct policy *policy =
        policy_of("clients = ( { name = \"crm\"; uid = 7; rate = 0.001; burst = "
                  "2; }, { name = \"ops\"; uid = 8; } );");
    struct policy *again = policy_of("clients = ( { name = \"crm\"; uid = 7; rate = 0.001; burst = "
                                     "2; } );");
    struct fixture f;
    struct proxy *p;
    struct wire_message m;

    setup(&f);
    keeper_policy(f.keeper, policy);
    p = greet(&f);
    /* What is refused for another reason counts, too. */
    m = ask(1, 7, NULL);
    m.sign.workspace = SLICE_LIT("none");
    put(p, &m);
    turn(&f);
    expect_refused(p, 1, WIRE_REASON_FORBIDDEN);
    for (uint64_t id = 3; id < 5; id++) {
        m = ask(id, 7, NULL);
        put(p, &m);
    }
    m = ask(5, 8, NULL);
    put(p, &m);
    turn(&f);
    expect_signed(p, 3);
    expect_text(p, 4, WIRE_REASON_OVERLOADED,
                "client crm is over its limit of 0.001 requests a second (2 at once)");
    expect_signed(p, 5);
    CU_ASSERT_EQUAL(logged(&f, "\"status\":503,\"code\":\"overloaded\",\"error\":\"client crm is"),
                    1);
    /* A reload gives nothing away. */
    keeper_policy(f.keeper, again);
    m = ask(6, 7, NULL);
    put(p, &m);
    m = ask(7, 8, NULL);
    put(p, &m);
    turn(&f);
    expect_refused(p, 6, WIRE_REASON_OVERLOADED);
    expect_refused(p, 7, WIRE_REASON_UNKNOWN_CLIENT);
    leave(p);
    cleanup(&f);
    policy_free(policy);
    policy_free(again);
}

/* Everyone may, and has no name. */
static void test_none(void)
{
    struct policy *policy = policy_of("clients = \"anyone\";");
    struct fixture f;
    struct proxy *p;
    struct wire_message m;

    setup(&f);
    keeper_policy(f.keeper, policy);
    p = greet(&f);
    m = ask(1, CLIENT_UID_UNKNOWN, "cpt_any");
    put(p, &m);
    turn(&f);
    expect_signed(p, 1);
    CU_ASSERT_EQUAL(logged(&f, "forged"), 0);
    leave(p);
    cleanup(&f);
    policy_free(policy);
}

/* What a proxy passes, and whose it is: the test's own user and process, or nobody the kernel
 * knows.
 */
static void test_vouched(void)
{
    static const char CONF[] = "clients = ( { name = \"root\"; uid = %u; vouched = \"kernel\"; },\n"
                               "{ name = \"seven\"; uid = 7; } );";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char conf[256], own[128];
    struct policy *policy;
    struct fixture f;
    struct proxy *p;
    struct wire_message m;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0),
        server;

    (void)snprintf(conf, sizeof(conf), CONF, (unsigned)geteuid());
    (void)snprintf(own, sizeof(own),
                   "\"uid\":%u,\"pid\":%d,\"via\":\"unix\",\"vouched\":\"kernel\"}",
                   (unsigned)geteuid(), (int)getpid());
    policy = policy_of(conf);
    setup(&f);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/http.sock", f.folder);
    CU_ASSERT_EQUAL(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    CU_ASSERT_EQUAL(listen(listener, 1), 0);
    CU_ASSERT_EQUAL(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    server = accept(listener, NULL, NULL);
    keeper_policy(f.keeper, policy);
    p = greet(&f);
    /* Whatever the proxy says: another user, another process, what that one runs. */
    m = ask(1, 7, NULL);
    m.sign.client.via = SLICE_LIT("unix");
    m.sign.client.pid = 1;
    m.sign.client.exe = SLICE_LIT("/bin/forged");
    m.sign.client.unit = SLICE_LIT("forged.service");
    put_with(p, &m, server);
    turn(&f);
    expect_signed(p, 1);
    CU_ASSERT_EQUAL(logged(&f, own), 1);
    /* What it tells of the right one is kept. */
    m = ask(2, geteuid(), NULL);
    m.sign.client.via = SLICE_LIT("unix");
    m.sign.client.pid = (uint32_t)getpid();
    m.sign.client.exe = SLICE_LIT("/bin/right");
    put_with(p, &m, server);
    turn(&f);
    expect_signed(p, 2);
    CU_ASSERT_EQUAL(logged(&f, "\"exe\":\"/bin/right\",\"via\":\"unix\",\"vouched\":\"kernel\"}"),
                    1);
    /* Its own word, or a connection of its own making. */
    m = ask(3, geteuid(), NULL);
    put(p, &m);
    put_with(p, &m, client);
    put_with(p, &m, 0);
    turn(&f);
    for (int i = 0; i < 3; i++)
        expect_text(p, 3, WIRE_REASON_UNKNOWN_CLIENT,
                    "it is a known client only over the Unix socket, where the kernel vouches for "
                    "its uid");
    m = ask(4, 7, NULL);
    put_with(p, &m, client);
    turn(&f);
    expect_signed(p, 4);
    CU_ASSERT_EQUAL(
        logged(&f, "\"name\":\"seven\",\"uid\":7,\"via\":\"tcp\",\"vouched\":\"proxy\"}"), 1);
    /* One that has left. */
    (void)close(client);
    m = ask(5, 7, NULL);
    put_with(p, &m, server);
    turn(&f);
    expect_signed(p, 5);
    CU_ASSERT_EQUAL(logged(&f, "\"vouched\":\"kernel\""), 2);
    CU_ASSERT_EQUAL(logged(&f, "forged"), 0);
    (void)close(server);
    (void)close(listener);
    (void)unlink(address.sun_path);
    leave(p);
    cleanup(&f);
    policy_free(policy);
}

static const struct unit_case CASES[] = {
    {"vouched", test_vouched}, {"rules", test_rules},    {"rejects have names", test_rejects},
    {"limits", test_limit},    {"no policy", test_none},
};

UNIT_MAIN("authorize", CASES)
