/*
 * What was done, and the policy that is written from it: it can be read, and allows just that.
 */
#include "ctl/policy/policy_seen.h"

#include "ctl/policy/policy_write.h"
#include "unit/policy/policy_fixture.h"

#include <stdlib.h>
#include <string.h>

static void add(struct policy_seen *s, const char *client, const char *method,
                const char *workspace, const char *path)
{
    struct audit_facts facts = {0};
    char text[512];

    snprintf(text, sizeof(text),
             "{\"type\":\"intent\",\"client\":{%s},\"method\":\"%s\",\"workspace\":\"%s\",\"path\":"
             "\"%s\"}",
             client, method, workspace, path);
    CU_ASSERT_EQUAL_FATAL(audit_facts_read(&facts, slice_str(text)), 0);
    CU_ASSERT_EQUAL_FATAL(policy_seen_add(s, &facts), 0);
    audit_facts_deinit(&facts);
}

/* What is written, to be freed; NULL when nothing could be. */
static char *written(const struct policy_seen *s)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    bool done = policy_write(f, s);

    fclose(f);
    if (done)
        return text;
    free(text);
    return NULL;
}

static enum policy_verdict ask(const struct policy *p, uint32_t uid, const char *method,
                               const char *workspace, const char *path)
{
    struct policy_request r = {
        .method = slice_str(method), .workspace = slice_str(workspace), .path = slice_str(path)};

    return policy_decide(p, policy_client(p, &(struct client_identity){.uid = uid}), &r).verdict;
}

#define U1 "\"uid\":1,\"user\":\"crm\""

static void test_narrowest(void)
{
    static const struct {
        uint32_t uid;
        const char *method, *workspace, *path;
        enum policy_verdict verdict;
    } CASES[] = {
        {1, "POST", "a", "/v1/org", POLICY_ALLOWED},
        {1, "PUT", "a", "/v1/org/77", POLICY_ALLOWED},
        {1, "PUT", "b", "/v1/org/1", POLICY_ALLOWED},
        {1, "POST", "b", "/v1/org", POLICY_ALLOWED},
        {1, "DELETE", "a", "/v1/area/1", POLICY_ALLOWED},
        {1, "DELETE", "b", "/v1/area/1", POLICY_FORBIDDEN},
        {1, "DELETE", "a", "/v1/org/1", POLICY_FORBIDDEN},
        {1, "PUT", "a", "/v1/org", POLICY_FORBIDDEN},
        {1, "POST", "a", "/v1/org/1", POLICY_FORBIDDEN},
        {1, "PUT", "c", "/v1/org/1", POLICY_FORBIDDEN},
        {1, "PUT", "a", "/v1/org/x", POLICY_FORBIDDEN},
        {1, "PUT", "a", "/v1/route/1", POLICY_ALLOWED},
        {1, "PUT", "b", "/v1/route/1", POLICY_FORBIDDEN},
        {2, "PUT", "a", "/v1/tag/5", POLICY_ALLOWED},
        {2, "PUT", "a", "/v1/org/5", POLICY_FORBIDDEN},
        {1, "PUT", "a", "/v1/tag/5", POLICY_FORBIDDEN},
        {3, "PUT", "a", "/v1/tag/5", POLICY_UNKNOWN_CLIENT},
    };
    struct policy_seen s = {0};
    struct policy *p;
    char *text;

    add(&s, U1, "POST", "a", "/v1/org");
    add(&s, U1, "POST", "b", "/v1/org");
    add(&s, U1, "PUT", "a", "/v1/org/1");
    add(&s, U1, "PUT", "a", "/v1/org/2");
    add(&s, U1, "PUT", "b", "/v1/org/2");
    add(&s, U1, "PUT", "a", "/v1/route/2"); /* in one workspace only */
    add(&s, U1, "DELETE", "a", "/v1/area/2");
    add(&s, "\"uid\":2", "PUT", "a", "/v1/tag/3");
    CU_ASSERT_EQUAL(s.n, 8);
    text = written(&s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "# 7 requests\n    { name = \"crm\"; uid = 1; }"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "{ name = \"uid-2\"; uid = 2; }"));
    p = policy_of(text);
    CU_ASSERT_EQUAL(p->rules.n, 5);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        CU_ASSERT_EQUAL(ask(p, CASES[i].uid, CASES[i].method, CASES[i].workspace, CASES[i].path),
                        CASES[i].verdict);
    policy_free(p);
    free(text);
    policy_seen_deinit(&s);
}

/* Names of the present policy stand for their clients, with all that these are known by. */
static void test_known(void)
{
    struct policy *known = policy_of(
        "clients = ( { name = \"site\"; token = \"" HASH_ONE "\"; rate = 2.5; burst = 9; }, { name "
        "= \"odd\"; certificate = \"a\\\"b\\\\c\"; }, { name = \"root\"; user = \"root\"; } );");
    struct policy_seen s = {.known = known};
    struct policy *p;
    char *text;

    add(&s, "\"name\":\"site\",\"uid\":5", "PUT", "a", "/v1/org/1");
    add(&s, "\"name\":\"site\"", "PUT", "a", "/v1/org/1");
    add(&s, "\"name\":\"odd\"", "PUT", "a", "/v1/org/1");
    add(&s, "\"uid\":0", "PUT", "a", "/v1/org/1");
    add(&s, "\"name\":\"gone\",\"uid\":7", "PUT", "a", "/v1/org/1");
    add(&s, "\"name\":\"shared\",\"uid\":8", "PUT", "a", "/v1/org/1");
    add(&s, "\"name\":\"shared\",\"uid\":9", "PUT", "a", "/v1/org/1");
    text = written(&s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text, "{ name = \"site\"; token = \"" HASH_ONE "\"; rate = 2.5; burst = 9; }"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "{ name = \"root\"; user = \"root\"; }"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "{ name = \"gone\"; uid = 7; }"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "# Not here: client \"shared\" (2 requests)."));
    p = policy_of(text);
    CU_ASSERT_EQUAL(p->clients.n, 4);
    CU_ASSERT_STRING_EQUAL(p->clients.list[1].certificate, "a\"b\\c");
    policy_free(p);
    free(text);
    policy_seen_deinit(&s);
    policy_free(known);
}

/* A log may hold anything: nothing of it becomes part of the configuration unlooked at. */
static void test_strange(void)
{
    struct policy_seen s = {0};

    add(&s, "\"uid\":1", "GET", "a", "/v1/org");
    add(&s, "\"uid\":1", "PUT", "a b", "/v1/org");
    add(&s, "\"uid\":1", "PUT", "a", "/v1/org\\\" ); x = (\\\"");
    add(&s, "\"uid\":1", "PUT", "a", "/v2/org");
    add(&s, "\"uid\":1", "PUT", "a", "");
    add(&s, "\"name\":\"x\\\"; \",\"uid\":1", "PUT", "a", "/v1/org");
    CU_ASSERT_EQUAL(s.strange, 6);
    add(&s, "\"via\":\"tcp\"", "PUT", "a", "/v1/org");
    add(&s, "\"uid\":4294967295", "PUT", "a", "/v1/org");
    CU_ASSERT_EQUAL(s.anonymous, 2);
    CU_ASSERT_EQUAL(s.n, 0);
    CU_ASSERT_PTR_NULL(written(&s));
    policy_seen_deinit(&s);
}

/* Two users of one name, and a name that is another's. */
static void test_names(void)
{
    struct policy_seen s = {0};
    struct policy *p;
    char *text;

    add(&s, "\"uid\":1,\"user\":\"twin\"", "PUT", "a", "/v1/org/1");
    add(&s, "\"uid\":2,\"user\":\"twin\"", "PUT", "a", "/v1/org/1");
    add(&s, "\"uid\":3,\"user\":\"a\\\"b\"", "PUT", "a", "/v1/org/1");
    add(&s, "\"uid\":3000000000", "PUT", "a", "/v1/org/1");
    text = written(&s);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    p = policy_of(text);
    CU_ASSERT_EQUAL_FATAL(p->clients.n, 4);
    CU_ASSERT_STRING_EQUAL(p->clients.list[0].name, "uid-1");
    CU_ASSERT_STRING_EQUAL(p->clients.list[1].name, "uid-2");
    CU_ASSERT_STRING_EQUAL(p->clients.list[2].name, "uid-3");
    CU_ASSERT_EQUAL(p->clients.list[3].uid, 3000000000);
    policy_free(p);
    free(text);
    policy_seen_deinit(&s);
}

static const struct unit_case CASES[] = {
    {"the narrowest", test_narrowest},
    {"clients that are there", test_known},
    {"strange records", test_strange},
    {"names", test_names},
};

UNIT_MAIN("policy_seen", CASES)
