/*
 * One request from its last byte to its answer's last byte: signed by the keeper after its intent
 * is durable, sent to the upstream, its outcome made durable, and only then answered.
 *
 *   (request) -> SIGNING --signed--> SENDING --answer, or failure---------> RECORDING
 *                   |                                                          |
 *                   +--refused by the keeper---------------> answered          +--> RELAYING -->
 * (end) (refused) -> REJECTING --recorded----------------------> answered          +--> answered
 *
 * The answer is recorded when it is whole, or as far as it goes when it breaks off or is longer
 * than REQUEST_ANSWER_MAX; only then does any of it leave.
 *
 * An exchange outlives its client: the outcome of a sent request is recorded even if the client is
 * gone.
 */
#ifndef CENTION_PROXY_EXCHANGE_H
#define CENTION_PROXY_EXCHANGE_H

#include "api/canon.h"
#include "api/validate.h"
#include "proxy/front/client.h"
#include "proxy/request_id.h"
#include "proxy/setup.h"
#include "proxy/tls/sha256.h"
#include "wall/caller.h"

struct exchange;

/* What is attached to a client begins with this: the admin listener serves two kinds. */
enum exchange_attached {
    ATTACHED_EXCHANGE,
    ATTACHED_INQUIRY,
};

/* What a worker counts. */
struct metrics {
    uint64_t requests;        /* whole, well-formed requests taken in */
    uint64_t answers[6];      /* answers to clients by status / 100 */
    uint64_t refusals;        /* answers that the daemon made itself */
    uint64_t unknown;         /* answers with outcome "unknown" */
    uint64_t unrecorded;      /* outcomes or refusals that could not be made durable */
    uint64_t answer_problems; /* answers of the upstream that are not as described */
};

/* What all exchanges of one event loop share. */
struct proxy {
    struct loop *loop;
    struct caller *keeper;
    struct setup *setup; /* for requests that begin now */
    struct canon canon;  /* scratch, reused by every request, as are the next two */
    struct validate_report report;
    struct sha256 *sha256;
    struct request_problem problems[REQUEST_PROBLEMS_MAX];
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

/* How a request is signed: both of the document's open questions. */
struct exchange_form {
    bool literal; /* the Authorization field to the letter of the document */
    enum canon_nested nested;
};

/*
 * A whole request that is to be signed in another form than the configuration's, to find out what
 * the upstream accepts. The client must be served by a handler that passes `room` and `gone` on to
 * EXCHANGE_HANDLER.
 */
void exchange_probe(struct proxy *proxy, struct client *client, const struct http_head *head,
                    struct slice body, const struct exchange_form *form);

/* Ends those that have gone on for longer than their total_timeout. Call it now and then. */
void exchange_end_late(struct proxy *proxy);

/*
 * Ends all that run, for a shutdown that waits no longer: what was sent is answered and recorded
 * as unknown. Some may still wait for the keeper afterwards.
 */
void exchange_end_all(struct proxy *proxy);

/* Frees all that run, without a word to anyone. */
void exchange_free_all(struct proxy *proxy);

#endif
