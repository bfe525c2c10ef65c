#include "audit/requests.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>

static int count(void *arg, struct slice id)
{
    CU_ASSERT(id.len > 0);
    return ++*(int *)arg == 3 ? -EIO : 0;
}

static void test_all(void)
{
    struct requests r = {0};
    int calls = 0;

    CU_ASSERT_EQUAL(requests_close(&r, SLICE_LIT("a")), 0);
    CU_ASSERT_EQUAL(requests_open(&r, SLICE_LIT("a")), 0);
    CU_ASSERT_EQUAL(requests_open(&r, SLICE_LIT("a")), 0);
    CU_ASSERT_EQUAL(requests_open(&r, SLICE_LIT("ab")), 0);
    CU_ASSERT_EQUAL(r.n, 3);
    CU_ASSERT_EQUAL(requests_each(&r, count, &calls), -EIO);
    CU_ASSERT_EQUAL(calls, 3);
    CU_ASSERT_EQUAL(requests_close(&r, SLICE_LIT("a")), 1);
    CU_ASSERT_EQUAL(requests_close(&r, SLICE_LIT("a")), 1);
    CU_ASSERT_EQUAL(requests_close(&r, SLICE_LIT("a")), 0);
    CU_ASSERT_EQUAL(requests_close(&r, SLICE_LIT("ab")), 1);
    CU_ASSERT_EQUAL(r.n, 0);
    requests_deinit(&r);
}

static void test_many(void)
{
    struct requests r = {0};
    char id[16];

    for (unsigned i = 0; i < 20000; i++) {
        int n = snprintf(id, sizeof(id), "r%u", i);

        CU_ASSERT_EQUAL(requests_open(&r, slice_of(id, (size_t)n)), 0);
    }
    for (unsigned i = 0; i < 20000; i += 2) {
        int n = snprintf(id, sizeof(id), "r%u", i);

        CU_ASSERT_EQUAL(requests_close(&r, slice_of(id, (size_t)n)), 1);
    }
    CU_ASSERT_EQUAL(r.n, 10000);
    requests_deinit(&r);
    CU_ASSERT_EQUAL(r.n, 0);
}

static const struct unit_case CASES[] = {
    {"open and close", test_all},
    {"many", test_many},
};

UNIT_MAIN("requests", CASES)
