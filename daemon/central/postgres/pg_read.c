#include "central/postgres/pg_read.h"

#include "central/postgres/pg_ship.h"
#include "central/postgres/pg_target.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

enum {
    EPOCH_2000_S = 946684800, /* PostgreSQL's times count microseconds from 2000 */
};

static const char BEGIN[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/* The logs that records are there of are looked for, too: a row of the table of logs may be gone.
 * From one to the next by the key's index: nothing is counted. */
static const char LOGS[] =
    "WITH RECURSIVE k (log) AS ((SELECT log FROM cention_audit.record ORDER BY log LIMIT 1) "
    "UNION ALL SELECT (SELECT r.log FROM cention_audit.record r WHERE r.log > k.log "
    "ORDER BY r.log LIMIT 1) FROM k WHERE k.log IS NOT NULL), "
    "n AS (SELECT log FROM k WHERE log IS NOT NULL UNION SELECT log FROM cention_audit.log) "
    "SELECT n.log, coalesce(l.host, z.host, ''), coalesce(a.seq, 0), coalesce(z.seq, 0) FROM n "
    "LEFT JOIN cention_audit.log l ON l.log = n.log "
    "LEFT JOIN LATERAL (SELECT r.seq FROM cention_audit.record r WHERE r.log = n.log "
    "ORDER BY r.seq LIMIT 1) a ON true "
    "LEFT JOIN LATERAL (SELECT r.seq, r.host FROM cention_audit.record r WHERE r.log = n.log "
    "ORDER BY r.seq DESC LIMIT 1) z ON true ORDER BY 2, 1";
/* A few at a time: of all that are left the planner would sort all first, and reading on would
 * cost that again. */
static const char RECORDS[] =
    "SELECT epoch, seq, hash, host, received, line "
    "FROM cention_audit.record WHERE log = $1 AND (seq, epoch) > ($2, $3) "
    "ORDER BY seq, epoch LIMIT 2000";
static const char ALARMS[] =
    "SELECT log, host, kind, here_epoch, here_seq, here_hash, there_epoch, there_seq, there_hash, "
    "received, why FROM cention_audit.alarm ORDER BY log, received, kind, here_seq, there_seq";

struct pg_archive {
    struct archive archive;
    PGconn *conn;
};

static struct pg_archive *of(struct archive *archive)
{
    return (struct pg_archive *)archive;
}

/* The first line of what went wrong: libpq's messages hold no password. */
static int failed(struct err *err, const char *text)
{
    int n = (int)strcspn(text, "\n");

    return err_set(err, -EIO, "%.*s", n, n ? text : "PostgreSQL failed");
}

static int failed_query(struct err *err, const PGresult *result, PGconn *conn)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *text = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;

    if (state && (strcmp(state, "3F000") == 0 || strcmp(state, "42P01") == 0))
        return err_set(err, -EIO, "there is no archive in this database (central.sql)");
    if (state && strcmp(state, "42501") == 0)
        return err_set(err, -EACCES, "the role is no auditor: GRANT cention_auditor TO it (%s)",
                       text);
    return failed(err, text ? text : PQerrorMessage(conn));
}

/* All columns are in binary. NULL has length 0. */
static struct slice column(const PGresult *r, int row, int i)
{
    return slice_of(PQgetvalue(r, row, i), (size_t)PQgetlength(r, row, i));
}

static uint64_t number(const PGresult *r, int row, int i)
{
    struct slice s = column(r, row, i);
    uint64_t value = 0;

    for (size_t k = 0; s.len == PG_INT8_BYTES && k < s.len; k++)
        value = value << 8 | (unsigned char)s.data[k];
    return value;
}

static uint64_t time_us(const PGresult *r, int row, int i)
{
    const uint64_t before = (uint64_t)EPOCH_2000_S * 1000000;
    uint64_t us = number(r, row, i);

    /* Also of infinity, which is the largest number. */
    return (int64_t)us < -(int64_t)before ? 0 : us + before;
}

/* 32 bytes, as the table's checks promise; zeros for anything else. */
static void bytes32(const PGresult *r, int row, int i, unsigned char out[CHAIN_HASH])
{
    struct slice s = column(r, row, i);

    memset(out, 0, CHAIN_HASH);
    if (s.len == CHAIN_HASH)
        memcpy(out, s.data, CHAIN_HASH);
}

static int query(struct pg_archive *c, const char *text, PGresult **out, struct err *err)
{
    *out = PQexecParams(c->conn, text, 0, NULL, NULL, NULL, NULL, 1);
    if (PQresultStatus(*out) == PGRES_TUPLES_OK || PQresultStatus(*out) == PGRES_COMMAND_OK)
        return 0;
    return failed_query(err, *out, c->conn);
}

static void pg_close(struct archive *archive)
{
    PQfinish(of(archive)->conn);
    free(archive);
}

/* libpq would write it to the terminal as it comes. */
static void ignore_notice(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static int pg_open(struct archive **out, const char *url, struct err *err)
{
    const char *keywords[PG_KEYWORDS_MAX], *values[PG_KEYWORDS_MAX];
    struct pg_target target;
    struct pg_archive *c = calloc(1, sizeof(*c));
    PGresult *result = NULL;
    int r;

    if (!c)
        return err_set(err, -ENOMEM, "no memory");
    c->archive.kind = &PG_ARCHIVE;
    r = pg_target_read(&target, url, NULL, true, err);
    if (r == 0) {
        pg_target_reader_keywords(&target, keywords, values);
        c->conn = PQconnectdbParams(keywords, values, 1);
        (void)PQsetNoticeProcessor(c->conn, ignore_notice, NULL);
        if (PQstatus(c->conn) != CONNECTION_OK)
            r = failed(err, PQerrorMessage(c->conn));
    }
    pg_target_free(&target);
    if (r < 0) {
        pg_close(&c->archive);
        return r;
    }
    r = query(c, BEGIN, &result, err);
    PQclear(result);
    if (r < 0) {
        pg_close(&c->archive);
        return r;
    }
    *out = &c->archive;
    return 0;
}

static int pg_logs(struct archive *archive, int (*each)(void *arg, const struct archive_log *log),
                   void *arg, struct err *err)
{
    PGresult *result = NULL;
    int r = query(of(archive), LOGS, &result, err);

    for (int i = 0; r == 0 && i < PQntuples(result); i++) {
        struct archive_log log = {.host = PQgetvalue(result, i, 1),
                                  .records = UINT64_MAX,
                                  .first = number(result, i, 2),
                                  .last = number(result, i, 3)};

        bytes32(result, i, 0, log.log.bytes);
        r = each(arg, &log);
    }
    PQclear(result);
    return r;
}

static int take_record(const PGresult *result, int (*each)(void *, const struct archive_record *),
                       void *arg)
{
    struct archive_record record = {.epoch = number(result, 0, 0),
                                    .seq = number(result, 0, 1),
                                    .host = PQgetvalue(result, 0, 3),
                                    .received_us = time_us(result, 0, 4),
                                    .line = column(result, 0, 5)};

    bytes32(result, 0, 2, record.hash.bytes);
    return each(arg, &record);
}

/* The next records behind that place, which moves on. How many there were, or negative. */
static int some_records(PGconn *conn, const struct seal_key *log, int64_t *seq, int64_t *epoch,
                        int (*each)(void *, const struct archive_record *), void *arg,
                        struct err *err)
{
    static const Oid TYPES[] = {PG_BYTEA, PG_INT8, PG_INT8};
    static const int FORMATS[] = {1, 1, 1}, LENGTHS[] = {SEAL_KEY, PG_INT8_BYTES, PG_INT8_BYTES};
    char seq_[PG_INT8_BYTES], epoch_[PG_INT8_BYTES];
    const char *values[] = {(const char *)log->bytes, seq_, epoch_};
    int n = 0, r = 0;

    pg_int8_put(seq_, (uint64_t)*seq);
    pg_int8_put(epoch_, (uint64_t)*epoch);
    if (PQsendQueryParams(conn, RECORDS, 3, TYPES, values, LENGTHS, FORMATS, 1) != 1)
        return failed(err, PQerrorMessage(conn));
    (void)PQsetSingleRowMode(conn);
    /* What is still to come when nobody wants it is not much. */
    for (PGresult *result; (result = PQgetResult(conn)); PQclear(result)) {
        if (r < 0)
            continue;
        if (PQresultStatus(result) == PGRES_SINGLE_TUPLE) {
            *epoch = (int64_t)number(result, 0, 0);
            *seq = (int64_t)number(result, 0, 1);
            n++;
            r = take_record(result, each, arg);
        } else if (PQresultStatus(result) != PGRES_TUPLES_OK) {
            r = failed_query(err, result, conn);
        }
    }
    return r < 0 ? r : n;
}

static int pg_records(struct archive *archive, const struct seal_key *log, uint64_t first,
                      int (*each)(void *arg, const struct archive_record *record), void *arg,
                      struct err *err)
{
    int64_t seq = (int64_t)first - 1, epoch = INT64_MAX;
    int r = first <= INT64_MAX;

    while (r > 0)
        r = some_records(of(archive)->conn, log, &seq, &epoch, each, arg, err);
    return r;
}

static int take_alarm(const PGresult *result, int (*each)(void *, const struct archive_alarm *),
                      void *arg)
{
    struct archive_alarm alarm = {.host = PQgetvalue(result, 0, 1),
                                  .kind = PQgetvalue(result, 0, 2),
                                  .here_epoch = number(result, 0, 3),
                                  .here_seq = number(result, 0, 4),
                                  .there_epoch = number(result, 0, 6),
                                  .there_seq = number(result, 0, 7),
                                  .received_us = time_us(result, 0, 9),
                                  .why = PQgetvalue(result, 0, 10)};

    bytes32(result, 0, 0, alarm.log.bytes);
    bytes32(result, 0, 5, alarm.here.bytes);
    bytes32(result, 0, 8, alarm.there.bytes);
    return each(arg, &alarm);
}

/* Row by row: whoever ships may have left any number. */
static int pg_alarms(struct archive *archive,
                     int (*each)(void *arg, const struct archive_alarm *alarm), void *arg,
                     struct err *err)
{
    PGconn *conn = of(archive)->conn;
    int r = 0;

    if (PQsendQueryParams(conn, ALARMS, 0, NULL, NULL, NULL, NULL, 1) != 1)
        return failed(err, PQerrorMessage(conn));
    (void)PQsetSingleRowMode(conn);
    for (PGresult *result; (result = PQgetResult(conn)); PQclear(result)) {
        if (r < 0)
            continue;
        if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
            r = take_alarm(result, each, arg);
        else if (PQresultStatus(result) != PGRES_TUPLES_OK)
            r = failed_query(err, result, conn);
    }
    return r;
}

static const char *const SCHEMES[] = {"postgresql", "postgres", NULL};

const struct archive_kind PG_ARCHIVE = {
    .schemes = SCHEMES,
    .open = pg_open,
    .close = pg_close,
    .logs = pg_logs,
    .records = pg_records,
    .alarms = pg_alarms,
};
