#include "proxy/forward.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char API[] =
    "{\"openapi\": \"3.1.0\", \"info\": {\"title\": \"t\", \"version\": \"1\"}, \"paths\": {"
    "\"/v1/org\": {\"post\": {\"responses\": {}}},"
    "\"/v1/org/{id}\": {\"parameters\": [{\"name\": \"id\", \"in\": \"path\", \"required\": true, "
    "\"schema\": {\"type\": \"integer\"}}], \"put\": {\"responses\": {}}, "
    "\"delete\": {\"responses\": {}}}}}";

struct world {
    struct loop *loop;
    struct setup setup;
};

static void begin(struct world *w)
{
    struct upstream_conf conf = {.url = "http://127.0.0.1:8443",
                                 .ca_file = "",
                                 .proxy = "",
                                 .max_connections = 1,
                                 .head_bytes = 4096};
    struct err err = ERR_INIT;

    *w = (struct world){0};
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    CU_ASSERT_EQUAL_FATAL(api_load(&w->setup.api, slice_str(API), &err), 0);
    CU_ASSERT_EQUAL_FATAL(upstream_new(&w->setup.upstream, w->loop, &conf, &err), 0);
    w->setup.conf.workspace = "televox";
    w->setup.conf.api = "api.json";
}

static void finish(struct world *w)
{
    upstream_free(w->setup.upstream);
    api_free(w->setup.api);
    loop_free(w->loop);
}

static struct http_head parse(const char *text)
{
    struct http_progress progress = {0};
    struct http_head head;
    const char *why = "";

    CU_ASSERT_EQUAL_FATAL(http_request_parse(text, strlen(text), &progress, &head, &why),
                          HTTP_DONE);
    return head;
}

/* 0 when it goes on, else the refusal's status. */
static unsigned check(struct world *w, const char *line, const char *fields, struct target *target,
                      struct refusal *no)
{
    static char text[1024];
    struct http_head head;

    (void)snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: h\r\n%s\r\n", line, fields);
    head = parse(text);
    return forward_check(&w->setup, &head, target, no) ? 0 : no->status;
}

#define JSON "Content-Type: application/json\r\nContent-Length: 2\r\n"

static void what_goes_on(void)
{
    static const struct {
        const char *line, *fields;
        unsigned status;
    } T[] = {
        {"POST /v1/org", JSON, 0},
        {"PUT /s/w/v1/org/1", JSON, 0},
        {"DELETE /v1/org/1", "", 0},
        {"DELETE /v1/org/1", JSON, 0},
        {"POST /v1/nothing", JSON, 404},
        {"POST /v2/org", JSON, 404},
        {"GET /v1/org", "", 405},
        {"PUT /v1/org", JSON, 405},
        {"POST /v1/org?a=b", JSON, 400},
        {"POST /v1/%6frg", JSON, 400},
        {"POST /v1/org", "Content-Length: 2\r\n", 415},
        {"POST /v1/org", "Content-Type: text/json\r\nContent-Length: 2\r\n", 415},
        {"POST /v1/org", JSON "Content-Encoding: gzip\r\n", 415},
        {"POST /v1/org", JSON "Content-Type: application/json\r\n", 400},
        {"DELETE /v1/org/1", "Content-Type: text/plain\r\n", 415},
    };
    struct target target;
    struct refusal no;
    struct world w;

    begin(&w);
    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
        if (check(&w, T[i].line, T[i].fields, &target, &no) != T[i].status) {
            printf("\n    %s %s\n", T[i].line, T[i].fields);
            CU_FAIL("another verdict was expected");
        }
    CU_ASSERT_EQUAL(check(&w, "GET /v1/org/1", "", &target, &no), 405);
    CU_ASSERT_STRING_EQUAL(no.allow, "PUT, DELETE");
    w.setup.conf.workspace = "";
    CU_ASSERT_EQUAL(check(&w, "POST /v1/org", JSON, &target, &no), 404);
    CU_ASSERT_EQUAL(check(&w, "POST /s/x/v1/org", JSON, &target, &no), 0);
    CU_ASSERT_TRUE(slice_eq(target.workspace, SLICE_LIT("x")));
    w.setup.conf.validation = PROXY_OFF;
    CU_ASSERT_EQUAL(check(&w, "PUT /s/x/v1/agent/1", JSON, &target, &no), 0);
    CU_ASSERT_EQUAL(check(&w, "GET /s/x/v1/agent/1", "", &target, &no), 405);
    finish(&w);
}

static void the_bytes_that_go(void)
{
    static const char HEX[] = "a66f0f836c075414e525052df5af4bc7e84b7a67a3518ad88f70e0c83f72c8ce";
    struct http_head head = parse("POST /v1/org HTTP/1.1\r\nHost: h\r\nAccept: a/b\r\n"
                                  "Authorization: Bearer mine\r\nX-Cention-Token: mine\r\n"
                                  "Cookie: c\r\nX-Request-Id: r\r\n"
                                  "User-Agent: ua\r\nX-Forwarded-For: f\r\n" JSON "\r\n");
    struct wire_signed s = {.key_id = SLICE_LIT("xyz"), .signature = {HEX, 64}};
    struct buf out = BUF_INIT(65536);
    struct target target;
    struct refusal no;
    struct world w;

    begin(&w);
    CU_ASSERT_TRUE_FATAL(forward_check(&w.setup, &head, &target, &no));
    CU_ASSERT_EQUAL(forward_head(&out, &w.setup, &head, &target, SLICE_LIT("r"), 2), 0);
    CU_ASSERT_EQUAL(forward_signed(&out, w.setup.conf.literal, &s, SLICE_LIT("{}")), 0);
    CU_ASSERT_TRUE(slice_eq(
        buf_slice(&out),
        SLICE_LIT("POST /s/televox/v1/org HTTP/1.1\r\nHost: 127.0.0.1:8443\r\nAccept: a/b\r\n"
                  "User-Agent: ua\r\nContent-Type: application/json\r\nX-Request-Id: r\r\n"
                  "Content-Length: 2\r\nAuthorization: CENTION1-HMAC-SHA256 xyz,"
                  "a66f0f836c075414e525052df5af4bc7e84b7a67a3518ad88f70e0c83f72c8ce\r\n\r\n{}")));
    buf_reset(&out, 0);
    w.setup.conf.literal = true;
    CU_ASSERT_EQUAL(forward_signed(&out, w.setup.conf.literal, &s, SLICE_NULL), 0);
    CU_ASSERT_EQUAL(
        strncmp(out.data, "Authorization: Authorization CENTION1-HMAC-SHA256 xyz,a66", 57), 0);
    buf_deinit(&out);
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"what goes on", what_goes_on},
    {"the bytes that go", the_bytes_that_go},
};
UNIT_MAIN("forward", CASES)
