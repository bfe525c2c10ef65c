/*
 * The administrator's entrance: GET /healthz, /readyz and /metrics. It answers from memory, so it
 * answers even when nothing else works. PUT /probe/AUTHORIZATION/NESTED/... is a call of the API
 * signed in that form, for `cention-proxyctl probe`: recorded and answered like any other.
 */
#ifndef CENTION_EXCHANGE_ADMIN_H
#define CENTION_EXCHANGE_ADMIN_H

#include "exchange/exchange.h"
#include "front/clients.h"

struct admin {
    struct proxy *proxy;
    struct clients *api; /* whose connections are counted */
};

/* For the clients of the admin listener; their handler's argument is the struct admin. */
extern const struct client_handler ADMIN_HANDLER;

#endif
