#include "proxy/upstream/call.h"
#include "unit/unit.h"

#include <stdlib.h>

static struct upstream_call *make(const char *request)
{
    struct upstream_call *call = calloc(1, sizeof(*call));

    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    call->request = BUF_INIT_SECRET(65536);
    CU_ASSERT_EQUAL_FATAL(buf_append(&call->request, request, strlen(request)), 0);
    return call;
}

static void rings(void)
{
    struct upstream_call ring, a = {0}, b = {0}, c = {0};

    call_ring_init(&ring);
    CU_ASSERT_PTR_NULL(call_ring_first(&ring));
    call_ring_add(&ring, &a);
    call_ring_add(&ring, &b);
    call_ring_add_first(&ring, &c);
    CU_ASSERT_PTR_EQUAL(call_ring_first(&ring), &c);
    call_ring_leave(&c);
    CU_ASSERT_PTR_NULL(c.next);
    CU_ASSERT_PTR_EQUAL(call_ring_first(&ring), &a);
    call_ring_leave(&a);
    CU_ASSERT_PTR_EQUAL(call_ring_first(&ring), &b);
    CU_ASSERT_PTR_EQUAL(ring.prev, &b);
    call_ring_leave(&b);
    CU_ASSERT_PTR_NULL(call_ring_first(&ring));
}

static void parts(void)
{
    struct upstream_call *call = make("POST /s/w/v1/org HTTP/1.1\r\nHost: H\r\nX-Request-ID: Ab\r\n"
                                      "Content-Length: 3\r\n\r\n{A}");
    struct slice body = SLICE_NULL;
    struct http_head head;

    CU_ASSERT_TRUE_FATAL(call_parts(call, &head, &body));
    CU_ASSERT_TRUE(slice_eq(head.method, SLICE_LIT("POST")));
    CU_ASSERT_TRUE(slice_eq(head.target, SLICE_LIT("/s/w/v1/org")));
    CU_ASSERT_EQUAL(head.n_fields, 3);
    CU_ASSERT_TRUE(slice_eq(head.fields[1].name, SLICE_LIT("x-request-id")));
    CU_ASSERT_TRUE(slice_eq(head.fields[1].value, SLICE_LIT("Ab"))); /* values stay as they are */
    CU_ASSERT_TRUE(slice_eq(body, SLICE_LIT("{A}")));
    upstream_call_free(call);
}

static void no_request(void)
{
    static const char *const TEXTS[] = {
        "",
        "POST",
        "POST /s/w/v1/org HTTP/1.1",
        "POST /s/w/v1/org HTTP/1.1\r\n",
        "POST /s/w/v1/org HTTP/1.1\r\nHost: H\r\n",
        "POST /s/w/v1/org HTTP/1.1\r\nHost: H",
        "POST /s/w/v1/org HTTP/1.1\r\nHost\r\n\r\n",
    };
    struct slice body;
    struct http_head head;

    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        struct upstream_call *call = make(TEXTS[i]);

        CU_ASSERT_FALSE(call_parts(call, &head, &body));
        upstream_call_free(call);
    }
}

static const struct unit_case CASES[] = {
    {"rings", rings},
    {"parts", parts},
    {"no request", no_request},
};
UNIT_MAIN("call", CASES)
