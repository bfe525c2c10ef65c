/*
 * The calls to the archive (conf/central.sql) and their answers: a batch or an alarm to parameters
 * in binary, results back.
 */
#ifndef CENTION_CENTRAL_POSTGRES_PG_SHIP_H
#define CENTION_CENTRAL_POSTGRES_PG_SHIP_H

#include "base/buf.h"
#include "central/sink.h"

#include <libpq-fe.h>

extern const char PG_HEAD_QUERY[]; /* $1: the log */
extern const char PG_SHIP_QUERY[]; /* PG_SHIP_PARAMS parameters */

enum {
    PG_SHIP_PARAMS = 7,
    PG_SHIP_MAX = 64 * 1024 * 1024, /* bytes of a batch's parameter at most */
};

/* What batches are encoded in, again and again: memory is kept. */
struct pg_scratch {
    struct buf epochs, hashes, lines;
};

#define PG_SCRATCH_INIT                                                                            \
    ((struct pg_scratch){BUF_INIT(PG_SHIP_MAX), BUF_INIT(PG_SHIP_MAX), BUF_INIT(PG_SHIP_MAX)})

void pg_scratch_deinit(struct pg_scratch *scratch);

/* The type of each of its parameters, for PQsendPrepare. */
extern const Oid PG_SHIP_TYPES[PG_SHIP_PARAMS];

/*
 * Sends the prepared call `statement` of PG_SHIP_QUERY with a batch that goes behind `behind`. 0;
 * -ENOMEM, -ENOBUFS with nothing sent; -EIO when the connection doesn't take it.
 */
int pg_ship_send(PGconn *conn, const char *statement, struct pg_scratch *scratch,
                 const struct seal_key *log, const char *host, uint64_t behind,
                 const struct ship_batch *batch) MUST_CHECK;

/* 0 or -EIO. */
int pg_head_send(PGconn *conn, const struct seal_key *log) MUST_CHECK;
int pg_alarm_send(PGconn *conn, const struct seal_key *log, const char *host,
                  const struct ship_alarm *alarm) MUST_CHECK;

struct pg_ship_answer {
    bool behind;    /* nothing was looked at: what should be before the batch is not there */
    bool standby;   /* a commit waits for a standby */
    uint64_t place; /* of a conflict; 0: none, all was taken */
    struct ship_place there;
};

/* 0; -EINVAL: not an answer of this call. */
int pg_ship_answer(const PGresult *result, struct pg_ship_answer *out) MUST_CHECK;
int pg_head_answer(const PGresult *result, struct ship_place *out) MUST_CHECK;

/*
 * PostgreSQL's binary form of parameters: numbers most significant byte first, and arrays of one
 * dimension without NULLs. A buffer holds one value; its length is the parameter's.
 */

/* Types by their numbers in pg_type, which never change. */
enum {
    PG_BYTEA = 17,
    PG_INT8 = 20,
    PG_TEXT = 25,
    PG_BYTEAS = 1001,
    PG_TEXTS = 1009,
    PG_INT8S = 1016,
    PG_INT8_BYTES = 8,
};

void pg_int8_put(char out[PG_INT8_BYTES], uint64_t value);

/* An array of n elements of that type; then each is added. 0, -ENOBUFS or -ENOMEM. */
int pg_array_begin(struct buf *out, uint32_t type, size_t n) MUST_CHECK;
int pg_array_add(struct buf *out, const void *data, size_t n) MUST_CHECK;

#endif
