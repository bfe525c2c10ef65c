#include "policy/policy_rules.h"

#include "unit/policy/policy_fixture.h"

#include <stdlib.h>

#define CLIENTS "clients = ( { name = \"a\"; uid = 1; }, { name = \"b\"; uid = 2; } );\n"

static const struct request_field FIELDS[] = {
    {SLICE_LIT("name"), SLICE_LIT("Sales"), REQUEST_STRING},
    {SLICE_LIT("o"), SLICE_LIT("1,2"), REQUEST_ARRAY},
    {SLICE_LIT("organisation_id"), SLICE_LIT("2"), REQUEST_STRING},
    {SLICE_LIT("p"), SLICE_LIT("-1.5"), REQUEST_NUMBER},
    {SLICE_LIT("q"), SLICE_LIT("true"), REQUEST_BOOLEAN},
    {SLICE_LIT("r"), SLICE_LIT("7"), REQUEST_NUMBER},
    {SLICE_LIT("time_zone"), SLICE_LIT(""), REQUEST_STRING},
};

/* What of one rule's text a PUT of /v1/areas/5 in "televox" with FIELDS misses, as client a. */
static enum policy_miss miss(const char *rule)
{
    struct policy_request request = {.method = SLICE_LIT("PUT"),
                                     .workspace = SLICE_LIT("televox"),
                                     .path = SLICE_LIT("/v1/areas/5"),
                                     .n_fields = sizeof(FIELDS) / sizeof(FIELDS[0]),
                                     .fields = FIELDS};
    struct slice field = SLICE_NULL;
    char *text = NULL;
    struct policy *p;
    enum policy_miss m;

    CU_ASSERT_FATAL(asprintf(&text, CLIENTS "rules = ( { %s } );", rule) > 0);
    p = policy_of(text);
    m = policy_rule_miss(&p->rules.list[0], 0, POLICY_PUT, &request, &field);
    CU_ASSERT_EQUAL(
        policy_rule_miss(&p->rules.list[0], POLICY_NOBODY, POLICY_PUT, &request, &field),
        POLICY_MISS_CLIENT);
    policy_free(p);
    free(text);
    return m;
}

static void test_matrix(void)
{
    static const struct {
        const char *rule;
        enum policy_miss miss;
    } CASES[] = {
        {"client = \"a\";", POLICY_MISS_NOTHING},
        {"client = \"*\";", POLICY_MISS_NOTHING},
        {"client = ( \"b\", \"a\" );", POLICY_MISS_NOTHING},
        {"client = [ \"b\", \"a\" ];", POLICY_MISS_NOTHING},
        {"client = \"b\";", POLICY_MISS_CLIENT},
        {"client = \"a\"; workspaces = ( \"televox\" );", POLICY_MISS_NOTHING},
        {"client = \"a\"; workspaces = ( \"x\", \"televox\" );", POLICY_MISS_NOTHING},
        {"client = \"a\"; workspaces = ( \"Televox\", \"televo\" );", POLICY_MISS_WORKSPACE},
        {"client = \"a\"; methods = ( \"PUT\" );", POLICY_MISS_NOTHING},
        {"client = \"a\"; methods = ( \"POST\", \"DELETE\" );", POLICY_MISS_METHOD},
        {"client = \"a\"; paths = ( \"/v1/areas/:id\" );", POLICY_MISS_NOTHING},
        {"client = \"a\"; paths = ( \"/v1/org\", \"/v1/*/:id\" );", POLICY_MISS_NOTHING},
        {"client = \"a\"; paths = ( \"/v1/areas/5\" );", POLICY_MISS_NOTHING},
        {"client = \"a\"; paths = ( \"/v1/areas/6\", \"/v1/areas\" );", POLICY_MISS_PATH},
        {"client = \"a\"; paths = ( \"/v1/areas/:id/:id\" );", POLICY_MISS_PATH},
        {"client = \"a\"; fields = ( { field = \"organisation_id\"; values = ( \"1\", \"2\" ); } "
         ");",
         POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"organisation_id\"; values = ( \"1\", \"3\" ); } "
         ");",
         POLICY_MISS_VALUE},
        {"client = \"a\"; fields = ( { field = \"organisation_id\"; values = \"22\"; } );",
         POLICY_MISS_VALUE},
        {"client = \"a\"; fields = ( { field = \"time_zone\"; values = \"\"; } );",
         POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"time_zone\"; values = \"CET\"; } );",
         POLICY_MISS_VALUE},
        /* Not there: fine, unless it has to be. */
        {"client = \"a\"; fields = ( { field = \"zzz\"; values = \"1\"; } );", POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"aaa\"; values = \"1\"; required = true; } );",
         POLICY_MISS_FIELD},
        {"client = \"a\"; fields = ( { field = \"zzz\"; required = true; } );", POLICY_MISS_FIELD},
        {"client = \"a\"; fields = ( { field = \"nam\"; required = true; } );", POLICY_MISS_FIELD},
        {"client = \"a\"; fields = ( { field = \"name\"; required = true; } );",
         POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"name\"; required = true; }, { field = "
         "\"organisation_id\"; values = \"1\"; } );",
         POLICY_MISS_VALUE},
        /* A value is one of its type. */
        {"client = \"a\"; fields = ( { field = \"organisation_id\"; values = 2; } );",
         POLICY_MISS_VALUE},
        {"client = \"a\"; fields = ( { field = \"organisation_id\"; values = ( 2, \"2\" ); } );",
         POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"r\"; values = 7; } );", POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"r\"; values = [ 6, 7 ]; } );",
         POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"r\"; values = 7L; } );", POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"r\"; values = \"7\"; } );", POLICY_MISS_VALUE},
        {"client = \"a\"; fields = ( { field = \"p\"; values = ( -1.5 ); } );",
         POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"q\"; values = ( true ); } );",
         POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"q\"; values = ( \"true\", false ); } );",
         POLICY_MISS_VALUE},
        {"client = \"a\"; fields = ( { field = \"o\"; values = ( \"1,2\" ); } );",
         POLICY_MISS_VALUE},
        {"client = \"a\"; fields = ( { field = \"o\"; values = ( { type = \"array\"; value = "
         "\"1,2\"; } ); } );",
         POLICY_MISS_NOTHING},
        {"client = \"a\"; fields = ( { field = \"o\"; values = ( { type = \"object\"; value = "
         "\"1,2\"; } ); } );",
         POLICY_MISS_VALUE},
        {"client = \"a\"; fields = ( { field = \"r\"; values = ( { type = \"number\"; value = "
         "\"7\"; } "
         "); } );",
         POLICY_MISS_NOTHING},
        /* A closed list. */
        {"client = \"a\"; other_fields = true;", POLICY_MISS_NOTHING},
        {"client = \"a\"; other_fields = false;", POLICY_MISS_OTHER},
        {"client = \"a\"; other_fields = false; fields = ( { field = \"name\"; }, { field = \"o\"; "
         "}, { "
         "field = \"organisation_id\"; }, { field = \"p\"; }, { field = \"q\"; }, { field = \"r\"; "
         "} );",
         POLICY_MISS_OTHER},
        {"client = \"a\"; other_fields = false; fields = ( { field = \"name\"; }, { field = \"o\"; "
         "}, { "
         "field = \"organisation_id\"; }, { field = \"p\"; }, { field = \"q\"; }, { field = \"r\"; "
         "}, { "
         "field = \"time_zone\"; }, { field = \"zzz\"; } );",
         POLICY_MISS_NOTHING},
        /* The nearest of several. */
        {"client = \"b\"; methods = ( \"POST\" );", POLICY_MISS_CLIENT},
        {"client = \"a\"; methods = ( \"POST\" ); paths = ( \"/v1/org\" );", POLICY_MISS_METHOD},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        enum policy_miss got = miss(CASES[i].rule);

        if (got != CASES[i].miss)
            printf("\n    %s: %d", CASES[i].rule, (int)got);
        CU_ASSERT_EQUAL(got, CASES[i].miss);
    }
}

static void test_methods(void)
{
    CU_ASSERT_EQUAL(policy_method(SLICE_LIT("POST")), POLICY_POST);
    CU_ASSERT_EQUAL(policy_method(SLICE_LIT("PUT")), POLICY_PUT);
    CU_ASSERT_EQUAL(policy_method(SLICE_LIT("DELETE")), POLICY_DELETE);
    CU_ASSERT_EQUAL(policy_method(SLICE_LIT("put")), 0);
    CU_ASSERT_EQUAL(policy_method(SLICE_LIT("GET")), 0);
    CU_ASSERT_EQUAL(policy_method(SLICE_NULL), 0);
}

static const struct unit_case CASES[] = {
    {"what a rule allows", test_matrix},
    {"methods", test_methods},
};

UNIT_MAIN("policy_rules", CASES)
