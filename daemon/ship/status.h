/* The status pages for the administrator: plain text and Prometheus' text format, from the sinks'
 * reports. */
#ifndef CENTION_SHIP_STATUS_H
#define CENTION_SHIP_STATUS_H

#include "base/buf.h"
#include "ship/shipper.h"

struct ship_status {
    bool begun; /* there is a log */
    unsigned n;
    const struct shipper_report *sinks;
};

/*
 * "ready" or "not ready", then a line for each sink. The status: 200 when there is a log and every
 * sink is connected, none stopped by an alarm and each cursor written; else 503. -errno of buf.
 */
int status_ready(struct buf *out, const struct ship_status *p) MUST_CHECK;

/* 200, or -errno of buf. */
int status_metrics(struct buf *out, const struct ship_status *p) MUST_CHECK;

#endif
