/* Requests that owe their outcome: by their ids, in any order, and never too many. */
#include "keeper/audit/pending.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>

enum { MAX = 1000 };

static struct pending_request *add(struct pending *p, uint64_t id, const char *request_id)
{
    struct pending_request *added = NULL;

    CU_ASSERT_EQUAL_FATAL(
        pending_add(p, &(struct sign_request){.id = id, .request_id = slice_str(request_id)}, MAX,
                    &added),
        0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(added);
    return added;
}

static void none(void)
{
    struct pending p = {0};

    CU_ASSERT_PTR_NULL(pending_find(&p, 0));
    CU_ASSERT_PTR_NULL(pending_refusal(&p, 0, 1));
    pending_deinit(&p);
    pending_deinit(&p);
    CU_ASSERT_EQUAL(p.n, 0);
}

static void added_and_found(void)
{
    struct pending p = {0};
    char text[] = "request-7";
    struct pending_request *seven = add(&p, 7, text), *last = add(&p, UINT64_MAX, "");

    memset(text, 'x', sizeof(text) - 1); /* the entry holds its own */
    CU_ASSERT_EQUAL(p.n, 2);
    CU_ASSERT_EQUAL(seven->id, 7);
    CU_ASSERT_EQUAL(seven->seq, 0);
    CU_ASSERT_FALSE(seven->answered);
    CU_ASSERT_TRUE(slice_eq(seven->request_id, SLICE_LIT("request-7")));
    CU_ASSERT_EQUAL(last->request_id.len, 0);
    for (uint64_t id = 100; id < 400; id++)
        (void)add(&p, id, "another");
    CU_ASSERT_PTR_EQUAL(pending_find(&p, 7), seven); /* where it was */
    CU_ASSERT_PTR_EQUAL(pending_find(&p, UINT64_MAX), last);
    CU_ASSERT_PTR_NULL(pending_find(&p, 8));
    CU_ASSERT_PTR_NULL(pending_find(&p, 7 + (1ull << 32)));
    pending_remove(&p, seven);
    CU_ASSERT_PTR_NULL(pending_find(&p, 7));
    CU_ASSERT_EQUAL(p.n, 301);
    CU_ASSERT_EQUAL(add(&p, 7, "again")->seq, 0);
    pending_deinit(&p);
    CU_ASSERT_EQUAL(p.n, 0);
    CU_ASSERT_PTR_NULL(pending_find(&p, 100));
}

static void an_id_that_is_there(void)
{
    struct pending p = {0};
    struct pending_request *first = add(&p, 1, "first"), *added = NULL;

    first->seq = 17;
    CU_ASSERT_EQUAL(pending_add(&p,
                                &(struct sign_request){.id = 1, .request_id = SLICE_LIT("second")},
                                MAX, &added),
                    -EEXIST);
    CU_ASSERT_PTR_NULL(added);
    CU_ASSERT_EQUAL(p.n, 1);
    CU_ASSERT_PTR_EQUAL(pending_find(&p, 1), first);
    CU_ASSERT_EQUAL(first->seq, 17);
    CU_ASSERT_TRUE(slice_eq(first->request_id, SLICE_LIT("first")));
    pending_deinit(&p);
}

static void not_more_than_the_most(void)
{
    struct pending p = {0};
    struct pending_request *added = NULL;

    for (uint64_t id = 1; id <= 3; id++)
        CU_ASSERT_EQUAL(pending_add(&p,
                                    &(struct sign_request){.id = id, .request_id = SLICE_LIT("r")},
                                    3, &added),
                        0);
    added = NULL;
    CU_ASSERT_EQUAL(
        pending_add(&p, &(struct sign_request){.id = 4, .request_id = SLICE_LIT("r")}, 3, &added),
        -ENOBUFS);
    CU_ASSERT_EQUAL(
        pending_add(&p, &(struct sign_request){.id = 1, .request_id = SLICE_LIT("r")}, 3, &added),
        -ENOBUFS);
    CU_ASSERT_PTR_NULL(added);
    CU_ASSERT_PTR_NULL(pending_find(&p, 4));
    CU_ASSERT_EQUAL(p.n, 3);
    pending_remove(&p, pending_find(&p, 2));
    CU_ASSERT_EQUAL(
        pending_add(&p, &(struct sign_request){.id = 4, .request_id = SLICE_LIT("r")}, 3, &added),
        0);
    pending_deinit(&p);
}

static void why_not(void)
{
    struct pending p = {0};

    (void)add(&p, 1, "a");
    CU_ASSERT_PTR_NULL(pending_refusal(&p, 2, 2));
    CU_ASSERT_STRING_EQUAL(pending_refusal(&p, 1, 2), "the message's id is already in use");
    (void)add(&p, 2, "b");
    CU_ASSERT_STRING_EQUAL(pending_refusal(&p, 3, 2), "too many requests without an outcome");
    /* The id tells more about the peer. */
    CU_ASSERT_STRING_EQUAL(pending_refusal(&p, 1, 2), "the message's id is already in use");
    pending_deinit(&p);
}

struct visits {
    uint64_t ids[MAX];
    size_t n;
};

static void visit(void *arg, const struct pending_request *request)
{
    struct visits *v = arg;

    CU_ASSERT_FATAL(v->n < MAX);
    v->ids[v->n++] = request->id;
}

static void each_in_order(void)
{
    static struct visits v;
    struct pending p = {0};

    v.n = 0;
    pending_each(&p, visit, &v);
    CU_ASSERT_EQUAL(v.n, 0);
    for (uint64_t i = 0; i < 251; i++) /* 97 is prime to 251: every id from 0, in disorder */
        (void)add(&p, i * 97 % 251, "r");
    pending_remove(&p, pending_find(&p, 0));
    pending_remove(&p, pending_find(&p, 250));
    pending_each(&p, visit, &v);
    CU_ASSERT_EQUAL(v.n, 249);
    for (size_t i = 0; i < v.n; i++)
        CU_ASSERT_EQUAL(v.ids[i], i + 1);
    pending_deinit(&p);
}

static const struct unit_case CASES[] = {
    {"none", none},
    {"added and found", added_and_found},
    {"an id that is there", an_id_that_is_there},
    {"not more than the most", not_more_than_the_most},
    {"why not", why_not},
    {"each, in order", each_in_order},
};
UNIT_MAIN("pending", CASES)
