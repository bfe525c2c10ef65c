#include "central/nats/js_flight.h"

#include <assert.h>

void js_flight_reset(struct js_flight *f, uint64_t last)
{
    f->done = last;
    f->next = last + 1;
}

uint64_t js_flight_push(struct js_flight *f, const struct ship_place *place)
{
    assert(!js_flight_full(f));
    f->sent[f->next % JS_FLIGHT].place = *place;
    f->sent[f->next % JS_FLIGHT].in = false;
    return f->next++;
}

const struct ship_place *js_flight_at(const struct js_flight *f, uint64_t number)
{
    return number > f->done && number < f->next ? &f->sent[number % JS_FLIGHT].place : NULL;
}

bool js_flight_in(struct js_flight *f, uint64_t number, uint64_t *seq)
{
    bool moved = false;

    if (!js_flight_at(f, number))
        return false;
    f->sent[number % JS_FLIGHT].in = true;
    while (f->done + 1 < f->next && f->sent[(f->done + 1) % JS_FLIGHT].in) {
        f->done++;
        *seq = f->sent[f->done % JS_FLIGHT].place.seq;
        moved = true;
    }
    return moved;
}
