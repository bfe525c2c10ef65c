/*
 * The sink that is the archive of record: PostgreSQL, asynchronous on the loop (libpq).
 *
 * What it reports as acknowledged was committed with synchronous_commit on by a server that has
 * fsync and full_page_writes on and (`standby`) waits for a standby; a commit that was let go
 * without the standby's word, of which the server only warns, doesn't count. When the server
 * answers nothing for `timeout_us`, or has a lower timeline than one seen before (it was replaced
 * by a promotion, and came back), it is given up.
 */
#ifndef CENTION_CENTRAL_POSTGRES_PG_SINK_H
#define CENTION_CENTRAL_POSTGRES_PG_SINK_H

#include "base/err.h"
#include "central/sink.h"

struct pg_sink_options {
    const char *url;      /* a connection string or URI; the password comes from elsewhere */
    const char *passfile; /* libpq's password file, or NULL */
    bool standby;         /* refuse a server without synchronous_standby_names */
    uint64_t timeout_us;  /* 0: 30 seconds */
};

/* Copies the options; connects only when it is started. -EINVAL with err filled for a bad string.
 */
int pg_sink_new(struct sink **out, const struct pg_sink_options *options,
                struct err *err) MUST_CHECK;

#endif
