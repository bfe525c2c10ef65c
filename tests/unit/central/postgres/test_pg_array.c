#include "central/postgres/pg_array.h"

#include "unit/unit.h"

#include <errno.h>

static void test_number(void)
{
    char out[PG_INT8_BYTES];

    pg_int8_put(out, 0x0102030405060708);
    CU_ASSERT_TRUE(memcmp(out, "\1\2\3\4\5\6\7\10", sizeof(out)) == 0);
    pg_int8_put(out, UINT64_MAX);
    CU_ASSERT_TRUE(memcmp(out, "\377\377\377\377\377\377\377\377", sizeof(out)) == 0);
}

/* As array_recv reads it. */
static void test_array(void)
{
    static const char WHOLE[] = "\0\0\0\1\0\0\0\0\0\0\0\31\0\0\0\2\0\0\0\1" /* text, two */
                                "\0\0\0\3abc\0\0\0\0";
    struct buf out = BUF_INIT(100);

    CU_ASSERT_EQUAL(pg_array_begin(&out, PG_TEXT, 2), 0);
    CU_ASSERT_EQUAL(pg_array_add(&out, "abc", 3), 0);
    CU_ASSERT_EQUAL(pg_array_add(&out, "", 0), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&out), slice_of(WHOLE, sizeof(WHOLE) - 1)));
    buf_deinit(&out);
}

static void test_limits(void)
{
    struct buf small = BUF_INIT(10), out = BUF_INIT(100);

    CU_ASSERT_EQUAL(pg_array_begin(&small, PG_INT8, 1), -ENOBUFS);
    CU_ASSERT_EQUAL(pg_array_add(&small, "123456789", 9), -ENOBUFS);
    CU_ASSERT_EQUAL(pg_array_add(&out, "x", (size_t)INT32_MAX + 1), -ENOBUFS);
    CU_ASSERT_EQUAL(buf_len(&out), 0);
    buf_deinit(&small);
    buf_deinit(&out);
}

static const struct unit_case CASES[] = {
    {"number", test_number},
    {"array", test_array},
    {"limits", test_limits},
};

UNIT_MAIN("pg_array", CASES)
