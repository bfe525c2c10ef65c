/*
 * Whether requests can be served now: the keeper's last state, and whether the proxy is draining.
 */
#ifndef CENTION_PROXY_READY_H
#define CENTION_PROXY_READY_H

#include "proxy/exchange.h"

/* False with *why filled when a request need not even be handed to the keeper. */
bool ready_for(const struct proxy *proxy, struct refusal *why);

/* Fills *why with what keeps the keeper from being reached; false. */
bool ready_refuse(const struct proxy *proxy, struct refusal *why);

/* The readiness code for a monitor and its reason in words; "" for both when all is well. */
const char *ready_code(const struct proxy *proxy, const char **reason);

#endif
