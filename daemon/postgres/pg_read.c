#include "postgres/pg_read.h"

const struct centre_kind PG_CENTRE = {0};
