/* The sink that is the archive of record: PostgreSQL, asynchronous on the loop (libpq). */
#ifndef CENTION_POSTGRES_PG_SINK_H
#define CENTION_POSTGRES_PG_SINK_H

#include "base/err.h"
#include "ship/sink.h"

struct pg_sink_options {
    const char *url;      /* a connection string or URI; the password comes from elsewhere */
    const char *passfile; /* libpq's password file, or NULL */
    bool standby;         /* refuse a server without synchronous_standby_names */
};

/* Copies the options; connects only when it is started. -EINVAL with err filled for a bad string.
 */
int pg_sink_new(struct sink **out, const struct pg_sink_options *options, struct err *err)
    __attribute__((warn_unused_result));

#endif
