#include "policy/rate.h"
#include "unit/unit.h"

#include <stdbool.h>

static unsigned take(struct rate *r, uint64_t now, unsigned tries)
{
    unsigned n = 0;

    for (unsigned i = 0; i < tries; i++)
        n += rate_take(r, now);
    return n;
}

static void test_none(void)
{
    struct rate r;

    rate_init(&r, 0, 0);
    CU_ASSERT_EQUAL(take(&r, 0, 100000), 100000);
}

static void test_burst(void)
{
    struct rate r;

    rate_init(&r, 20, 40);
    CU_ASSERT_EQUAL(take(&r, 1000000, 100), 40);
    CU_ASSERT_EQUAL(take(&r, 1000000, 100), 0);
    CU_ASSERT_EQUAL(take(&r, 1049999, 1), 0);
    CU_ASSERT_EQUAL(take(&r, 1050000, 100), 1);
    CU_ASSERT_EQUAL(take(&r, 2050000, 100), 20);
    /* An idle hour fills it, and no more. */
    CU_ASSERT_EQUAL(take(&r, UINT64_C(3602050000), 100), 40);
}

static void test_default_burst(void)
{
    struct rate r;

    rate_init(&r, 0.5, 0);
    CU_ASSERT_EQUAL(take(&r, 5, 10), 1);
    CU_ASSERT_EQUAL(take(&r, 1999999, 10), 0);
    CU_ASSERT_EQUAL(take(&r, 2000005, 10), 1);
    rate_init(&r, 7, 0);
    CU_ASSERT_EQUAL(take(&r, 5, 100), 7);
}

/* In the long run neither more nor fewer, in however small steps it is asked. */
static void test_long_run(void)
{
    struct rate r;
    unsigned n = 0;

    rate_init(&r, 1000, 2);
    for (uint64_t now = 1; now <= 10000000; now += 37)
        n += rate_take(&r, now);
    CU_ASSERT(n >= 9990 && n <= 10002);
}

static void test_step_back(void)
{
    struct rate r;

    rate_init(&r, 1, 1);
    CU_ASSERT_EQUAL(take(&r, 10000000, 2), 1);
    CU_ASSERT_EQUAL(take(&r, 5000000, 2), 0);
    CU_ASSERT_EQUAL(take(&r, 10500000, 2), 0);
    CU_ASSERT_EQUAL(take(&r, 11000000, 2), 1);
}

static void test_continue(void)
{
    struct rate old, new;

    rate_init(&old, 1, 5);
    CU_ASSERT_EQUAL(take(&old, 1, 4), 4);
    rate_init(&new, 1, 5);
    rate_continue(&new, &old);
    CU_ASSERT_EQUAL(take(&new, 1, 10), 1);
    rate_init(&new, 1, 6);
    rate_continue(&new, &old);
    CU_ASSERT_EQUAL(take(&new, 1, 10), 6);
}

static const struct unit_case CASES[] = {
    {"no limit", test_none},
    {"burst and refill", test_burst},
    {"default burst", test_default_burst},
    {"the long run", test_long_run},
    {"a clock that steps back", test_step_back},
    {"a reload", test_continue},
};

UNIT_MAIN("rate", CASES)
