/*
 * The API description: the 18 documented calls of the real file, what a path matches, and every
 * description that must not be loaded, with the pointer that the error names.
 */
#include "api/api.h"
#include "api/target.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef UNIT_SRCDIR
#define UNIT_SRCDIR "."
#endif

#define N(array) (sizeof(array) / sizeof((array)[0]))

static struct api *load(const char *text, struct err *err)
{
    size_t n = strlen(text);
    char *guarded = unit_guard(text, n);
    struct api *api = NULL;
    int r = api_load(&api, slice_of(guarded, n), err);

    unit_guard_free(guarded, n); /* nothing of the text is needed any more */
    CU_ASSERT_EQUAL(r, api ? 0 : -EINVAL);
    return api;
}

static struct api *load_shipped(void)
{
    struct err err = ERR_INIT;
    struct api *api;
    size_t n = 0;
    char *text = unit_file(UNIT_SRCDIR "/conf/cention-openapi.json", &n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    api = load(text, &err);
    free(text);
    if (!api)
        printf("\n    %s", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(api);
    return api;
}

static void documented_calls(void)
{
    static const char *const THINGS[] = {
        "org", "area", "routing/keywords", "routing/autotags", "routing/sip", "tag"};
    struct api *api = load_shipped();
    unsigned calls = 0;
    char path[64];

    CU_ASSERT_EQUAL(api_count(api), 2 * N(THINGS));
    for (size_t i = 0; i < N(THINGS); i++) {
        const struct api_path *one, *other;

        snprintf(path, sizeof(path), "/v1/%s", THINGS[i]);
        one = api_find(api, slice_str(path));
        CU_ASSERT_PTR_NOT_NULL_FATAL(one);
        CU_ASSERT_STRING_EQUAL(api_path_template(one), path);
        CU_ASSERT_EQUAL(api_methods(one), API_POST);
        snprintf(path, sizeof(path), "/v1/%s/17", THINGS[i]);
        other = api_find(api, slice_str(path));
        CU_ASSERT_PTR_NOT_NULL_FATAL(other);
        snprintf(path, sizeof(path), "/v1/%s/{id}", THINGS[i]);
        CU_ASSERT_STRING_EQUAL(api_path_template(other), path);
        CU_ASSERT_EQUAL(api_methods(other), API_PUT | API_DELETE);
        CU_ASSERT_PTR_NULL(api_find(api, slice_str(path)));
    }
    for (size_t i = 0; i < api_count(api); i++)
        calls += (unsigned)__builtin_popcount(api_methods(api_at(api, i)));
    CU_ASSERT_EQUAL(calls, 18);
    api_free(api);
}

static void check_find(const struct api *api, const char *path, bool wanted)
{
    size_t n = strlen(path);
    char *guarded = unit_guard(path, n);
    bool found = api_find(api, slice_of(guarded, n)) != NULL;

    if (found != wanted)
        printf("\n    %s: %d", path, found);
    CU_ASSERT_EQUAL(found, wanted);
    unit_guard_free(guarded, n);
}

static void ids(void)
{
    static const char *const FOUND[] = {"/v1/org",
                                        "/v1/org/0",
                                        "/v1/org/1",
                                        "/v1/org/1234567890",
                                        "/v1/org/9999999999999999999",
                                        "/v1/routing/sip/5"};
    static const char *const MISSED[] = {"",
                                         "/",
                                         "/v1",
                                         "/v1/",
                                         "/v1/or",
                                         "/v1/orgs",
                                         "/v1/org/",
                                         "/v1/org/00",
                                         "/v1/org/01",
                                         "/v1/org/-1",
                                         "/v1/org/+1",
                                         "/v1/org/1a",
                                         "/v1/org/a",
                                         "/v1/org/1.0",
                                         "/v1/org/1/",
                                         "/v1/org/1/2",
                                         "/v1/org/10000000000000000000",
                                         "/v1/org/{}",
                                         "/v1/org/{id}",
                                         "/v1/Org",
                                         "/v1/routing",
                                         "/v1/routing/1",
                                         "v1/org",
                                         "/v1//org",
                                         "/1/org",
                                         "/v1/org/0x1"};
    struct api *api = load_shipped();
    char longest[1100];

    for (size_t i = 0; i < N(FOUND); i++)
        check_find(api, FOUND[i], true);
    for (size_t i = 0; i < N(MISSED); i++)
        check_find(api, MISSED[i], false);
    CU_ASSERT_PTR_NULL(api_find(api, SLICE_NULL));
    for (size_t i = 0; i + 2 < sizeof(longest); i += 2) /* all of it ids: the longest normal form */
        memcpy(longest + i, "/1", 3);
    for (size_t n = 1000; n < sizeof(longest) - 2; n++)
        CU_ASSERT_PTR_NULL(api_find(api, slice_of(longest, n)));
    api_free(api);
}

static void methods(void)
{
    CU_ASSERT_EQUAL(api_method_of(SLICE_LIT("POST")), API_POST);
    CU_ASSERT_EQUAL(api_method_of(SLICE_LIT("PUT")), API_PUT);
    CU_ASSERT_EQUAL(api_method_of(SLICE_LIT("DELETE")), API_DELETE);
    CU_ASSERT_EQUAL(api_method_of(SLICE_LIT("post")), 0);
    CU_ASSERT_EQUAL(api_method_of(SLICE_LIT("GET")), 0);
    CU_ASSERT_EQUAL(api_method_of(SLICE_LIT("POSTS")), 0);
    CU_ASSERT_EQUAL(api_method_of(SLICE_NULL), 0);
    CU_ASSERT_STRING_EQUAL(api_allow(API_POST), "POST");
    CU_ASSERT_STRING_EQUAL(api_allow(API_PUT | API_DELETE), "PUT, DELETE");
    CU_ASSERT_STRING_EQUAL(api_allow(API_POST | API_PUT | API_DELETE), "POST, PUT, DELETE");
    CU_ASSERT_STRING_EQUAL(api_allow(API_POST | API_PUT), "POST, PUT");
    CU_ASSERT_STRING_EQUAL(api_allow(API_POST | API_DELETE), "POST, DELETE");
    CU_ASSERT_STRING_EQUAL(api_allow(API_PUT), "PUT");
    CU_ASSERT_STRING_EQUAL(api_allow(API_DELETE), "DELETE");
}

#define HEAD "{\"openapi\":\"3.1.0\","
#define OP   "{\"responses\":{}}"
#define ID   "{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"integer\"}}"

static void small_ones(void)
{
    static const char *const GOOD[] = {
        HEAD "\"paths\":{\"/v1/a\":{\"put\":" OP "}}}",
        HEAD "\"paths\":{\"x-note\":1,\"/v1/a\":{\"summary\":\"\",\"x-b\":0,\"put\":" OP "}}}",
        HEAD "\"paths\":{\"/v1/{id}\":{\"parameters\":[" ID "],\"delete\":" OP "}}}",
        HEAD "\"paths\":{\"/v1/{id}/b/c\":{\"delete\":" OP ",\"parameters\":[{\"$ref\":"
             "\"#/components/parameters/p\"}]}},\"components\":{\"parameters\":{\"p\":" ID "}}}"};

    for (size_t i = 0; i < N(GOOD); i++) {
        struct err err = ERR_INIT;
        struct api *api = load(GOOD[i], &err);

        if (!api)
            printf("\n    %s: %s", GOOD[i], err.text);
        CU_ASSERT_PTR_NOT_NULL(api);
        if (api)
            CU_ASSERT_EQUAL(api_count(api), 1);
        api_free(api);
    }
    api_free(NULL);
}

/* How an error of a file with one path item begins. */
struct wrong {
    const char *text, *error;
};

static void check_wrong(const struct wrong *wrong, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct err err = ERR_INIT;
        struct api *api = load(wrong[i].text, &err);

        if (api || strncmp(err.text, wrong[i].error, strlen(wrong[i].error)) != 0)
            printf("\n    %s\n    says: %s", wrong[i].text, err.text);
        CU_ASSERT_PTR_NULL(api);
        CU_ASSERT_NSTRING_EQUAL(err.text, wrong[i].error, strlen(wrong[i].error));
        api_free(api);
    }
}

static void wrong_documents(void)
{
    static const struct wrong WRONG[] = {
        {"", "the API description is empty"},
        {"{", "line 1, column 2: "},
        {"[]", "line 1, column 1: the body must be"},
        {"{} {}", "line 1, column 4: "},
        {"{}", "/openapi: is missing"},
        {"{\"openapi\":3.1}", "/openapi: must be of type string"},
        {"{\"openapi\":\"3.0.3\"}", "/openapi: only OpenAPI 3.1"},
        {"{\"openapi\":\"3.1\"}", "/openapi: only OpenAPI 3.1"},
        {HEAD "\"openapi\":\"3.1.0\"}", "line 1, column 20: \"openapi\" is given twice"},
        {HEAD "\"\\u0070aths\":{},\"paths\":{}}", "line 1, column 36: \"paths\" is given twice"},
        {HEAD "\"info\":\"\\u0000\"}", "the API description holds \\u0000"},
        {HEAD "\"x\":1}", "/x: is not supported here"},
        {HEAD "\"x-y\":1}", "/paths: is missing"},
        {HEAD "\"paths\":[]}", "/paths: must be of type object"},
        {HEAD "\"paths\":null}", "/paths: is missing"},
        {HEAD "\"paths\":{}}", "/paths: has no path"},
        {HEAD "\"paths\":{\"x-a\":{}}}", "/paths: has no path"},
    };

    check_wrong(WRONG, N(WRONG));
}

#define ITEM(path, item) HEAD "\"paths\":{\"" path "\":" item "}}"
#define WITH(parameter)  ITEM("/v1/{id}", "{\"parameters\":[" parameter "],\"put\":" OP "}")

static void wrong_paths(void)
{
    static const struct wrong WRONG[] = {
        {ITEM("", "{}"), "/paths/: "},
        {ITEM("v1/a", "{}"), "/paths/v1~1a: a path begins with a slash"},
        {ITEM("/v2/a", "{}"), "/paths/~1v2~1a: not an api-path"},
        {ITEM("/v1/", "{}"), "/paths/~1v1~1: not an api-path"},
        {ITEM("/v1/a/", "{}"), "/paths/~1v1~1a~1: not an api-path"},
        {ITEM("/v1/../a", "{}"), "/paths/~1v1~1..~1a: not an api-path"},
        {ITEM("/v1/a:b", "{}"), "/paths/~1v1~1a:b: not an api-path"},
        {ITEM("/v1/a~b", "{}"), "/paths/~1v1~1a~0b: has no method"},
        {ITEM("/v1/a{id}", "{}"), "/paths/~1v1~1a{id}: not an api-path"},
        {ITEM("/v1/{}", "{}"), "/paths/~1v1~1{}: not an api-path"},
        {ITEM("/v1/{a}/{b}", "{}"), "/paths/~1v1~1{a}~1{b}: more than one parameter"},
        {ITEM("/v1/12", "{}"), "/paths/~1v1~112: a segment that is a number"},
        {ITEM("/v1/a", "[]"), "/paths/~1v1~1a: must be of type object"},
        {ITEM("/v1/a", "null"), "/paths/~1v1~1a: is missing"},
        {ITEM("/v1/a", "{\"summary\":\"\"}"), "/paths/~1v1~1a: has no method"},
        {ITEM("/v1/a", "{\"get\":" OP "}"), "/paths/~1v1~1a/get: is not supported"},
        {ITEM("/v1/a", "{\"POST\":" OP "}"), "/paths/~1v1~1a/POST: is not supported"},
        {ITEM("/v1/a", "{\"servers\":[]}"), "/paths/~1v1~1a/servers: is not supported"},
        {ITEM("/v1/a", "{\"$ref\":\"x\"}"),
         "/paths/~1v1~1a/$ref: only references within this file"},
        {ITEM("/v1/a", "{\"put\":1}"), "/paths/~1v1~1a/put: must be of type object"},
        {ITEM("/v1/a", "{\"put\":{}}"), "/paths/~1v1~1a/put/responses: is missing"},
        {ITEM("/v1/a", "{\"put\":{\"parameters\":[]}}"),
         "/paths/~1v1~1a/put/parameters: is not supported"},
        {ITEM("/v1/a", "{\"put\":{\"servers\":[]}}"),
         "/paths/~1v1~1a/put/servers: is not supported"},
        {ITEM("/v1/a", "{\"parameters\":[" ID "],\"put\":" OP "}"),
         "/paths/~1v1~1a/parameters: the path has no parameters"},
        {HEAD "\"paths\":{\"/v1/{a}\":{\"parameters\":[{\"name\":\"a\",\"in\":\"path\","
              "\"required\":true,\"schema\":{\"type\":\"integer\"}}],\"put\":" OP "},"
              "\"/v1/{id}\":{\"parameters\":[" ID "],\"put\":" OP "}}}",
         "/paths/~1v1~1{"},
    };

    check_wrong(WRONG, N(WRONG));
}

static void wrong_parameters(void)
{
    static const struct wrong WRONG[] = {
        {ITEM("/v1/{id}", "{\"put\":" OP "}"), "/paths/~1v1~1{id}/parameters: is missing"},
        {ITEM("/v1/{id}", "{\"parameters\":{}}"), "/paths/~1v1~1{id}/parameters: must be an array"},
        {WITH(""), "/paths/~1v1~1{id}/parameters: must be an array"},
        {WITH(ID "," ID), "/paths/~1v1~1{id}/parameters: must be an array"},
        {WITH("1"), "/paths/~1v1~1{id}/parameters/0: must be of type object"},
        {WITH("{}"), "/paths/~1v1~1{id}/parameters/0/name: "},
        {WITH("{\"name\":\"x\"}"), "/paths/~1v1~1{id}/parameters/0/name: "},
        {WITH("{\"name\":\"id\",\"in\":\"query\"}"), "/paths/~1v1~1{id}/parameters/0/in: "},
        {WITH("{\"name\":\"id\",\"in\":\"path\"}"),
         "/paths/~1v1~1{id}/parameters/0/required: is m"},
        {WITH("{\"name\":\"id\",\"in\":\"path\",\"required\":false}"),
         "/paths/~1v1~1{id}/parameters/0/required: a path"},
        {WITH("{\"name\":\"id\",\"in\":\"path\",\"required\":true}"),
         "/paths/~1v1~1{id}/parameters/0/schema: is missing"},
        {WITH("{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}"
              "}"),
         "/paths/~1v1~1{id}/parameters/0/schema/type: only integer"},
        {WITH("{\"$ref\":\"other.json#/x\"}"), "/paths/~1v1~1{id}/parameters/0/$ref: only"},
        {WITH("{\"$ref\":7}"), "/paths/~1v1~1{id}/parameters/0/$ref: only"},
        {WITH("{\"$ref\":\"#/components/parameters/p\"}"),
         "/paths/~1v1~1{id}/parameters/0/$ref: \"#/components/parameters/p\""},
        {HEAD "\"components\":{\"parameters\":{\"p\":{\"name\":\"q\"}}},\"paths\":{\"/v1/{id}\":"
              "{\"parameters\":[{\"$ref\":\"#/components/parameters/p\"}]}}}",
         "/components/parameters/p/name: "},
    };

    check_wrong(WRONG, N(WRONG));
}

/* Which object the answer of each documented call is about. */
static void answers(void)
{
    static const struct {
        const char *path, *value, *object;
    } CASES[] = {
        {"/v1/org", "17", "/v1/org/17"},
        {"/v1/routing/sip", "0", "/v1/routing/sip/0"},
        {"/v1/tag", "9223372036854775807", "/v1/tag/9223372036854775807"},
        {"/v1/tag", "92233720368547758070", ""},
        {"/v1/org", "-1", ""},
        {"/v1/org", "01", ""},
        {"/v1/org", "", ""},
        {"/v1/org", "1/../2", ""},
    };
    struct api *api = load_shipped();
    char object[TARGET_PATH_MAX];

    for (size_t i = 0; i < api_count(api); i++)
        for (unsigned method = API_POST; method <= API_DELETE; method <<= 1) {
            const struct api_answer *a = api_answer(api_at(api, i), method, 200);

            if (!(api_methods(api_at(api, i)) & method))
                continue;
            CU_ASSERT_PTR_NOT_NULL_FATAL(a);
            CU_ASSERT(a->schema && strcmp(a->member, "id") == 0 && a->status == 2);
            CU_ASSERT_PTR_EQUAL(api_answer(api_at(api, i), method, 299), a);
            CU_ASSERT_PTR_NULL(api_answer(api_at(api, i), method, 404));
        }
    for (size_t i = 0; i < N(CASES); i++) {
        const struct api_answer *a =
            api_answer(api_find(api, slice_str(CASES[i].path)), API_POST, 200);
        size_t n = api_object(a, slice_str(CASES[i].value), object);

        CU_ASSERT(slice_eq(slice_of(object, n), slice_str(CASES[i].object)));
    }
    api_free(api);
}

#define PUT_WITH(response)                                                                         \
    HEAD "\"paths\":{\"/v1/{id}\":{\"parameters\":[" ID                                            \
         "],\"put\":{\"operationId\":\"p\",\"responses\":{" response "}}}}}"
#define LINK(operation, member)                                                                    \
    "\"links\":{\"o\":{\"operationId\":\"" operation "\",\"parameters\":{\"id\":\"" member "\"}}}"

static void links(void)
{
    static const struct wrong WRONG[] = {
        {PUT_WITH("\"2XX\":{\"links\":[]}"), "/paths/~1v1~1{id}/put/responses/2XX/links: must be"},
        {PUT_WITH("\"2XX\":{\"links\":{}}"), "/paths/~1v1~1{id}/put/responses/2XX/links: must be"},
        {PUT_WITH("\"2XX\":{\"links\":{\"o\":{\"operationRef\":\"x\"}}}"),
         "/paths/~1v1~1{id}/put/responses/2XX/links/o/operationRef: is not supported"},
        {PUT_WITH("\"2XX\":{\"links\":{\"o\":{\"operationId\":\"p\"}}}"),
         "/paths/~1v1~1{id}/put/responses/2XX/links/o/parameters: must be"},
        {PUT_WITH("\"2XX\":{" LINK("q", "$response.body#/id") "}"), "/paths: a link leads to q"},
        {PUT_WITH("\"2XX\":{" LINK("p", "$request.body#/id") "}"),
         "/paths/~1v1~1{id}/put/responses/2XX/links/o/parameters/id: only a member"},
        {PUT_WITH("\"2XX\":{" LINK("p", "$response.body#/a/b") "}"),
         "/paths/~1v1~1{id}/put/responses/2XX/links/o/parameters/id: only a member"},
        {PUT_WITH("\"200\":{},\"201\":{},\"202\":{},\"203\":{},\"2XX\":{}"),
         "/paths/~1v1~1{id}/put/responses/2XX: more than 4"},
    };
    struct err err = ERR_INIT;
    struct api *api;
    const struct api_path *path;

    check_wrong(WRONG, N(WRONG));
    api = load(PUT_WITH("\"2XX\":{},\"201\":{" LINK("p", "$response.body#/n") "},\"404\":{},"
                                                                              "\"default\":{}"),
               &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(api);
    path = api_find(api, SLICE_LIT("/v1/7"));
    CU_ASSERT_STRING_EQUAL(api_answer(path, API_PUT, 201)->object, "/v1/{id}");
    CU_ASSERT_PTR_NULL(api_answer(path, API_PUT, 200)->object);
    CU_ASSERT_PTR_NULL(api_answer(path, API_PUT, 404));
    api_free(api);
}

/* Cut anywhere, the shipped file is refused. */
static void truncated(void)
{
    struct err err = ERR_INIT;
    struct api *api = NULL;
    size_t n = 0;
    char *text = unit_file(UNIT_SRCDIR "/conf/cention-openapi.json", &n), *end;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    end = memrchr(text, '}', n);
    for (size_t i = 0; i <= (size_t)(end - text); i += 1 + i % 7)
        CU_ASSERT_EQUAL(api_load(&api, slice_of(text, i), &err), -EINVAL);
    free(text);
}

static const struct unit_case CASES[] = {
    {"the documented calls", documented_calls},
    {"ids", ids},
    {"methods", methods},
    {"small descriptions", small_ones},
    {"wrong documents", wrong_documents},
    {"wrong paths", wrong_paths},
    {"wrong parameters", wrong_parameters},
    {"answers", answers},
    {"links", links},
    {"truncated", truncated},
};
UNIT_MAIN("api", CASES)
