/*
 * One request from its last byte to its answer's last byte: signed by the keeper after its intent
 * is durable, sent to the upstream, its outcome made durable, and only then answered.
 *
 *   (request) -> SIGNING --signed--> SENDING --answer's head, or failure--> RECORDING
 *                   |                                                          |
 *                   +--refused by the keeper---------------> answered          +--> RELAYING -->
 * (end) (refused) -> REJECTING --recorded----------------------> answered          +--> answered
 *
 * An exchange outlives its client: what was sent can't be unsent, and its outcome is recorded.
 */
#ifndef CENTION_EXCHANGE_EXCHANGE_H
#define CENTION_EXCHANGE_EXCHANGE_H

#include "exchange/metrics.h"
#include "exchange/request_id.h"
#include "exchange/setup.h"
#include "front/client.h"
#include "message/canon.h"
#include "message/validate.h"
#include "wire/caller.h"

struct exchange;

/* What all exchanges of one event loop share. */
struct proxy {
    struct loop *loop;
    struct caller *keeper;
    struct setup *setup; /* for requests that begin now */
    struct canon canon;  /* scratch, reused by every request, as are the next two */
    struct validate_report report;
    struct wire_problem problems[WIRE_PROBLEMS_MAX];
    struct metrics metrics;
    struct request_ids ids;
    bool draining; /* no new requests */
    bool ending;   /* and nothing more is sent */
    unsigned running;
    struct exchange *first;   /* all that run */
    void (*quiet)(void *arg); /* the last one that ran has ended */
    void *arg;
};

/* For the clients of the API; their handler's argument is the struct proxy. */
extern const struct client_handler EXCHANGE_HANDLER;

/*
 * Ends all that run, for a shutdown that waits no longer: what was sent is answered and recorded
 * as unknown. Some may still wait for the keeper afterwards.
 */
void exchange_end_all(struct proxy *proxy);

/* Frees all that run, without a word to anyone. */
void exchange_free_all(struct proxy *proxy);

#endif
