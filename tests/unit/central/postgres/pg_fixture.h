/* A result as a server would have sent it: one row, or none. */
#ifndef CENTION_TESTS_UNIT_CENTRAL_POSTGRES_PG_FIXTURE_H
#define CENTION_TESTS_UNIT_CENTRAL_POSTGRES_PG_FIXTURE_H

#include <libpq-fe.h>

/* n columns of those values (NULL: NULL) and, unless n_rows is 0, one row. */
PGresult *pg_fixture(const char *const *values, int n, int n_rows);

#endif
