#include "central/postgres/pg_ship.h"

#include "base/hex.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

enum {
    KEEP = 2 * 1024 * 1024, /* bytes that an empty buffer may go on holding */
    ALARM_PARAMS = 10,
    HASH_BYTES = 2 + CHAIN_HASH_HEX, /* as text */
};

const char PG_HEAD_QUERY[] = "SELECT epoch, seq, hash FROM cention_audit.head($1)";
const char PG_SHIP_QUERY[] = "SELECT taken, place, there_epoch, there_seq, there_hash, standby "
                             "FROM cention_audit.ship($1, $2, $3, $4, $5, $6, $7)";
static const char ALARM_QUERY[] =
    "SELECT cention_audit.alarm($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

enum { TAKEN, PLACE, THERE_EPOCH, THERE_SEQ, THERE_HASH, STANDBY, COLUMNS };

const Oid PG_SHIP_TYPES[PG_SHIP_PARAMS] = {PG_BYTEA, PG_TEXT,   PG_INT8, PG_INT8,
                                           PG_INT8S, PG_BYTEAS, PG_TEXTS};

void pg_scratch_deinit(struct pg_scratch *s)
{
    buf_deinit(&s->epochs);
    buf_deinit(&s->hashes);
    buf_deinit(&s->lines);
}

static int encode(struct pg_scratch *s, const struct ship_batch *batch)
{
    int r;

    buf_reset(&s->epochs, KEEP);
    buf_reset(&s->hashes, KEEP);
    buf_reset(&s->lines, KEEP);
    r = pg_array_begin(&s->epochs, PG_INT8, batch->n);
    if (r == 0)
        r = pg_array_begin(&s->hashes, PG_BYTEA, batch->n);
    if (r == 0)
        r = pg_array_begin(&s->lines, PG_TEXT, batch->n);
    for (size_t i = 0; r == 0 && i < batch->n; i++) {
        const struct ship_record *record = &batch->records[i];
        char epoch[PG_INT8_BYTES];

        pg_int8_put(epoch, record->place.epoch);
        r = pg_array_add(&s->epochs, epoch, sizeof(epoch));
        if (r == 0)
            r = pg_array_add(&s->hashes, record->place.hash.bytes, CHAIN_HASH);
        if (r == 0)
            r = pg_array_add(&s->lines, record->line.data, record->line.len);
    }
    return r;
}

/* One parameter, in binary. */
struct params {
    Oid types[ALARM_PARAMS];
    const char *values[ALARM_PARAMS];
    int lengths[ALARM_PARAMS], formats[ALARM_PARAMS];
    char numbers[ALARM_PARAMS][PG_INT8_BYTES];
    int n;
};

static void add(struct params *p, Oid type, const void *data, size_t n)
{
    p->types[p->n] = type;
    p->values[p->n] = data;
    p->lengths[p->n] = (int)n; /* PG_SHIP_MAX at most */
    p->formats[p->n] = 1;
    p->n++;
}

static void add_slice(struct params *p, Oid type, struct slice s)
{
    add(p, type, s.data, s.len);
}

static void add_number(struct params *p, uint64_t number)
{
    pg_int8_put(p->numbers[p->n], number);
    add(p, PG_INT8, p->numbers[p->n], PG_INT8_BYTES);
}

static void add_place(struct params *p, const struct ship_place *place)
{
    add_number(p, place->epoch);
    add_number(p, place->seq);
    add(p, PG_BYTEA, place->hash.bytes, CHAIN_HASH);
}

int pg_ship_send(PGconn *conn, const char *statement, struct pg_scratch *scratch,
                 const struct seal_key *log, const char *host, uint64_t behind,
                 const struct ship_batch *batch)
{
    struct params p = {.n = 0};
    int r = encode(scratch, batch);

    if (r < 0)
        return r;
    add(&p, PG_BYTEA, log->bytes, SEAL_KEY);
    add_slice(&p, PG_TEXT, slice_str(host));
    add_number(&p, behind);
    add_number(&p, batch->records[0].place.seq);
    add_slice(&p, PG_INT8S, buf_slice(&scratch->epochs));
    add_slice(&p, PG_BYTEAS, buf_slice(&scratch->hashes));
    add_slice(&p, PG_TEXTS, buf_slice(&scratch->lines));
    return PQsendQueryPrepared(conn, statement, p.n, p.values, p.lengths, p.formats, 0) == 1 ? 0
                                                                                             : -EIO;
}

int pg_head_send(PGconn *conn, const struct seal_key *log)
{
    struct params p = {.n = 0};

    add(&p, PG_BYTEA, log->bytes, SEAL_KEY);
    return PQsendQueryParams(conn, PG_HEAD_QUERY, p.n, p.types, p.values, p.lengths, p.formats,
                             0) == 1
               ? 0
               : -EIO;
}

int pg_alarm_send(PGconn *conn, const struct seal_key *log, const char *host,
                  const struct ship_alarm *alarm)
{
    struct params p = {.n = 0};

    add(&p, PG_BYTEA, log->bytes, SEAL_KEY);
    add_slice(&p, PG_TEXT, slice_str(host));
    add_slice(&p, PG_TEXT, slice_str(ship_alarm_name(alarm->kind)));
    add_place(&p, &alarm->here);
    add_place(&p, &alarm->there);
    add_slice(&p, PG_TEXT, slice_str(alarm->why ? alarm->why : ""));
    return PQsendQueryParams(conn, ALARM_QUERY, p.n, p.types, p.values, p.lengths, p.formats, 0) ==
                   1
               ? 0
               : -EIO;
}

static bool get_number(const PGresult *r, int column, uint64_t *out)
{
    const char *text = PQgetvalue(r, 0, column);
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

static bool get_place(const PGresult *r, int column, struct ship_place *out)
{
    struct slice hash =
        slice_of(PQgetvalue(r, 0, column + 2), (size_t)PQgetlength(r, 0, column + 2));

    return get_number(r, column, &out->epoch) && get_number(r, column + 1, &out->seq) &&
           hash.len == HASH_BYTES && hash.data[0] == '\\' && hash.data[1] == 'x' &&
           hex_get(out->hash.bytes, CHAIN_HASH, slice_of(hash.data + 2, hash.len - 2));
}

int pg_ship_answer(const PGresult *r, struct pg_ship_answer *out)
{
    *out = (struct pg_ship_answer){0};
    if (PQntuples(r) != 1 || PQnfields(r) != COLUMNS)
        return -EINVAL;
    out->standby = *PQgetvalue(r, 0, STANDBY) == 't';
    if (!PQgetisnull(r, 0, PLACE))
        return get_number(r, PLACE, &out->place) && out->place &&
                       get_place(r, THERE_EPOCH, &out->there)
                   ? 0
                   : -EINVAL;
    out->behind = PQgetisnull(r, 0, TAKEN);
    return 0;
}

int pg_head_answer(const PGresult *r, struct ship_place *out)
{
    *out = (struct ship_place){0};
    if (PQnfields(r) != 3 || PQntuples(r) > 1)
        return -EINVAL;
    if (PQntuples(r) == 0)
        return 0;
    return get_place(r, 0, out) ? 0 : -EINVAL;
}

static void put32(char out[4], uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        out[i] = (char)(value >> (24 - 8 * i));
}

void pg_int8_put(char out[PG_INT8_BYTES], uint64_t value)
{
    put32(out, (uint32_t)(value >> 32));
    put32(out + 4, (uint32_t)value);
}

int pg_array_begin(struct buf *out, uint32_t type, size_t n)
{
    const uint32_t words[] = {1, 0, type, (uint32_t)n, 1}; /* dimensions, NULLs, ..., first index */
    char bytes[sizeof(words)];

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        put32(bytes + 4 * i, words[i]);
    return buf_append(out, bytes, sizeof(bytes));
}

int pg_array_add(struct buf *out, const void *data, size_t n)
{
    char length[4];
    int r;

    if (n > INT32_MAX)
        return -ENOBUFS;
    put32(length, (uint32_t)n);
    r = buf_append(out, length, sizeof(length));
    return r < 0 ? r : buf_append(out, data, n);
}
