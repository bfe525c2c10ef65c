/* When a batch waits for more, and that it never waits long. */
#include "keeper/group_commit.h"
#include "unit/unit.h"

static void alone(void)
{
    struct gather g = {0};

    CU_ASSERT_FALSE(gather_more(&g, 1, 0, 5));
    CU_ASSERT_FALSE(gather_more(&g, 0, 9, 5));
    CU_ASSERT_FALSE(gather_more(&g, GATHER_ENOUGH, 9, 5));
    CU_ASSERT_EQUAL(g.looks, 0);
}

static void as_long_as_more_comes(void)
{
    struct gather g = {0};

    CU_ASSERT(gather_more(&g, 1, 9, 5));
    CU_ASSERT(gather_more(&g, 2, 8, 5));
    CU_ASSERT(gather_more(&g, 5, 5, 5));
    CU_ASSERT_FALSE(gather_more(&g, 5, 5, 5));
    g = (struct gather){0};
    CU_ASSERT(gather_more(&g, 1, 1, 5));
    CU_ASSERT_FALSE(gather_more(&g, 2, 0, 5));
}

static void not_for_ever(void)
{
    struct gather g = {0};
    size_t n = 1;

    while (n < 1000 && gather_more(&g, n, 1, 5))
        n++;
    CU_ASSERT_EQUAL(n, 1 + GATHER_LOOKS);
    g = (struct gather){0};
    CU_ASSERT(gather_more(&g, 1, 1, 5));
    CU_ASSERT(gather_more(&g, 2, 1, 5 + GATHER_US));
    CU_ASSERT_FALSE(gather_more(&g, 3, 1, 6 + GATHER_US));
}

static const struct unit_case CASES[] = {
    {"alone", alone},
    {"as long as more comes", as_long_as_more_comes},
    {"not for ever", not_for_ever},
};

UNIT_MAIN("gather", CASES)
