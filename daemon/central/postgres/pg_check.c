#include "central/postgres/pg_check.h"

#include <stdlib.h>
#include <string.h>

const char PG_SETTINGS_QUERY[] =
    "SELECT pg_catalog.set_config('synchronous_commit', "
    "CASE WHEN pg_catalog.current_setting('synchronous_commit') = 'remote_apply' "
    "THEN 'remote_apply' ELSE 'on' END, false), "
    "pg_catalog.set_config('client_min_messages', 'warning', false), "
    "pg_catalog.set_config('bytea_output', 'hex', false), "
    "pg_catalog.set_config('default_transaction_isolation', 'read committed', false), "
    "pg_catalog.set_config('statement_timeout', '60s', false), "
    "pg_catalog.set_config('lock_timeout', '20s', false), "
    "pg_catalog.set_config('idle_session_timeout', '0', false)";

/* In the order of the columns. */
enum { VERSION, ENCODING, COMMIT, FSYNC, PAGES, STANDBYS, SYSTEM, TIMELINE, COLUMNS };

const char PG_CHECK_QUERY[] =
    "SELECT cention_audit.version(), pg_catalog.current_setting('server_encoding'), "
    "pg_catalog.current_setting('synchronous_commit'), pg_catalog.current_setting('fsync'), "
    "pg_catalog.current_setting('full_page_writes'), "
    "pg_catalog.current_setting('synchronous_standby_names'), "
    "(SELECT system_identifier FROM pg_catalog.pg_control_system()), "
    "(pg_catalog.concat('x', pg_catalog.left("
    "pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8)))::bit(32)::bigint";

const char *pg_check_read(const PGresult *r, bool standby, struct pg_server *out)
{
    const char *v[COLUMNS];

    if (PQntuples(r) != 1 || PQnfields(r) != COLUMNS)
        return "the server's answer is not one";
    for (int i = 0; i < COLUMNS; i++)
        v[i] = PQgetvalue(r, 0, i);
    if (strtol(v[VERSION], NULL, 10) != PG_SCHEMA)
        return "the schema cention_audit has another version: run this version's central.sql";
    if (strcmp(v[ENCODING], "UTF8") != 0)
        return "the database's encoding is not UTF8";
    if (strcmp(v[COMMIT], "on") != 0 && strcmp(v[COMMIT], "remote_apply") != 0)
        return "synchronous_commit can't be switched on";
    if (strcmp(v[FSYNC], "on") != 0)
        return "the server runs with fsync = off";
    if (strcmp(v[PAGES], "on") != 0)
        return "the server runs with full_page_writes = off";
    if (standby && !*v[STANDBYS])
        return "synchronous_standby_names is empty, and standby = true: what the server "
               "acknowledges would be lost with it";
    out->system = strtoull(v[SYSTEM], NULL, 10);
    out->timeline = strtoull(v[TIMELINE], NULL, 10);
    return NULL;
}

const char *pg_check_failed(const char *sqlstate)
{
    if (!sqlstate)
        return NULL;
    if (strcmp(sqlstate, "3F000") == 0 || strcmp(sqlstate, "42883") == 0)
        return "the schema cention_audit is missing or old: run central.sql";
    if (strcmp(sqlstate, "42501") == 0)
        return "the role is no shipper: GRANT cention_shipper TO it";
    return NULL;
}
