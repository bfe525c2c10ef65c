/*
 * Where the servers are: `nats://` or `tls://`, then hosts separated by commas, each with a user
 * and a port if need be (a user only with TLS or on loopback); the first one's scheme is that of
 * those without one of their own. A reader's URL may go on with a path, the streams' name, and with
 * `?ca=FILE&credentials=FILE`.
 */
#ifndef CENTION_CENTRAL_NATS_JS_URL_H
#define CENTION_CENTRAL_NATS_JS_URL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    JS_URL_MAX = 4096, /* bytes of the whole */
    JS_SERVERS_MAX = 16,
    JS_PORT = 4222, /* where none is given */
};

struct js_server {
    char *url;  /* as the library takes it; it may hold a password */
    char *host; /* the name or address that a certificate must have, without brackets */
    char *name; /* host:port, to be shown */
    unsigned port;
    bool tls;
};

struct js_url {
    struct js_server servers[JS_SERVERS_MAX];
    size_t n;
    char *stream;           /* of a reader's URL; NULL: none was given */
    char *ca, *credentials; /* likewise */
};

/* -EINVAL with err filled, which never quotes the URL; -ENOMEM. A sink's URL has neither path nor
 * query (`reader` false). */
int js_url_parse(struct js_url *out, const char *url, bool reader, struct err *err) MUST_CHECK;
void js_url_deinit(struct js_url *url); /* a zeroed one is allowed */

#endif
