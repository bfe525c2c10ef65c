#include "proxy/upstream/call_queue.h"

#include "unit/unit.h"

#include <stdlib.h>

enum { MANY = 64 };

static struct call_queue q;
static struct upstream_call calls[MANY];
static unsigned n;

static void setup(void)
{
    call_queue_init(&q);
    n = 0;
}

static struct upstream_call *add(uint64_t user)
{
    struct upstream_call *call = &calls[n++];

    *call = (struct upstream_call){.user = user, .queued = n};
    call_queue_add(&q, call);
    return call;
}

/* Serves the first; its user. */
static uint64_t serve(void)
{
    struct upstream_call *call = call_queue_first(&q);

    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    call_queue_leave(&q, call);
    return call->user;
}

static void in_the_order_of_arrival(void)
{
    setup();
    CU_ASSERT_PTR_NULL(call_queue_first(&q));
    CU_ASSERT_PTR_NULL(call_queue_last(&q));
    for (unsigned i = 0; i < 10; i++)
        (void)add(1);
    for (unsigned i = 0; i < 10; i++) {
        CU_ASSERT_PTR_EQUAL(call_queue_first(&q), &calls[i]);
        (void)serve();
        if (i % 3 == 0) {
            struct upstream_call *late = add(1);

            CU_ASSERT_PTR_EQUAL(call_queue_last(&q), late);
        }
    }
    CU_ASSERT_EQUAL(q.n, 4);
    for (unsigned i = 10; i < 14; i++) {
        CU_ASSERT_PTR_EQUAL(call_queue_first(&q), &calls[i]);
        (void)serve();
    }
    CU_ASSERT_EQUAL(q.n, 0);
}

static void users_take_turns(void)
{
    static const uint64_t ORDER[] = {1, 2, 3, 1, 3, 1, 1, 1};

    setup();
    for (unsigned i = 0; i < 5; i++)
        (void)add(1);
    (void)add(2);
    (void)add(3);
    (void)add(3);
    for (unsigned i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(serve(), ORDER[i]);
}

/* One that comes anew is behind nobody's second call, however long the others have waited. */
static void who_comes_late_is_served_next(void)
{
    setup();
    for (unsigned i = 0; i < 20; i++)
        (void)add(1);
    for (unsigned i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(serve(), 1);
        (void)add(2);
        CU_ASSERT_EQUAL(serve(), 2);
    }
    /* And being served doesn't let it pass for one that waited. */
    (void)add(2);
    (void)add(2);
    CU_ASSERT_EQUAL(serve(), 2);
    CU_ASSERT_EQUAL(serve(), 1);
    CU_ASSERT_EQUAL(serve(), 2);
    CU_ASSERT_EQUAL(serve(), 1);
}

static void a_full_queue(void)
{
    setup();
    CU_ASSERT(call_queue_is_last(&q, 1));
    (void)add(1);
    CU_ASSERT(call_queue_is_last(&q, 2)); /* one each: who came later is behind */
    (void)add(1);
    (void)add(1);
    CU_ASSERT_FALSE(call_queue_is_last(&q, 2));
    CU_ASSERT(call_queue_is_last(&q, 1));
    (void)add(2);
    (void)add(2);
    CU_ASSERT_EQUAL(call_queue_last(&q)->user, 1);
    CU_ASSERT(call_queue_is_last(&q, 2));
    call_queue_leave(&q, call_queue_last(&q));
    CU_ASSERT_EQUAL(call_queue_last(&q)->user, 2);
}

static void tried_again(void)
{
    struct upstream_call *first;

    setup();
    (void)add(1);
    (void)add(1);
    (void)add(2);
    first = call_queue_first(&q);
    call_queue_leave(&q, first);
    call_queue_add_first(&q, first);
    CU_ASSERT_PTR_EQUAL(call_queue_first(&q), first);
    CU_ASSERT_EQUAL(serve(), 1);
    CU_ASSERT_EQUAL(serve(), 2);
    CU_ASSERT_EQUAL(serve(), 1);
}

static void those_that_are_late(void)
{
    struct upstream_call late, *call;

    setup();
    for (unsigned i = 0; i < 4; i++)
        (void)add(1); /* since 1, 2, 3, 4 */
    (void)add(2);     /* since 5, and second in line */
    call_ring_init(&late);
    CU_ASSERT_EQUAL(call_queue_late(&q, 2, &late), 3);
    CU_ASSERT_EQUAL(q.n, 5);
    while ((call = call_ring_first(&late))) {
        CU_ASSERT(call->queued <= 2);
        call_queue_leave(&q, call);
    }
    CU_ASSERT_EQUAL(q.n, 3);
    CU_ASSERT_EQUAL(serve(), 2);
    CU_ASSERT_EQUAL(call_queue_late(&q, 9, &late), UINT64_MAX);
    CU_ASSERT_PTR_NULL(call_queue_first(&q));
}

static const struct unit_case CASES[] = {
    {"in the order of arrival", in_the_order_of_arrival},
    {"users take turns", users_take_turns},
    {"who comes late is served next", who_comes_late_is_served_next},
    {"a full queue", a_full_queue},
    {"tried again", tried_again},
    {"those that are late", those_that_are_late},
};

UNIT_MAIN("call_queue", CASES)
