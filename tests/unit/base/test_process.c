/* The limit of this very process, and how it is shared. */
#include "base/asan.h"
#include "base/process.h"
#include "unit/unit.h"

#include <stdlib.h>
#include <sys/resource.h>

static const size_t MIB = 1 << 20;

static void shared(void)
{
    CU_ASSERT_EQUAL(process_descriptors_share(2000, 1024, 320), 1024);
    CU_ASSERT_EQUAL(process_descriptors_share(1344, 1024, 320), 1024);
    CU_ASSERT_EQUAL(process_descriptors_share(1343, 1024, 320), 1023);
    CU_ASSERT_EQUAL(process_descriptors_share(1024, 1024, 320), 704);
    CU_ASSERT_EQUAL(process_descriptors_share(641, 1024, 320), 321);
    CU_ASSERT_EQUAL(process_descriptors_share(640, 1024, 320), 160);
    CU_ASSERT_EQUAL(process_descriptors_share(640, 100, 320), 100);
    CU_ASSERT_EQUAL(process_descriptors_share(64, 1024, 320), 16);
    CU_ASSERT_EQUAL(process_descriptors_share(3, 1024, 320), 1);
}

static void raised_as_far_as_the_hard_limit(void)
{
    struct rlimit old, limit;

    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &old), 0);
    limit = (struct rlimit){64, 128};
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CU_ASSERT_EQUAL(process_descriptors_allow(32), 64);
    CU_ASSERT_EQUAL(process_descriptors_allow(100), 100);
    CU_ASSERT_EQUAL(process_descriptors_allow(1000), 128);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    CU_ASSERT_EQUAL(limit.rlim_cur, 128);
}

/* The last case: a limit can't be taken back. */
static void memory_has_a_limit(void)
{
    struct err err = ERR_INIT;
    void *small, *large;

    CU_ASSERT_EQUAL(process_memory_limit(256 * MIB, &err), 0);
    CU_ASSERT_EQUAL(process_memory_limit(512 * MIB, &err), 0); /* the lower one stays */
    small = malloc(64 * MIB);
    large = malloc(300 * MIB);
    CU_ASSERT_PTR_NOT_NULL(small);
    CU_ASSERT(CENTION_ASAN || !large);
    free(small);
    free(large);
}

static const struct unit_case CASES[] = {
    {"shared", shared},
    {"raised as far as the hard limit", raised_as_far_as_the_hard_limit},
    {"memory has a limit", memory_has_a_limit},
};

UNIT_MAIN("process", CASES)
