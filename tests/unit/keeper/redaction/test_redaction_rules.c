#include "keeper/redaction/redaction_rules.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>

#define PUT SLICE_LIT("PUT")

static struct redaction_rules *rules(const struct redaction_rule_text *list, size_t n)
{
    struct redaction_rules *r = NULL;
    const char *where, *why;

    CU_ASSERT_EQUAL_FATAL(redaction_rules_new(&r), 0);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(redaction_rules_add(r, &list[i], &where, &why), 0);
    return r;
}

/* What the rules say, -1 for nothing. */
static int says(const struct redaction_rules *r, const char *method, const char *path,
                const char *name)
{
    const struct redaction_rule *selected[REDACTION_RULES_MAX];
    size_t n =
        redaction_rules_select(r, REDACTION_REQUEST, slice_str(method), slice_str(path), selected);
    const struct redaction_rule *rule = redaction_rules_find(selected, n, slice_str(name));

    return rule ? (int)rule->keep : -1;
}

static void test_first_wins(void)
{
    static const struct redaction_rule_text LIST[] = {
        {"PUT", "/v1/area/:id", "server_emails[].name", RECORD_MAC, REDACTION_REQUEST},
        {NULL, "/v1/*/:id", "server_emails", RECORD_OMIT, REDACTION_REQUEST},
        {"POST", NULL, "server_emails", RECORD_PLAIN, REDACTION_REQUEST},
        {"DELETE", NULL, "*", RECORD_OMIT, REDACTION_REQUEST},
        {NULL, NULL, "name", RECORD_MAC, REDACTION_REQUEST},
        {NULL, NULL, "name", RECORD_OMIT, REDACTION_REQUEST},
    };
    struct redaction_rules *r = rules(LIST, sizeof(LIST) / sizeof(LIST[0]));

    CU_ASSERT_EQUAL(says(r, "PUT", "/v1/area/7", "server_emails"), RECORD_MAC);
    CU_ASSERT_EQUAL(says(r, "POST", "/v1/area/7", "server_emails"), RECORD_OMIT);
    CU_ASSERT_EQUAL(says(r, "PUT", "/v1/other/7", "server_emails"), RECORD_OMIT);
    CU_ASSERT_EQUAL(says(r, "POST", "/v1/area", "server_emails"), RECORD_PLAIN);
    CU_ASSERT_EQUAL(says(r, "PUT", "/v1/area", "server_emails"), -1);
    CU_ASSERT_EQUAL(says(r, "DELETE", "/v1/area", "whatever"), RECORD_OMIT);
    CU_ASSERT_EQUAL(says(r, "PUT", "/v1/area", "name"), RECORD_MAC);
    CU_ASSERT_EQUAL(says(r, "PUT", "/v1/area", "nam"), -1);
    CU_ASSERT_EQUAL(says(r, "PUT", "/v1/area", "name2"), -1);
    CU_ASSERT_EQUAL(says(r, "", "", "name"), RECORD_MAC);
    CU_ASSERT_EQUAL(says(NULL, "PUT", "/v1/area", "name"), -1);
    redaction_rules_free(r);
    redaction_rules_free(NULL);
}

static void test_paths(void)
{
    static const struct {
        const char *pattern, *path;
        bool match;
    } CASES[] = {
        {"/v1/area", "/v1/area", true},
        {"/v1/area", "/v1/are", false},
        {"/v1/area", "/v1/area/1", false},
        {"/v1/area", "/v1/area/", false},
        {"/v1/area", "", false},
        {"/v1/area", "v1/area", false},
        {"/v1/area/:id", "/v1/area/1", true},
        {"/v1/area/:id", "/v1/area/x-y", true},
        {"/v1/area/:id", "/v1/area", false},
        {"/v1/area/:id", "/v1/area/", false},
        {"/v1/area/:id", "/v1/area/1/2", false},
        {"/v1/area/*", "/v1/area/1", true},
        {"/v1/*/1", "/v1/area/1", true},
        {"/v1/*/1", "/v1/area/2", false},
        {"/v1/*/*", "/v1//1", false},
        {"/v1/:a/:b/c", "/v1/x/y/c", true},
        {"/v1/area/:id", "/s/televox/v1/area/1", false},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct redaction_rule_text rule = {NULL, CASES[i].pattern, "f", RECORD_OMIT,
                                           REDACTION_REQUEST};
        struct redaction_rules *r = rules(&rule, 1);
        size_t n = strlen(CASES[i].path);
        char *path = unit_guard(CASES[i].path, n);
        const struct redaction_rule *selected[REDACTION_RULES_MAX];

        CU_ASSERT_EQUAL(
            redaction_rules_select(r, REDACTION_REQUEST, PUT, slice_of(path, n), selected),
            CASES[i].match);
        unit_guard_free(path, n);
        redaction_rules_free(r);
    }
}

static void test_fields(void)
{
    static const char *const GOOD[] = {"a",          "a.b",        "a[]",       "a[*].b",
                                       "a[0][].b.c", "with space", "n\xc3\xa5", "a-b_c"};

    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        struct redaction_rule_text rule = {NULL, NULL, GOOD[i], RECORD_MAC, REDACTION_REQUEST};
        struct redaction_rules *r = rules(&rule, 1);
        char name[32] = "";

        strncat(name, GOOD[i], strcspn(GOOD[i], ".["));
        CU_ASSERT_EQUAL(says(r, "PUT", "/v1/x", name), RECORD_MAC);
        redaction_rules_free(r);
    }
}

static void test_wrong(void)
{
    static char longest[REDACTION_RULE_TEXT_MAX + 2];
    static const struct {
        struct redaction_rule_text rule;
        const char *where, *why;
    } CASES[] = {
        {{"GET", NULL, "f", RECORD_MAC, REDACTION_REQUEST}, "method", "\"POST\""},
        {{"put", NULL, "f", RECORD_MAC, REDACTION_REQUEST}, "method", "\"POST\""},
        {{"", NULL, "f", RECORD_MAC, REDACTION_REQUEST}, "method", "\"POST\""},
        {{NULL, "", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "/v1/areas/:id"},
        {{NULL, "v1/area", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, "/v2/area", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, "/s/televox/v1/area", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, "/v1/", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, "/v1/area/", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, "/v1//area", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, "/v1/a*", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, "/v1/:", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, "/v1/**", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, "/v1/a b", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, "/v1/a?b", "f", RECORD_MAC, REDACTION_REQUEST}, "path", "api-path"},
        {{NULL, NULL, "", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, ".a", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "a.", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "a..b", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "[0]", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "a[", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "a[*", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "a[x]", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "a]", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "a[]b", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "a*", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "*.a", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "a\n", RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, longest, RECORD_MAC, REDACTION_REQUEST}, "field", "path of a field"},
        {{NULL, NULL, "a[].b", RECORD_PLAIN, REDACTION_REQUEST}, "keep", "whole field"},
        {{NULL, NULL, "a.b", RECORD_PLAIN, REDACTION_REQUEST}, "keep", "whole field"},
    };
    struct redaction_rules *r = NULL;

    memset(longest, 'a', sizeof(longest) - 1);
    CU_ASSERT_EQUAL_FATAL(redaction_rules_new(&r), 0);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const char *where = NULL, *why = NULL;

        CU_ASSERT_EQUAL(redaction_rules_add(r, &CASES[i].rule, &where, &why), -EINVAL);
        CU_ASSERT_STRING_EQUAL(where, CASES[i].where);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, CASES[i].why));
    }
    CU_ASSERT_EQUAL(says(r, "PUT", "/v1/a", "a"), -1);
    redaction_rules_free(r);
}

static void test_many(void)
{
    struct redaction_rule_text rule = {NULL, NULL, "f", RECORD_OMIT, REDACTION_REQUEST};
    const char *where = NULL, *why = NULL;
    struct redaction_rules *r = NULL;

    CU_ASSERT_EQUAL_FATAL(redaction_rules_new(&r), 0);
    for (int i = 0; i < REDACTION_RULES_MAX; i++)
        CU_ASSERT_EQUAL(redaction_rules_add(r, &rule, &where, &why), 0);
    CU_ASSERT_EQUAL(redaction_rules_add(r, &rule, &where, &why), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(why, "256"));
    CU_ASSERT_EQUAL(says(r, "PUT", "/v1/a", "f"), RECORD_OMIT);
    redaction_rules_free(r);
}

static const struct unit_case CASES[] = {
    {"the first match wins", test_first_wins}, {"paths", test_paths}, {"fields", test_fields},
    {"what is no rule", test_wrong},           {"many", test_many},
};

UNIT_MAIN("redaction_rules", CASES)
