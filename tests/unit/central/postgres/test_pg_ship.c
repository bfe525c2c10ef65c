#include "central/postgres/pg_ship.h"
#include "unit/central/postgres/pg_fixture.h"
#include "unit/unit.h"

#include <errno.h>

#define DIGITS "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HASH   "\\x" DIGITS

enum { COLUMNS = 6 };

static int answer(const char *const values[COLUMNS], struct pg_ship_answer *out)
{
    PGresult *result = pg_fixture(values, COLUMNS, 1);
    int r = pg_ship_answer(result, out);

    PQclear(result);
    return r;
}

static void test_answers(void)
{
    static const char *const TAKEN[] = {"17", NULL, NULL, NULL, NULL, "t"};
    static const char *const CONFLICT[] = {NULL, "17", "3", "18446744073709551615", HASH, "f"};
    static const char *const BEHIND[] = {NULL, NULL, NULL, NULL, NULL, "f"};
    struct pg_ship_answer a;

    CU_ASSERT_EQUAL(answer(TAKEN, &a), 0);
    CU_ASSERT_TRUE(a.standby && !a.behind && a.place == 0);
    CU_ASSERT_EQUAL(answer(CONFLICT, &a), 0);
    CU_ASSERT_TRUE(!a.standby && !a.behind);
    CU_ASSERT_EQUAL(a.place, 17);
    CU_ASSERT_EQUAL(a.there.epoch, 3);
    CU_ASSERT_EQUAL(a.there.seq, UINT64_MAX);
    CU_ASSERT_EQUAL(a.there.hash.bytes[1], 0x11);
    CU_ASSERT_EQUAL(answer(BEHIND, &a), 0);
    CU_ASSERT_TRUE(a.behind);
}

static void test_no_answers(void)
{
    static const char *const T[][COLUMNS] = {
        {NULL, "0", "3", "17", HASH, "t"},
        {NULL, "-1", "3", "17", HASH, "t"},
        {NULL, "17", NULL, "17", HASH, "t"},
        {NULL, "17", "3", "1x", HASH, "t"},
        {NULL, "17", "3", "17", "\\x00", "t"},
        {NULL, "17", "3", "17", NULL, "t"},
        {NULL, "17", "3", "18446744073709551616", HASH, "t"},
        {NULL, "17", "3", "17", "xx" DIGITS, "t"},
    };
    struct pg_ship_answer a;
    PGresult *none = pg_fixture(T[0], COLUMNS, 0), *narrow = pg_fixture(T[0], 5, 1);

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++)
        CU_ASSERT_EQUAL(answer(T[i], &a), -EINVAL);
    CU_ASSERT_EQUAL(pg_ship_answer(none, &a), -EINVAL);
    CU_ASSERT_EQUAL(pg_ship_answer(narrow, &a), -EINVAL);
    PQclear(none);
    PQclear(narrow);
}

static void test_head(void)
{
    static const char *const HEAD[] = {"3", "17", HASH};
    static const char *const BROKEN[] = {"3", "", HASH};
    PGresult *head = pg_fixture(HEAD, 3, 1), *none = pg_fixture(HEAD, 3, 0);
    PGresult *two = pg_fixture(HEAD, 3, 2), *broken = pg_fixture(BROKEN, 3, 1);
    struct ship_place place;

    CU_ASSERT_EQUAL(pg_head_answer(head, &place), 0);
    CU_ASSERT_EQUAL(place.epoch, 3);
    CU_ASSERT_EQUAL(place.seq, 17);
    CU_ASSERT_EQUAL(place.hash.bytes[31], 0xff);
    CU_ASSERT_EQUAL(pg_head_answer(none, &place), 0);
    CU_ASSERT_TRUE(place.epoch == 0 && place.seq == 0 && place.hash.bytes[31] == 0);
    CU_ASSERT_EQUAL(pg_head_answer(two, &place), -EINVAL);
    CU_ASSERT_EQUAL(pg_head_answer(broken, &place), -EINVAL);
    PQclear(head);
    PQclear(none);
    PQclear(two);
    PQclear(broken);
}

/* A connection that is none takes nothing. */
static void test_not_sent(void)
{
    const char *keywords[] = {"host", NULL}, *values[] = {"/nowhere", NULL};
    struct pg_scratch scratch = PG_SCRATCH_INIT;
    struct ship_record record = {.place = {.epoch = 1, .seq = 1}, .line = SLICE_LIT("x")};
    struct ship_batch batch = {&record, 1, 1};
    struct ship_alarm alarm = {.kind = SHIP_BROKEN};
    struct seal_key log = {{1}};
    PGconn *conn = PQconnectStartParams(keywords, values, 0);

    CU_ASSERT_EQUAL(pg_ship_send(conn, "ship", &scratch, &log, "host", 0, &batch), -EIO);
    CU_ASSERT_EQUAL(pg_head_send(conn, &log), -EIO);
    CU_ASSERT_EQUAL(pg_alarm_send(conn, &log, "host", &alarm), -EIO);
    pg_scratch_deinit(&scratch);
    scratch.lines.max = 20;
    CU_ASSERT_EQUAL(pg_ship_send(conn, "ship", &scratch, &log, "host", 0, &batch), -ENOBUFS);
    PQfinish(conn);
    pg_scratch_deinit(&scratch);
}

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
    {"answers", test_answers},   {"no answers", test_no_answers}, {"head", test_head},
    {"not sent", test_not_sent}, {"number", test_number},         {"array", test_array},
    {"limits", test_limits},
};

UNIT_MAIN("pg_ship", CASES)
