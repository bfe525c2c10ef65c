/*
 * ship.conf: where the audit log is, and the centres that it goes to, read and checked as a whole.
 */
#ifndef CENTION_SHIP_SHIP_CONF_H
#define CENTION_SHIP_SHIP_CONF_H

#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    SHIP_SINKS_MAX = 16,
};

enum ship_sink_type {
    SHIP_POSTGRESQL,
    SHIP_NATS,
};

/* What a type doesn't have is NULL, 0 or false. */
struct ship_sink_conf {
    char *name; /* letters, digits, - and _ (audit/receipt.h) */
    enum ship_sink_type type;
    char *url;
    unsigned line; /* of the file */
    /* PostgreSQL */
    bool receipt; /* the keeper may wait for it */
    char *passfile;
    bool standby;
    /* NATS */
    char *stream;
    unsigned replicas;
    char *credentials;
    char *ca;
};

struct ship_conf {
    char *audit; /* the folder of the log */
    char *state; /* the folder of cursors */
    char *host;
    char *admin; /* the path of the Unix socket, or NULL */
    uint64_t delay_us;
    struct ship_sink_conf sinks[SHIP_SINKS_MAX];
    unsigned n_sinks;
    bool sandbox; /* "enforce" */
    enum log_level log_level;
};

/* Into a zeroed *out. -EINVAL or the open's errno with err filled (file, line and setting); nothing
 * is held then. */
int ship_conf_load(struct ship_conf *out, const char *path, struct err *err) MUST_CHECK;
void ship_conf_deinit(struct ship_conf *conf);

#endif
