/* What is told of an answer, and what the client gets of it. */
#include "api/api.h"
#include "proxy/reply.h"
#include "unit/unit.h"

#include <stdlib.h>

#define T "{\"type\":\"string\"}"
#define PATH_ID                                                                                    \
    "\"parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"     \
    "\"integer\"}}],"
#define BODY                                                                                       \
    "\"requestBody\":{\"content\":{\"application/json\":{\"schema\":{\"type\":\"object\"}}}},"
#define ANSWER                                                                                     \
    "\"content\":{\"application/"                                                                  \
    "json\":{\"schema\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"},"       \
    "\"name\":" T "}}}}"
#define LINKS                                                                                      \
    "\"links\":{\"object\":{\"operationId\":\"put\",\"parameters\":{\"id\":\"$response.body#/"     \
    "id\"}}}"
#define RESPONSES "\"responses\":{\"2XX\":{\"description\":\"\"," ANSWER "," LINKS "}}"

static const char API[] =
    "{\"openapi\":\"3.1.0\",\"info\":{},\"paths\":{\"/v1/"
    "org\":{\"post\":{\"operationId\":\"post\"," BODY RESPONSES "}},\"/v1/org/{id}\":{" PATH_ID
    "\"put\":{\"operationId\":\"put\"," BODY RESPONSES
    "},\"delete\":{\"operationId\":\"delete\"," RESPONSES "}}}}";

struct world {
    struct proxy proxy;
    struct setup setup;
    struct reply reply;
    struct reply_facts facts;
};

static void begin(struct world *w)
{
    struct err err = ERR_INIT;

    *w = (struct world){0};
    CU_ASSERT_EQUAL_FATAL(api_load(&w->setup.api, slice_str(API), &err), 0);
    CU_ASSERT_EQUAL_FATAL(sha256_new(&w->proxy.sha256), 0);
    canon_init(&w->proxy.canon);
    reply_init(&w->reply);
}

static void finish(struct world *w)
{
    reply_deinit(&w->reply);
    canon_deinit(&w->proxy.canon);
    validate_report_deinit(&w->proxy.report);
    sha256_free(w->proxy.sha256);
    api_free(w->setup.api);
}

static const struct request_answer *told(struct world *w, const char *method, const char *path,
                                         const char *head, const char *body, uint32_t what)
{
    struct reply_to to = {slice_str(method), slice_str(path), CANON_FLATTEN};
    struct http_progress progress = {0};
    struct http_head parsed;
    const char *why;

    reply_deinit(&w->reply);
    reply_init(&w->reply);
    CU_ASSERT_EQUAL_FATAL(http_answer_parse(head, strlen(head), false, &progress, &parsed, &why),
                          HTTP_DONE);
    reply_head(&w->reply, &parsed);
    CU_ASSERT_EQUAL(reply_add(&w->reply, body, strlen(body)), 0);
    reply_facts(&w->facts, &w->proxy, &w->setup, &to, &w->reply, what);
    return &w->facts.answer;
}

#define OK "HTTP/1.1 200 OK\r\n\r\n"

static void objects(void)
{
    static const struct {
        const char *method, *path, *body, *object, *problem;
    } CASES[] = {
        {"POST", "/v1/org", "{\"id\":17}", "/v1/org/17", NULL},
        {"POST", "/v1/org", "{\"id\":\"17\"}", "/v1/org/17", "invalid_field"},
        {"POST", "/v1/org", "{\"id\":-1}", "", NULL},
        {"POST", "/v1/org", "{}", "", NULL},
        {"PUT", "/v1/org/17", "{\"id\":17}", "/v1/org/17", NULL},
        {"PUT", "/v1/org/17", "{\"id\":18}", "/v1/org/17", "other_object"},
        {"DELETE", "/v1/org/17", "{}", "/v1/org/17", NULL},
        {"DELETE", "/v1/org/17", "no", "/v1/org/17", "not_as_described"},
        {"POST", "/v1/other", "{\"id\":17}", "", NULL},
        {"DELETE", "/v1/org", "{\"id\":17}", "", NULL},
    };
    struct world w;

    begin(&w);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct request_answer *a =
            told(&w, CASES[i].method, CASES[i].path, OK, CASES[i].body, 0);

        CU_ASSERT(slice_eq(a->object, slice_str(CASES[i].object)));
        CU_ASSERT_EQUAL(a->n_problems, CASES[i].problem ? 1 : 0);
        CU_ASSERT(!CASES[i].problem || slice_eq(a->problems[0].code, slice_str(CASES[i].problem)));
        CU_ASSERT(a->sha256.len == REQUEST_SHA256 && a->bytes == strlen(CASES[i].body));
    }
    CU_ASSERT_EQUAL(w.proxy.metrics.answer_problems, 3);
    w.setup.conf.validation = PROXY_OFF;
    CU_ASSERT_EQUAL(told(&w, "DELETE", "/v1/org/17", OK, "no", 0)->n_problems, 0);
    finish(&w);
}

static void how_it_ended(void)
{
    const struct request_answer *a;
    struct world w;

    begin(&w);
    a = told(&w, "POST", "/v1/org", OK, "{\"id\":17}", REQUEST_ANSWER_CUT);
    CU_ASSERT_EQUAL(a->what, REQUEST_ANSWER_THERE | REQUEST_ANSWER_CUT);
    CU_ASSERT(a->n_fields == 0 && a->object.len == 0 && a->n_problems == 0);
    a = told(&w, "POST", "/v1/org", "HTTP/1.1 409 No\r\n\r\n", "{\"error\":\"taken\"}", 0);
    CU_ASSERT(slice_eq(a->error, SLICE_LIT("taken")) && a->object.len == 0);
    CU_ASSERT_EQUAL(a->what, REQUEST_ANSWER_THERE | REQUEST_ANSWER_OBJECT);
    a = told(&w, "POST", "/v1/org", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
             "{\"id\":17}", 0);
    CU_ASSERT(a->what == REQUEST_ANSWER_THERE && a->object.len == 0 && a->n_problems == 0);
    CU_ASSERT_TRUE(reply_is_whole(&w.proxy, &w.reply));
    CU_ASSERT_EQUAL(reply_add(&w.reply, "}", 1), 0);
    CU_ASSERT_FALSE(reply_is_whole(&w.proxy, &w.reply));
    finish(&w);
}

static void longer_than_is_told_of(void)
{
    static char much[REQUEST_ANSWER_MAX];
    struct world w;

    begin(&w);
    (void)told(&w, "POST", "/v1/org", OK, "", 0);
    memset(much, 'a', sizeof(much));
    CU_ASSERT_EQUAL(reply_add(&w.reply, much, sizeof(much)), 0);
    CU_ASSERT_FALSE(reply_full(&w.reply));
    CU_ASSERT_EQUAL(reply_add(&w.reply, "b", 1), 0);
    CU_ASSERT_TRUE(reply_full(&w.reply));
    reply_facts(&w.facts, &w.proxy, &w.setup,
                &(struct reply_to){SLICE_LIT("POST"), SLICE_LIT("/v1/org"), CANON_FLATTEN},
                &w.reply, REQUEST_ANSWER_MORE);
    CU_ASSERT_EQUAL(w.facts.answer.bytes, REQUEST_ANSWER_MAX);
    finish(&w);
}

static void as_the_client_gets_it(void)
{
    struct buf out = BUF_INIT(65536);
    struct world w;

    begin(&w);
    CU_ASSERT_EQUAL(buf_append(&w.reply.head, "HEAD", 4), 0);
    CU_ASSERT_EQUAL(reply_add(&w.reply, "kept", 4), 0);
    w.reply.chunked = true;
    CU_ASSERT_EQUAL(reply_put_kept(&w.reply, &out), 0);
    CU_ASSERT_EQUAL(reply_put(&w.reply, &out, SLICE_LIT("and a long rest")), 0);
    CU_ASSERT_EQUAL(reply_put(&w.reply, &out, SLICE_NULL), 0);
    CU_ASSERT_EQUAL(reply_put_end(&w.reply, &out), 0);
    CU_ASSERT(
        slice_eq(buf_slice(&out), SLICE_LIT("HEAD4\r\nkept\r\nf\r\nand a long rest\r\n0\r\n\r\n")));
    buf_deinit(&out);
    w.reply.chunked = false;
    CU_ASSERT_EQUAL(reply_put(&w.reply, &out, SLICE_LIT("plain")), 0);
    CU_ASSERT_EQUAL(reply_put_end(&w.reply, &out), 0);
    CU_ASSERT(slice_eq(buf_slice(&out), SLICE_LIT("plain")));
    buf_deinit(&out);
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"objects", objects},
    {"how it ended", how_it_ended},
    {"longer than is told of", longer_than_is_told_of},
    {"as the client gets it", as_the_client_gets_it},
};

UNIT_MAIN("reply", CASES)
