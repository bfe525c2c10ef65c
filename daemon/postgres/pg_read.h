/* Reading the archive in PostgreSQL, see centre/centre.h. */
#ifndef CENTION_POSTGRES_PG_READ_H
#define CENTION_POSTGRES_PG_READ_H

#include "centre/centre.h"

extern const struct centre_kind PG_CENTRE;

#endif
