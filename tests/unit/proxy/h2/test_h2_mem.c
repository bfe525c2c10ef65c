/* The file itself is in here, with a free(3) that looks at what it is given. */
#include "unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void spy_free(void *block);
#define free(p) spy_free(p)
#include "proxy/h2/h2_mem.c"
#undef free

static unsigned freed, dirty;
static bool watching;

static void spy_free(void *block)
{
    struct block *b = block;

    freed += watching;
    for (size_t i = 0; watching && i < b->len; i++)
        dirty += b->data[i] != 0;
    free(block);
}

static void freed_blocks_are_wiped(void)
{
    struct h2_mem *mem = h2_mem_new();
    char *p = mem_malloc(5000, mem);

    freed = dirty = 0;
    watching = true;
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, 'x', 5000);
    mem_free(p, mem);
    mem_free(NULL, mem);
    CU_ASSERT_EQUAL(freed, 1);
    CU_ASSERT_EQUAL(dirty, 0);
    watching = false;
    h2_mem_free(mem);
}

static void moved_blocks_are_wiped_and_keep_their_bytes(void)
{
    struct h2_mem *mem = h2_mem_new();
    char *p = mem_realloc(NULL, 2000, mem);

    freed = dirty = 0;
    watching = true;
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, 'x', 2000);
    p = mem_realloc(p, 9000, mem);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_EQUAL(memcmp(p, "xxxxxxxxxx", 10), 0);
    memset(p, 'y', 9000);
    p = mem_realloc(p, 1500, mem);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    CU_ASSERT_EQUAL(memcmp(p, "yyyyy", 5), 0);
    CU_ASSERT_EQUAL(freed, 2);
    mem_free(p, mem);
    CU_ASSERT_EQUAL(dirty, 0);
    watching = false;
    h2_mem_free(mem);
}

/* What is kept holds nothing but the list's pointer, and comes back for whatever fits. */
static void small_blocks_are_used_again(void)
{
    struct h2_mem *mem = h2_mem_new();
    char *p = mem_malloc(100, mem), *again, *none;

    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    if (KEEP == 0) {
        unit_skip("a build that watches each block keeps none");
        mem_free(p, mem);
        h2_mem_free(mem);
        return;
    }
    freed = dirty = 0;
    watching = true;
    memset(p, 'x', 100);
    mem_free(p, mem);
    CU_ASSERT_EQUAL(freed, 0);
    for (size_t i = sizeof(void *); i < 100; i++)
        CU_ASSERT_EQUAL(p[i], 0);
    again = mem_malloc(128, mem);
    CU_ASSERT_PTR_EQUAL(again, p);
    memset(again, 'x', 128);
    none = mem_malloc(0, mem);
    CU_ASSERT_PTR_NOT_NULL(none);
    mem_free(none, mem);
    for (size_t n = 0; n < 3; n++) {
        void *blocks[KEEP + 1];

        for (size_t i = 0; i <= KEEP; i++)
            blocks[i] = mem_malloc(1 + 200 * n, mem);
        for (size_t i = 0; i <= KEEP; i++)
            mem_free(blocks[i], mem);
    }
    CU_ASSERT_EQUAL(freed, 3); /* not more than KEEP are kept */
    mem_free(again, mem);
    watching = false;
    h2_mem_free(mem);
    h2_mem_free(NULL);
}

static void classes(void)
{
    CU_ASSERT_EQUAL(class_of(0), 0);
    CU_ASSERT_EQUAL(class_of(1), 0);
    CU_ASSERT_EQUAL(class_of(STEP), 0);
    CU_ASSERT_EQUAL(class_of(STEP + 1), 1);
    CU_ASSERT_EQUAL(class_of((size_t)STEP * CLASSES), CLASSES - 1);
    CU_ASSERT_EQUAL(class_of((size_t)STEP * CLASSES + 1), CLASSES);
}

static void zeroed_and_bounded(void)
{
    struct h2_mem *mem = h2_mem_new();
    char *p = mem_malloc(15, mem);

    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(p, 'x', 15);
    mem_free(p, mem);
    p = mem_calloc(3, 5, mem);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    for (int i = 0; i < 15; i++)
        CU_ASSERT_EQUAL(p[i], 0);
    mem_free(p, mem);
    CU_ASSERT_PTR_NULL(mem_calloc(SIZE_MAX / 2, 3, mem));
    CU_ASSERT_PTR_NULL(mem_malloc(SIZE_MAX - 1, mem));
    CU_ASSERT_PTR_EQUAL(h2_mem_calls(mem)->free, mem_free);
    watching = false;
    h2_mem_free(mem);
}

static const struct unit_case CASES[] = {
    {"freed blocks are wiped", freed_blocks_are_wiped},
    {"moved blocks are wiped and keep their bytes", moved_blocks_are_wiped_and_keep_their_bytes},
    {"small blocks are used again", small_blocks_are_used_again},
    {"classes", classes},
    {"zeroed and bounded", zeroed_and_bounded},
};
UNIT_MAIN("h2_mem", CASES)
