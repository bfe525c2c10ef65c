/*
 * A request's body before anything is signed: strict JSON, brought to its canonical form, and
 * checked against the call's description.
 */
#ifndef CENTION_PROXY_BODY_H
#define CENTION_PROXY_BODY_H

#include "api/target.h"
#include "proxy/exchange.h"
#include "proxy/front/refusal.h"

/*
 * True: proxy->canon holds the fields to sign, and proxy->report what the description forbids of
 * a request that goes on all the same (validation = "warn"). False with *why filled; of a 422,
 * proxy->report lists everything that is wrong.
 */
bool body_check(struct proxy *proxy, const struct setup *setup, const struct http_head *head,
                const struct target *target, struct slice body, enum canon_nested nested,
                struct refusal *why);

/*
 * The report's first problems for the wire: *out points into `proxy` until the next body, *total is
 * how many the report has.
 */
uint32_t body_problems(struct proxy *proxy, const struct request_problem **out, uint32_t *total);

/* The report as the members `errors` and, where some are not listed, `errors_omitted`. */
int body_errors(struct buf *out, const struct validate_report *report) MUST_CHECK;

#endif
