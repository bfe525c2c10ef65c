/*
 * What the proxy counts, and how it tells it (Prometheus' text format 0.0.4).
 */
#ifndef CENTION_PROXY_METRICS_H
#define CENTION_PROXY_METRICS_H

#include "base/buf.h"

#include <stdint.h>

struct metrics {
    uint64_t requests;   /* whole, well-formed requests taken in */
    uint64_t answers[6]; /* answers to clients by status / 100 */
    uint64_t refusals;   /* answers that the daemon made itself */
    uint64_t unknown;    /* answers with outcome "unknown" */
    uint64_t unrecorded; /* outcomes or refusals that could not be made durable */
};

/* One line with its HELP and TYPE lines: NAME VALUE. `kind` is "counter" or "gauge". */
int metrics_put(struct buf *out, const char *name, const char *kind, const char *help,
                uint64_t value) MUST_CHECK;

#endif
