#include "policy/policy_clients.h"
#include "unit/policy/policy_fixture.h"
#include "unit/unit.h"

#include <stdbool.h>

static const char CONF[] = "clients = (\n"
                           "{ name = \"both\"; uid = 1001; token = \"" HASH_ONE "\"; },\n"
                           "{ name = \"cert\"; certificate = \"site-a.example.com\"; },\n"
                           "{ name = \"certuid\"; certificate = \"b.example.com\"; uid = 1002; },\n"
                           "{ name = \"uid\"; uid = 1001; },\n"
                           "{ name = \"token\"; token = \"" HASH_TWO "\"; },\n"
                           "{ name = \"root\"; user = \"root\"; },\n"
                           "{ name = \"late\"; uid = 1001; certificate = \"c\"; } );";

static void test_matrix(void)
{
    static const struct {
        uint32_t uid;
        const char *token, *certificate, *is; /* NULL: nobody */
    } CASES[] = {
        {1001, NULL, NULL, "uid"},
        {1002, NULL, NULL, NULL},
        {1003, NULL, NULL, NULL},
        {0, NULL, NULL, "root"},
        {CLIENT_UID_UNKNOWN, NULL, NULL, NULL},
        {CLIENT_UID_UNKNOWN - 1, NULL, NULL, NULL},
        /* A token is never ignored. */
        {1001, "cpt_one", NULL, "both"},
        {1002, "cpt_one", NULL, NULL},
        {CLIENT_UID_UNKNOWN, "cpt_one", NULL, NULL},
        {1001, "cpt_wrong", NULL, NULL},
        {0, "cpt_wrong", NULL, NULL},
        {0, "x", NULL, NULL},
        {1001, "cpt_two", NULL, "token"},
        {CLIENT_UID_UNKNOWN, "cpt_two", NULL, "token"},
        {0, "cpt_two", NULL, "token"},
        {CLIENT_UID_UNKNOWN, "cpt_two", "site-a.example.com", "token"},
        {CLIENT_UID_UNKNOWN, "cpt_wrong", "site-a.example.com", NULL},
        {CLIENT_UID_UNKNOWN, NULL, "site-a.example.com", "cert"},
        {1001, NULL, "site-a.example.com", "cert"},
        {1001, NULL, "other.example.com", "uid"},
        {CLIENT_UID_UNKNOWN, NULL, "other.example.com", NULL},
        {1002, NULL, "b.example.com", "certuid"},
        {1003, NULL, "b.example.com", NULL},
        {CLIENT_UID_UNKNOWN, NULL, "b.example.com", NULL},
        {CLIENT_UID_UNKNOWN, NULL, "B.example.com", NULL},
        /* The first in the file wins. */
        {1001, NULL, "c", "uid"},
    };
    struct policy *p = policy_of(CONF);

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct client_identity who = {.uid = CASES[i].uid,
                                      .token = slice_str(CASES[i].token),
                                      .certificate = slice_str(CASES[i].certificate)};
        int found = policy_clients_find(&p->clients, &who);

        if (CASES[i].is)
            CU_ASSERT_STRING_EQUAL(found < 0 ? "nobody" : p->clients.list[found].name, CASES[i].is)
        else
            CU_ASSERT_EQUAL(found, POLICY_NOBODY);
    }
    policy_free(p);
}

static void test_group(void)
{
    uint32_t members[] = {3, 7, 9, 4000000000};
    char name[] = "ops";
    struct policy_client c = {.name = name, .group = name, .members = members, .n_members = 4};
    struct policy_clients list = {&c, 1};

    for (uint32_t uid = 0; uid < 12; uid++) {
        struct client_identity who = {.uid = uid};

        CU_ASSERT_EQUAL(policy_clients_find(&list, &who) == 0, uid == 3 || uid == 7 || uid == 9);
    }
    CU_ASSERT_EQUAL(policy_clients_find(&list, &(struct client_identity){.uid = 4000000000}), 0);
    CU_ASSERT_EQUAL(
        policy_clients_find(&list, &(struct client_identity){.uid = CLIENT_UID_UNKNOWN}),
        POLICY_NOBODY);
    c.has_uid = true;
    c.uid = 8;
    CU_ASSERT_EQUAL(policy_clients_find(&list, &(struct client_identity){.uid = 8}), POLICY_NOBODY);
    CU_ASSERT_EQUAL(policy_clients_find(&list, &(struct client_identity){.uid = 7}), POLICY_NOBODY);
    c.uid = 7;
    CU_ASSERT_EQUAL(policy_clients_find(&list, &(struct client_identity){.uid = 7}), 0);
    /* Not even where the user database has that number. */
    members[3] = c.uid = CLIENT_UID_UNKNOWN;
    CU_ASSERT_EQUAL(
        policy_clients_find(&list, &(struct client_identity){.uid = CLIENT_UID_UNKNOWN}),
        POLICY_NOBODY);
    c.n_members = 0;
    c.members = NULL;
    CU_ASSERT_EQUAL(policy_clients_find(&list, &(struct client_identity){.uid = 7}), POLICY_NOBODY);
}

static void test_names(void)
{
    static const char LONGEST[] =
        "0123456789012345678901234567890123456789012345678901234567890123";

    CU_ASSERT_TRUE(policy_client_name_ok("a"));
    CU_ASSERT_TRUE(policy_client_name_ok("Crm_2.site-a@x"));
    CU_ASSERT_TRUE(policy_client_name_ok(LONGEST));
    CU_ASSERT_FALSE(policy_client_name_ok(""));
    CU_ASSERT_FALSE(policy_client_name_ok("*"));
    CU_ASSERT_FALSE(policy_client_name_ok("a b"));
    CU_ASSERT_FALSE(policy_client_name_ok("a\"b"));
    CU_ASSERT_FALSE(
        policy_client_name_ok("0123456789012345678901234567890123456789012345678901234567"
                              "8901234"));
}

static unsigned take(struct rate *r, uint64_t now, unsigned tries)
{
    unsigned n = 0;

    for (unsigned i = 0; i < tries; i++)
        n += rate_take(r, now);
    return n;
}

static void test_none(void)
{
    struct rate r;

    rate_init(&r, 0, 0);
    CU_ASSERT_EQUAL(take(&r, 0, 100000), 100000);
}

static void test_burst(void)
{
    struct rate r;

    rate_init(&r, 20, 40);
    CU_ASSERT_EQUAL(take(&r, 1000000, 100), 40);
    CU_ASSERT_EQUAL(take(&r, 1000000, 100), 0);
    CU_ASSERT_EQUAL(take(&r, 1049999, 1), 0);
    CU_ASSERT_EQUAL(take(&r, 1050000, 100), 1);
    CU_ASSERT_EQUAL(take(&r, 2050000, 100), 20);
    /* An idle hour fills it, and no more. */
    CU_ASSERT_EQUAL(take(&r, UINT64_C(3602050000), 100), 40);
}

static void test_default_burst(void)
{
    struct rate r;

    rate_init(&r, 0.5, 0);
    CU_ASSERT_EQUAL(take(&r, 5, 10), 1);
    CU_ASSERT_EQUAL(take(&r, 1999999, 10), 0);
    CU_ASSERT_EQUAL(take(&r, 2000005, 10), 1);
    rate_init(&r, 7, 0);
    CU_ASSERT_EQUAL(take(&r, 5, 100), 7);
}

/* In the long run neither more nor fewer, in however small steps it is asked. */
static void test_long_run(void)
{
    struct rate r;
    unsigned n = 0;

    rate_init(&r, 1000, 2);
    for (uint64_t now = 1; now <= 10000000; now += 37)
        n += rate_take(&r, now);
    CU_ASSERT(n >= 9990 && n <= 10002);
}

static void test_step_back(void)
{
    struct rate r;

    rate_init(&r, 1, 1);
    CU_ASSERT_EQUAL(take(&r, 10000000, 2), 1);
    CU_ASSERT_EQUAL(take(&r, 5000000, 2), 0);
    CU_ASSERT_EQUAL(take(&r, 10500000, 2), 0);
    CU_ASSERT_EQUAL(take(&r, 11000000, 2), 1);
}

static void test_continue(void)
{
    struct rate old, new;

    rate_init(&old, 1, 5);
    CU_ASSERT_EQUAL(take(&old, 1, 4), 4);
    rate_init(&new, 1, 5);
    rate_continue(&new, &old);
    CU_ASSERT_EQUAL(take(&new, 1, 10), 1);
    rate_init(&new, 1, 6);
    rate_continue(&new, &old);
    CU_ASSERT_EQUAL(take(&new, 1, 10), 6);
}

static const struct unit_case CASES[] = {
    {"who is who", test_matrix},
    {"groups", test_group},
    {"names", test_names},
    {"no limit", test_none},
    {"burst and refill", test_burst},
    {"default burst", test_default_burst},
    {"the long run", test_long_run},
    {"a clock that steps back", test_step_back},
    {"a reload", test_continue},
};

UNIT_MAIN("policy_clients", CASES)
