/*
 * Where an archive is: a libpq connection string or URI, taken apart into its servers, so that each
 * is tried by itself, with a time limit of its own. (Given several, libpq's asynchronous connecting
 * would wait for a machine that is gone as long as TCP does, and look names up blocking.)
 *
 * Off this machine a password goes to nobody but the server that the string names: TLS with
 * sslmode=verify-full, whatever the string or the environment says, and SCRAM, which never shows
 * the password. libpq before 16 can't ask for SCRAM as such; it is asked for channel binding then,
 * which only SCRAM has.
 */
#ifndef CENTION_CENTRAL_POSTGRES_PG_TARGET_H
#define CENTION_CENTRAL_POSTGRES_PG_TARGET_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PG_HOSTS_MAX = 16,
    PG_KEYWORDS_MAX = 20,    /* with the terminator */
    PG_CONNECT_TIMEOUT = 10, /* seconds for each address, when the string doesn't say */
};

struct pg_host {
    char *host;     /* NULL: libpq's default */
    char *hostaddr; /* NULL: not given */
    char *port;     /* NULL: libpq's default */
    bool look_up;   /* `host` is a name that has no address yet */
    bool local;     /* a Unix socket or loopback: nobody stands between */
};

struct pg_target {
    char *url;        /* may not be shown */
    char *passfile;   /* or NULL */
    unsigned timeout; /* seconds */
    bool service;     /* a file of services says more than is here */
    bool certificate; /* `sslcert` is given: the server may ask for that instead of a password */
    bool can_require; /* this libpq knows require_auth (16 and later) */
    unsigned n_hosts; /* 1 at least */
    struct pg_host hosts[PG_HOSTS_MAX];
};

/*
 * 0; -EINVAL with err filled, which never quotes a password, when the string is none, holds a
 * password (it belongs into the password file) though `reader` is false, asks for a weaker sslmode
 * than verify-full off this machine, or its lists don't fit together; -ENOMEM. *out is to be freed
 * in any case.
 */
int pg_target_read(struct pg_target *out, const char *url, const char *passfile, bool reader,
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

/* The same for a reader that leaves the choice of the server to libpq. */
void pg_target_reader_keywords(const struct pg_target *target,
                               const char *keywords[PG_KEYWORDS_MAX],
                               const char *values[PG_KEYWORDS_MAX]);

#endif
