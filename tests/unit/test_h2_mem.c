/* The file itself is in here, with a free(3) that looks at what it is given. */
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

static void spy_free(void *block);
#define free(p) spy_free(p)
#include "../../daemon/h2/h2_mem.c"
#undef free

static unsigned freed, dirty;

static void spy_free(void *block)
{
    struct block *b = block;

    freed++;
    for (size_t i = 0; i < b->len; i++)
        dirty += b->data[i] != 0;
    free(block);
}

static void freed_blocks_are_wiped(void)
{
    char *p = mem_malloc(100, NULL);

    freed = dirty = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, 'x', 100);
    mem_free(p, NULL);
    mem_free(NULL, NULL);
    CU_ASSERT_EQUAL(freed, 1);
    CU_ASSERT_EQUAL(dirty, 0);
}

static void moved_blocks_are_wiped_and_keep_their_bytes(void)
{
    char *p = mem_realloc(NULL, 10, NULL);

    freed = dirty = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, 'x', 10);
    p = mem_realloc(p, 1000, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_EQUAL(memcmp(p, "xxxxxxxxxx", 10), 0);
    memset(p, 'y', 1000);
    p = mem_realloc(p, 5, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_EQUAL(memcmp(p, "yyyyy", 5), 0);
    CU_ASSERT_EQUAL(freed, 2);
    mem_free(p, NULL);
    CU_ASSERT_EQUAL(dirty, 0);
}

static void zeroed_and_bounded(void)
{
    char *p = mem_calloc(3, 5, NULL);

    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    for (int i = 0; i < 15; i++)
        CU_ASSERT_EQUAL(p[i], 0);
    mem_free(p, NULL);
    CU_ASSERT_PTR_NULL(mem_calloc(SIZE_MAX / 2, 3, NULL));
    CU_ASSERT_PTR_NULL(mem_malloc(SIZE_MAX - 1, NULL));
    CU_ASSERT_PTR_EQUAL(h2_mem()->free, mem_free);
}

static const struct unit_case CASES[] = {
    {"freed blocks are wiped", freed_blocks_are_wiped},
    {"moved blocks are wiped and keep their bytes", moved_blocks_are_wiped_and_keep_their_bytes},
    {"zeroed and bounded", zeroed_and_bounded},
};
UNIT_MAIN("h2_mem", CASES)
