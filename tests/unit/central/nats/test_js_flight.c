#include "central/nats/js_flight.h"

#include "unit/unit.h"

static struct js_flight flight;

static struct ship_place place(uint64_t seq)
{
    return (struct ship_place){.epoch = 1, .seq = seq};
}

/* The stream's numbers need not be the log's. */
static void fill(uint64_t last, uint64_t seq, unsigned n)
{
    js_flight_reset(&flight, last);
    for (unsigned i = 0; i < n; i++) {
        struct ship_place p = place(seq + i);

        CU_ASSERT_EQUAL(js_flight_push(&flight, &p), last + 1 + i);
    }
}

static void test_in_order(void)
{
    uint64_t seq = 0;

    fill(100, 1, 3);
    CU_ASSERT_EQUAL(js_flight_n(&flight), 3);
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_TRUE(js_flight_in(&flight, 101 + i, &seq));
        CU_ASSERT_EQUAL(seq, 1 + i);
    }
    CU_ASSERT_EQUAL(js_flight_n(&flight), 0);
}

/* One that is stored says nothing of the one before it. */
static void test_out_of_order(void)
{
    uint64_t seq = 0;

    fill(0, 7, 4);
    CU_ASSERT_FALSE(js_flight_in(&flight, 3, &seq));
    CU_ASSERT_FALSE(js_flight_in(&flight, 2, &seq));
    CU_ASSERT_FALSE(js_flight_in(&flight, 2, &seq));
    CU_ASSERT_EQUAL(js_flight_n(&flight), 4);
    CU_ASSERT_TRUE(js_flight_in(&flight, 1, &seq));
    CU_ASSERT_EQUAL(seq, 9);
    CU_ASSERT_EQUAL(js_flight_n(&flight), 1);
    CU_ASSERT_TRUE(js_flight_in(&flight, 4, &seq));
    CU_ASSERT_EQUAL(seq, 10);
}

static void test_not_in_flight(void)
{
    uint64_t seq = 0;

    fill(5, 1, 2);
    CU_ASSERT_FALSE(js_flight_in(&flight, 5, &seq));
    CU_ASSERT_FALSE(js_flight_in(&flight, 8, &seq));
    CU_ASSERT_FALSE(js_flight_in(&flight, 0, &seq));
    CU_ASSERT_FALSE(js_flight_in(&flight, UINT64_MAX, &seq));
    CU_ASSERT_PTR_NULL(js_flight_at(&flight, 5));
    CU_ASSERT_PTR_NULL(js_flight_at(&flight, 8));
    CU_ASSERT_EQUAL(js_flight_at(&flight, 7)->seq, 2);
    CU_ASSERT_EQUAL(js_flight_n(&flight), 2);
}

/* Full, round and round; what was in the ring before counts for nothing. */
static void test_full(void)
{
    uint64_t seq = 0;

    fill(0, 1, JS_FLIGHT);
    CU_ASSERT_TRUE(js_flight_full(&flight));
    for (uint64_t n = 1; n <= 3 * JS_FLIGHT; n++) {
        struct ship_place p = place(n + JS_FLIGHT);

        CU_ASSERT_TRUE(js_flight_in(&flight, n, &seq));
        CU_ASSERT_EQUAL(seq, n);
        CU_ASSERT_FALSE(js_flight_full(&flight));
        CU_ASSERT_EQUAL(js_flight_push(&flight, &p), n + JS_FLIGHT);
    }
    js_flight_reset(&flight, 10);
    CU_ASSERT_EQUAL(js_flight_n(&flight), 0);
    CU_ASSERT_PTR_NULL(js_flight_at(&flight, 11));
}

static const struct unit_case CASES[] = {
    {"in order", test_in_order},
    {"out of order", test_out_of_order},
    {"not in flight", test_not_in_flight},
    {"full", test_full},
};

UNIT_MAIN("js_flight", CASES)
