#include "proxy/upstream/call_queue.h"

void call_queue_init(struct call_queue *q)
{
    *q = (struct call_queue){0};
    call_ring_init(&q->ring);
}

/* The round that the user's next call waits in. */
static uint64_t next_round(const struct call_queue *q, uint64_t user)
{
    const struct upstream_call *call = q->ring.prev;

    while (call != &q->ring && call->user != user)
        call = call->prev;
    return call == &q->ring ? q->round : call->round + 1;
}

void call_queue_add(struct call_queue *q, struct upstream_call *call)
{
    struct upstream_call *behind = q->ring.prev;

    call->round = next_round(q, call->user);
    while (behind != &q->ring && behind->round > call->round)
        behind = behind->prev;
    call_ring_add_first(behind, call);
    q->n++;
}

void call_queue_add_first(struct call_queue *q, struct upstream_call *call)
{
    call->round = q->round;
    call_ring_add_first(&q->ring, call);
    q->n++;
}

bool call_queue_is_last(const struct call_queue *q, uint64_t user)
{
    const struct upstream_call *last = call_queue_last(q);

    return !last || next_round(q, user) >= last->round;
}

struct upstream_call *call_queue_first(const struct call_queue *q)
{
    return call_ring_first(&q->ring);
}

struct upstream_call *call_queue_last(const struct call_queue *q)
{
    return q->ring.prev == &q->ring ? NULL : q->ring.prev;
}

void call_queue_leave(struct call_queue *q, struct upstream_call *call)
{
    if (call->round > q->round && call == q->ring.next)
        q->round = call->round;
    call_ring_leave(call);
    q->n--;
}

uint64_t call_queue_late(struct call_queue *q, uint64_t since, struct upstream_call *late)
{
    uint64_t oldest = UINT64_MAX;
    struct upstream_call *next;

    for (struct upstream_call *call = q->ring.next; call != &q->ring; call = next) {
        next = call->next;
        if (call->queued <= since) {
            call_ring_leave(call);
            call_ring_add(late, call);
        } else if (call->queued < oldest) {
            oldest = call->queued;
        }
    }
    return oldest;
}
