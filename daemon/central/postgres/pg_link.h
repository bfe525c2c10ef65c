/*
 * A connection to PostgreSQL on the loop (libpq, nonblocking, in pipeline mode), made again when it
 * is lost. Servers, and a name's addresses, are tried one after the other, each for as long as the
 * target says; whoever uses the link may refuse a server, too (pg_link_fail before
 * pg_link_settle). When none is left in a round, the owner gets the reason, and there is a pause
 * before the next: 0.1 s, doubled each time up to 5 s, less a random part of up to a half.
 *
 *   PAUSE --time--> LOOKUP --address--> CONNECTING --> OPEN --pg_link_settle--> SETTLED
 *     ^                ^---------------------|-----------|                         |
 *     |                      the next server | failed    | failed                  | failed
 *     +------------ lost: no server is left -+-----------+      lost: at once -----+
 *
 * Names are looked up by libevent (base/resolve.h): libpq itself would block in getaddrinfo. So
 * they are found in /etc/hosts and DNS only.
 */
#ifndef CENTION_CENTRAL_POSTGRES_PG_LINK_H
#define CENTION_CENTRAL_POSTGRES_PG_LINK_H

#include "base/loop.h"
#include "central/postgres/pg_target.h"

#include <libpq-fe.h>

enum {
    PG_WHY = 256,
};

/* All from the loop, never from within a call to the link. Each but `warning` may free the link. */
struct pg_link_events {
    void (*open)(void *arg);
    /* The caller's to clear. Those of a query in order, then one of status PGRES_PIPELINE_SYNC for
     * each PQpipelineSync: only then is what was asked before it committed. */
    void (*result)(void *arg, PGresult *result);
    /* The server warns, e.g. that it has not waited for a standby. */
    void (*warning)(void *arg, const char *text);
    /* Once for each round without a server, and when a settled link is lost. */
    void (*lost)(void *arg, const char *why);
};

struct pg_link;

/* Begins at once. `target` and `events` stay the caller's and valid until free. 0 or -ENOMEM. */
int pg_link_new(struct pg_link **out, struct loop *loop, const struct pg_target *target,
                const struct pg_link_events *events, void *arg) MUST_CHECK;
void pg_link_free(struct pg_link *link); /* NULL is allowed */

/* From `open` until it fails or is lost, else NULL. After queries: pg_link_flush. */
PGconn *pg_link_conn(struct pg_link *link);
void pg_link_flush(struct pg_link *link);

/* Something is awaited: fails when nothing comes for so long. 0: nothing is. */
void pg_link_expect(struct pg_link *link, uint64_t within_us);

/* This server is the one. The pause begins from the shortest again when it has proved useful. */
void pg_link_settle(struct pg_link *link);
void pg_link_useful(struct pg_link *link);

/* Gives this connection up, at the end of the turn; no result is reported from now on. */
void pg_link_fail(struct pg_link *link, const char *why);

/* The first line of a message of libpq or of the server: never longer than PG_WHY with its end. */
void pg_first_line(char out[PG_WHY], const char *text);

#endif
