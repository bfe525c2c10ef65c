/*
 * Where an archive is: a libpq connection string or URI, taken apart into its servers, so that each
 * is tried by itself, with a time limit of its own. (Given several, libpq's asynchronous connecting
 * would wait for a machine that is gone as long as TCP does, and look names up blocking.)
 */
#ifndef CENTION_CENTRAL_POSTGRES_PG_TARGET_H
#define CENTION_CENTRAL_POSTGRES_PG_TARGET_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PG_HOSTS_MAX = 16,
    PG_KEYWORDS_MAX = 16,    /* with the terminator */
    PG_CONNECT_TIMEOUT = 10, /* seconds for each address, when the string doesn't say */
};

struct pg_host {
    char *host;     /* NULL: libpq's default */
    char *hostaddr; /* NULL: not given */
    char *port;     /* NULL: libpq's default */
    bool look_up;   /* `host` is a name that has no address yet */
};

struct pg_target {
    char *url;        /* may not be shown */
    char *passfile;   /* or NULL */
    unsigned timeout; /* seconds */
    bool service;     /* a file of services says more than is here */
    unsigned n_hosts; /* 1 at least */
    struct pg_host hosts[PG_HOSTS_MAX];
};

/* 0; -EINVAL with err filled when the string is none, holds a password (it belongs into the
 * password file) or its lists don't fit together; -ENOMEM. *out is to be freed in any case. */
int pg_target_read(struct pg_target *out, const char *url, const char *passfile,
                   struct err *err) MUST_CHECK;
void pg_target_free(struct pg_target *target);

/*
 * The TCP ports of the servers, one for each host: how many; 0: not known, because a file of
 * services may name them.
 */
unsigned pg_target_ports(const struct pg_target *target, uint16_t ports[PG_HOSTS_MAX]);

/* What PQconnectStartParams (with expand_dbname) wants for that host at that address (NULL: as it
 * is given). All that they point to is the target's, the host's or static. */
void pg_target_keywords(const struct pg_target *target, const struct pg_host *host,
                        const char *address, const char *keywords[PG_KEYWORDS_MAX],
                        const char *values[PG_KEYWORDS_MAX]);

#endif
