/* What needs no archive; the reading itself is in tests/e2e/test_pg.py. */
#include "central/postgres/pg_read.h"

#include "unit/unit.h"

#include <errno.h>
#include <string.h>

static void refused(const char *url, int code, const char *why)
{
    struct archive *archive = NULL;
    struct err err = ERR_INIT;

    CU_ASSERT_EQUAL(PG_ARCHIVE.open(&archive, url, &err), code);
    CU_ASSERT_PTR_NULL(archive);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, why));
    CU_ASSERT_PTR_NULL(strstr(err.text, "s3cret"));
}

static void test_refused(void)
{
    refused("postgresql://u:s3cret@[::1/db", -EINVAL, "no connection string");
    refused("postgresql://u:s3cret@h/db?s3cret=1", -EINVAL, "no connection string");
    refused("host=/nowhere password=s3cret", -EIO, "/nowhere");
}

static void test_schemes(void)
{
    CU_ASSERT_STRING_EQUAL(PG_ARCHIVE.schemes[0], "postgresql");
    CU_ASSERT_STRING_EQUAL(PG_ARCHIVE.schemes[1], "postgres");
    CU_ASSERT_PTR_NULL(PG_ARCHIVE.schemes[2]);
}

static const struct unit_case CASES[] = {
    {"refused", test_refused},
    {"schemes", test_schemes},
};

UNIT_MAIN("pg_read", CASES)
