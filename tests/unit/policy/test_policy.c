#include "policy/policy.h"

#include "unit/policy/policy_fixture.h"

#include <string.h>

static struct policy_request put_area(void)
{
    static const struct request_field FIELDS[] = {
        {SLICE_LIT("name"), SLICE_LIT("SECRET-VALUE"), REQUEST_STRING}};

    return (struct policy_request){.method = SLICE_LIT("PUT"),
                                   .workspace = SLICE_LIT("televox"),
                                   .path = SLICE_LIT("/v1/areas/5"),
                                   .n_fields = 1,
                                   .fields = FIELDS};
}

static enum policy_verdict verdict(const struct policy *p, uint32_t uid)
{
    struct policy_request r = put_area();

    return policy_decide(p, policy_client(p, &(struct client_identity){.uid = uid}), &r).verdict;
}

static void test_order(void)
{
    struct policy *p = policy_of("");

    CU_ASSERT_EQUAL(verdict(NULL, 1), POLICY_UNKNOWN_CLIENT);
    CU_ASSERT_EQUAL(verdict(p, 1), POLICY_UNKNOWN_CLIENT);
    CU_ASSERT_PTR_NOT_NULL(policy_conf_missing(p));
    policy_free(p);
    p = policy_of("clients = \"anyone\";");
    CU_ASSERT_PTR_NULL(policy_conf_missing(p));
    CU_ASSERT_EQUAL(verdict(p, 1), POLICY_ALLOWED);
    CU_ASSERT_EQUAL(verdict(p, CLIENT_UID_UNKNOWN), POLICY_ALLOWED);
    policy_free(p);
    p = policy_of("clients = ( { name = \"a\"; uid = 1; } );");
    CU_ASSERT_EQUAL(verdict(p, 1), POLICY_ALLOWED);
    CU_ASSERT_EQUAL(verdict(p, 2), POLICY_UNKNOWN_CLIENT);
    CU_ASSERT_EQUAL(verdict(p, CLIENT_UID_UNKNOWN), POLICY_UNKNOWN_CLIENT);
    policy_free(p);
    /* One rule, and nobody may do what none allows: not in its place, not beside it. */
    p = policy_of("clients = ( { name = \"a\"; uid = 1; }, { name = \"b\"; uid = 2; } );\n"
                  "rules = ( { client = \"a\"; paths = \"/v1/org\"; },\n"
                  "{ client = \"a\"; methods = \"PUT\"; paths = \"/v1/areas/:id\"; } );");
    CU_ASSERT_EQUAL(verdict(p, 1), POLICY_ALLOWED);
    CU_ASSERT_EQUAL(verdict(p, 2), POLICY_FORBIDDEN);
    CU_ASSERT_EQUAL(verdict(p, 3), POLICY_UNKNOWN_CLIENT);
    policy_free(p);
    p = policy_of("clients = ( { name = \"a\"; uid = 1; } );\nrules = ( { client = \"*\"; } );");
    CU_ASSERT_EQUAL(verdict(p, 1), POLICY_ALLOWED);
    CU_ASSERT_EQUAL(verdict(p, 0), POLICY_UNKNOWN_CLIENT);
    policy_free(p);
}

/* Of a client as well as of a rule. */
static void test_vouched(void)
{
    struct policy *p = policy_of("clients = ( { name = \"a\"; uid = 1; vouched = \"kernel\"; },\n"
                                 "{ name = \"b\"; uid = 2; vouched = \"proxy\"; },\n"
                                 "{ name = \"c\"; uid = 3; vouched = \"kernel\"; },\n"
                                 "{ name = \"d\"; uid = 3; } );\n"
                                 "rules = ( { client = ( \"a\", \"d\" ); },\n"
                                 "{ client = \"b\"; vouched = \"kernel\"; } );");
    static const struct {
        uint32_t uid;
        bool vouched;
        enum policy_verdict is;
    } CASES[] = {{1, true, POLICY_ALLOWED},   {1, false, POLICY_UNKNOWN_CLIENT},
                 {2, true, POLICY_ALLOWED},   {2, false, POLICY_FORBIDDEN},
                 {3, true, POLICY_FORBIDDEN}, {3, false, POLICY_ALLOWED}};
    char text[POLICY_TEXT_MAX];

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct client_identity who = {.uid = CASES[i].uid, .vouched = CASES[i].vouched};
        struct policy_request r = put_area();
        struct policy_decision d;
        int client = policy_client(p, &who);

        r.vouched = who.vouched;
        d = policy_decide(p, client, &r);
        CU_ASSERT_EQUAL(d.verdict, CASES[i].is);
        if (who.uid == 2 && !who.vouched) {
            CU_ASSERT_EQUAL(d.miss, POLICY_MISS_VOUCHED);
            policy_say_forbidden(text, p, client, &r, &d);
            CU_ASSERT_PTR_NOT_NULL(strstr(text, "but over the Unix socket"));
        }
        if (who.uid == 1 && !who.vouched) {
            policy_say_unknown(text, p, &who);
            CU_ASSERT_PTR_NOT_NULL(strstr(text, "only over the Unix socket"));
        }
    }
    policy_say_unknown(text, p, &(struct client_identity){.uid = 9});
    CU_ASSERT_PTR_NULL(strstr(text, "Unix"));
    policy_free(p);
}

/* Without a field the signature is a DELETE's, too. */
static void test_bare(void)
{
    static const struct {
        const char *rules;
        bool allowed;
    } T[] = {
        {"", true},
        {"rules = ( { client = \"a\"; } );", true},
        {"rules = ( { client = \"a\"; methods = \"PUT\"; } );", false},
        {"rules = ( { client = \"a\"; methods = ( \"PUT\", \"DELETE\" ); } );", true},
        {"rules = ( { client = \"a\"; methods = \"PUT\"; }, { client = \"a\"; methods = "
         "\"DELETE\"; "
         "paths = \"/v1/areas/:id\"; } );",
         true},
        {"rules = ( { client = \"a\"; methods = \"PUT\"; }, { client = \"a\"; methods = "
         "\"DELETE\"; "
         "paths = \"/v1/areas/6\"; } );",
         false},
        {"rules = ( { client = \"a\"; methods = \"PUT\"; }, { client = \"b\"; methods = "
         "\"DELETE\"; } );",
         false},
        {"rules = ( { client = \"a\"; methods = ( \"PUT\", \"DELETE\" ); fields = ( { field = "
         "\"x\"; "
         "required = true; } ); }, { client = \"a\"; methods = \"PUT\"; } );",
         false},
    };

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        char text[512], says[POLICY_TEXT_MAX];
        struct policy_request r = put_area();
        struct policy_decision d;
        struct policy *p;

        (void)snprintf(text, sizeof(text),
                       "clients = ( { name = \"a\"; uid = 1; }, { name = \"b\"; uid = 2; } ); %s",
                       T[i].rules);
        p = policy_of(text);
        r.n_fields = 0;
        r.bare = true;
        d = policy_decide(p, 0, &r);
        CU_ASSERT_EQUAL(d.verdict, T[i].allowed ? POLICY_ALLOWED : POLICY_FORBIDDEN);
        if (!T[i].allowed) {
            CU_ASSERT_EQUAL(d.miss, POLICY_MISS_BARE);
            policy_say_forbidden(says, p, 0, &r, &d);
            CU_ASSERT_PTR_NOT_NULL(strstr(says, "that of a DELETE, too"));
        }
        policy_free(p);
    }
}

static void test_sentences(void)
{
    struct policy *p =
        policy_of("clients = ( { name = \"crm\"; uid = 1; rate = 2.5; burst = 4; } );\n"
                  "rules = ( { client = \"crm\"; methods = \"POST\"; },\n"
                  "{ client = \"crm\"; workspaces = \"other\"; } );");
    struct policy *q = policy_of("clients = ( { name = \"crm\"; uid = 1; } );\n"
                                 "rules = ( { client = \"crm\"; paths = \"/v1/org\"; },\n"
                                 "{ client = \"crm\"; fields = ( { field = \"name\"; values = "
                                 "\"x\"; } ); },\n{ client = \"crm\"; fields = ( { field = \"id\"; "
                                 "required = true; } ); } );");
    struct policy_request r = put_area();
    struct policy_decision d = policy_decide(p, 0, &r);
    char path[REQUEST_PATH_MAX + 1], text[POLICY_TEXT_MAX];

    CU_ASSERT_EQUAL(d.rule->line, 2);
    CU_ASSERT_EQUAL(d.miss, POLICY_MISS_METHOD);
    policy_say_forbidden(text, p, 0, &r, &d);
    CU_ASSERT_STRING_EQUAL(text, "client crm may not PUT /v1/areas/5 in workspace televox");
    d = policy_decide(q, 0, &r);
    CU_ASSERT_EQUAL(d.rule->line, 3);
    policy_say_forbidden(text, q, 0, &r, &d);
    CU_ASSERT_STRING_EQUAL(text, "client crm may not PUT /v1/areas/5 in workspace televox with "
                                 "this value of the field name");
    r.n_fields = 0;
    d = policy_decide(q, 0, &r);
    CU_ASSERT_EQUAL(d.verdict, POLICY_ALLOWED); /* an absent field is no wrong value */
    test_vouched();
    test_bare();
    /* The longest of all still fits the wire. */
    memset(path, 'p', sizeof(path));
    r.path = slice_of(path, REQUEST_PATH_MAX);
    policy_say_forbidden(text, p, 0, &r, &d);
    CU_ASSERT(strlen(text) < REQUEST_TEXT_MAX);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "ppp... in workspace televox"));
    policy_say_limit(text, p, 0);
    CU_ASSERT_STRING_EQUAL(text,
                           "client crm is over its limit of 2.5 requests a second (4 at once)");
    policy_say_unknown(text, NULL, &(struct client_identity){.uid = 5});
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "uid 5"));
    policy_say_unknown(text, NULL,
                       &(struct client_identity){.uid = 5, .token = SLICE_LIT("cpt_hidden")});
    CU_ASSERT_PTR_NULL(strstr(text, "hidden"));
    policy_say_unknown(text, NULL, &(struct client_identity){.uid = CLIENT_UID_UNKNOWN});
    CU_ASSERT_PTR_NULL(strstr(text, "4294967295"));
    policy_free(p);
    policy_free(q);
}

static void test_limits(void)
{
    struct policy *p = policy_of("clients = ( { name = \"a\"; uid = 1; rate = 1; burst = 3; }, "
                                 "{ name = \"b\"; uid = 2; rate = 1; }, { name = \"c\"; uid = 3; } "
                                 ");");
    struct policy *next = policy_of("clients = ( { name = \"b\"; uid = 2; rate = 1; }, { name = "
                                    "\"a\"; uid = 1; rate = 1; burst = 3; } );");

    for (int i = 0; i < 3; i++)
        CU_ASSERT_TRUE(policy_take(p, 0, 1));
    CU_ASSERT_FALSE(policy_take(p, 0, 1));
    /* Nobody pays for another. */
    CU_ASSERT_TRUE(policy_take(p, 1, 1));
    CU_ASSERT_FALSE(policy_take(p, 1, 1));
    for (int i = 0; i < 1000; i++)
        CU_ASSERT_TRUE(policy_take(p, 2, 1));
    CU_ASSERT_TRUE(policy_take(p, POLICY_NOBODY, 1));
    CU_ASSERT_TRUE(policy_take(NULL, POLICY_NOBODY, 1));
    policy_continue(next, p);
    policy_continue(next, NULL);
    CU_ASSERT_FALSE(policy_take(next, 0, 1));
    CU_ASSERT_FALSE(policy_take(next, 1, 1));
    policy_free(p);
    policy_free(next);
    policy_free(NULL);
}

static const struct unit_case CASES[] = {
    {"the order of decisions", test_order},
    {"sentences", test_sentences},
    {"limits", test_limits},
};

UNIT_MAIN("policy", CASES)
