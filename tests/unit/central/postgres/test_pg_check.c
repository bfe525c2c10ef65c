#include "central/postgres/pg_check.h"

#include "unit/central/postgres/pg_fixture.h"
#include "unit/unit.h"

#include <string.h>

enum { COLUMNS = 8 };

static const char *const GOOD[COLUMNS] = {
    "1", "UTF8", "on", "on", "on", "ANY 1 (a)", "18446744073709551615", "7"};

static const char *with(int column, const char *value, bool standby, struct pg_server *out)
{
    const char *values[COLUMNS];
    PGresult *result;
    const char *why;

    memcpy(values, GOOD, sizeof(values));
    if (column >= 0)
        values[column] = value;
    result = pg_fixture(values, COLUMNS, 1);
    why = pg_check_read(result, standby, out);
    PQclear(result);
    return why;
}

static void test_good(void)
{
    struct pg_server server;

    CU_ASSERT_PTR_NULL(with(-1, NULL, true, &server));
    CU_ASSERT_EQUAL(server.system, UINT64_MAX);
    CU_ASSERT_EQUAL(server.timeline, 7);
    CU_ASSERT_PTR_NULL(with(2, "remote_apply", true, &server));
    CU_ASSERT_PTR_NULL(with(5, "", false, &server));
}

static void test_not_good_enough(void)
{
    static const struct {
        int column;
        const char *value, *why;
    } T[] = {
        {0, "2", "another version"},
        {0, "", "another version"},
        {0, NULL, "another version"},
        {1, "SQL_ASCII", "not UTF8"},
        {2, "off", "synchronous_commit"},
        {2, "local", "synchronous_commit"},
        {2, "remote_write", "synchronous_commit"},
        {3, "off", "fsync"},
        {4, "off", "full_page_writes"},
        {5, "", "synchronous_standby_names is empty"},
    };
    struct pg_server server;
    PGresult *none = pg_fixture(GOOD, COLUMNS, 0), *narrow = pg_fixture(GOOD, COLUMNS - 1, 1);

    for (size_t i = 0; i < sizeof(T) / sizeof(T[0]); i++) {
        const char *why = with(T[i].column, T[i].value, true, &server);

        CU_ASSERT_PTR_NOT_NULL_FATAL(why);
        CU_ASSERT_PTR_NOT_NULL(strstr(why, T[i].why));
    }
    CU_ASSERT_PTR_NOT_NULL(pg_check_read(none, true, &server));
    CU_ASSERT_PTR_NOT_NULL(pg_check_read(narrow, true, &server));
    PQclear(none);
    PQclear(narrow);
}

static void test_failed(void)
{
    CU_ASSERT_PTR_NULL(pg_check_failed(NULL));
    CU_ASSERT_PTR_NULL(pg_check_failed("57P01"));
    CU_ASSERT_PTR_NOT_NULL(strstr(pg_check_failed("3F000"), "central.sql"));
    CU_ASSERT_PTR_NOT_NULL(strstr(pg_check_failed("42883"), "central.sql"));
    CU_ASSERT_PTR_NOT_NULL(strstr(pg_check_failed("42501"), "cention_shipper"));
}

static const struct unit_case CASES[] = {
    {"good", test_good},
    {"not good enough", test_not_good_enough},
    {"failed", test_failed},
};

UNIT_MAIN("pg_check", CASES)
