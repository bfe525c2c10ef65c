/*
 * Checks a server before a record is shipped to it: its acknowledgement must survive its failure.
 * It is asked at every connect, because an administrator may change it, and another server may
 * answer.
 */
#ifndef CENTION_CENTRAL_POSTGRES_PG_CHECK_H
#define CENTION_CENTRAL_POSTGRES_PG_CHECK_H

#include "base/attributes.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    PG_SCHEMA = 1, /* cention_audit.version(), conf/central.sql */
};

/* For this session: that a commit waits is not left to the server's, role's or database's
 * settings, and no statement or lock is waited for without end. */
extern const char PG_SETTINGS_QUERY[];
/* Fails where the schema is missing. */
extern const char PG_CHECK_QUERY[];

/* Which server it is. After a promotion the timeline is a higher one. */
struct pg_server {
    uint64_t system;   /* the cluster's identifier */
    uint64_t timeline; /* from 1 */
};

/* NULL, or a static sentence: why this answer to the query is not good enough. */
const char *pg_check_read(const PGresult *result, bool standby, struct pg_server *out) MUST_CHECK;

/* What the failed query's SQLSTATE (may be NULL) tells an administrator to do, or NULL. */
const char *pg_check_failed(const char *sqlstate);

#endif
