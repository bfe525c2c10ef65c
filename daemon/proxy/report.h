/*
 * What a worker tells of itself, and the sum of several, as /metrics and /readyz show it; and
 * whether requests can be served now: the keeper's last state, and whether the proxy is draining.
 */
#ifndef CENTION_PROXY_REPORT_H
#define CENTION_PROXY_REPORT_H

#include "proxy/worker.h"

struct report {
    struct metrics metrics;
    unsigned running, connections;
    uint64_t accepts, displaced;
    struct caller_state keeper;
    struct upstream_counters upstream;
    const char *trouble; /* readiness: its code (a literal), "" when all is well */
    char why[256];       /* and in words */
};

/* In the worker's thread. */
void report_take(struct report *out, const struct worker *w);

/*
 * Adds one worker's figures to others'. The keeper counts for all of its links: of its own counters
 * the highest is the latest; it is connected when every worker's link is. The first trouble stays.
 */
void report_add(struct report *sum, const struct report *one);

/* One line for each sink that the keeper waits for: how far it is behind. */
int report_put_receipts(struct buf *out, const struct report *r) MUST_CHECK;

/* Prometheus' text format. */
int report_put(struct buf *out, const struct report *r) MUST_CHECK;

/* A number in Prometheus' text format 0.0.4. */
struct metric {
    const char *name, *kind, *help; /* `kind` is "counter" or "gauge" */
    uint64_t value;
};

/* Each on a line NAME VALUE, behind its HELP and TYPE lines. */
int metrics_put(struct buf *out, const struct metric *list, size_t n) MUST_CHECK;

/* False with *why filled when a request need not even be handed to the keeper. */
bool ready_for(const struct proxy *proxy, struct refusal *why);

/* Fills *why with what keeps the keeper from being reached; false. */
bool ready_refuse(const struct proxy *proxy, struct refusal *why);

/* The readiness code for a monitor and its reason in words; "" for both when all is well. */
const char *ready_code(const struct proxy *proxy, const char **reason);

#endif
