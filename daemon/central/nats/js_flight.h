/*
 * The records that were sent and not yet acknowledged, in order, bounded. Message k of a flight is
 * to be the stream's message `base` + k. Answers may come in any order; what counts is how far
 * all are in: one that is stored says nothing of those before it, because somebody else's may stand
 * in their places.
 */
#ifndef CENTION_CENTRAL_NATS_JS_FLIGHT_H
#define CENTION_CENTRAL_NATS_JS_FLIGHT_H

#include "central/sink.h"

enum {
    JS_WINDOW = 4, /* batches */
    JS_FLIGHT = JS_WINDOW * SHIP_BATCH_RECORDS,
};

struct js_flight {
    uint64_t done; /* the stream's last message that is ours and acknowledged, and all before it */
    uint64_t next; /* the one to be sent now will be that; always > done */
    struct {
        struct ship_place place;
        bool in;
    } sent[JS_FLIGHT]; /* by the stream's number, modulo */
};

/* Forgets all; `last` is the stream's last message. */
void js_flight_reset(struct js_flight *f, uint64_t last);

static inline size_t js_flight_n(const struct js_flight *f)
{
    return (size_t)(f->next - f->done - 1);
}

static inline bool js_flight_full(const struct js_flight *f)
{
    return js_flight_n(f) == JS_FLIGHT;
}

/* The number that it will have. Not when it is full. */
uint64_t js_flight_push(struct js_flight *f, const struct ship_place *place);

/* NULL when no such message is in flight. */
const struct ship_place *js_flight_at(const struct js_flight *f, uint64_t number);

/*
 * It is stored. True when more of the log is in, in order: `*seq` is the last record's. A number
 * that isn't in flight is nothing new.
 */
bool js_flight_in(struct js_flight *f, uint64_t number, uint64_t *seq);

#endif
