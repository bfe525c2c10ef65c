/*
 * The admin listener: GET /healthz, /readyz and /metrics. It answers from memory, so it answers
 * even when nothing else works; with several workers, after a second at the latest. PUT
 * /probe/AUTHORIZATION/NESTED/... is a call of the API signed in that form, for `cention-proxyctl
 * probe`: recorded and answered like any other.
 */
#ifndef CENTION_PROXY_ADMIN_H
#define CENTION_PROXY_ADMIN_H

#include "proxy/workers.h"

struct admin {
    struct worker *worker;   /* the first: the admin listener is in its loop */
    struct workers *workers; /* the others, or NULL */
};

/* For the clients of the admin listener; their handler's argument is the struct admin. */
extern const struct client_handler ADMIN_HANDLER;

#endif
