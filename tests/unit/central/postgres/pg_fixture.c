#include "unit/central/postgres/pg_fixture.h"

#include <CUnit/CUnit.h>
#include <string.h>

PGresult *pg_fixture(const char *const *values, int n, int n_rows)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    static char name[] = "x";
    PGresAttDesc columns[16];

    CU_ASSERT_PTR_NOT_NULL_FATAL(result);
    for (int i = 0; i < n; i++)
        columns[i] = (PGresAttDesc){.name = name, .typid = 25, .typlen = -1, .atttypmod = -1};
    CU_ASSERT_EQUAL_FATAL(PQsetResultAttrs(result, n, columns), 1);
    for (int row = 0; row < n_rows; row++)
        for (int i = 0; i < n; i++) {
            char text[256] = "";

            if (values[i])
                strncpy(text, values[i], sizeof(text) - 1);
            CU_ASSERT_EQUAL_FATAL(PQsetvalue(result, row, i, values[i] ? text : NULL,
                                             values[i] ? (int)strlen(text) : -1),
                                  1);
        }
    return result;
}
