/*
 * Calls that wait for a connection, in turns of those who ask (start-time fair queueing): a user's
 * first call waits in round 1, its second in round 2, and a round goes out before the next. So one
 * that asks for much waits for itself and keeps nobody else waiting; who is alone is served in the
 * order of arrival.
 */
#ifndef CENTION_PROXY_UPSTREAM_CALL_QUEUE_H
#define CENTION_PROXY_UPSTREAM_CALL_QUEUE_H

#include "proxy/upstream/call.h"

struct call_queue {
    struct upstream_call ring; /* anchor */
    unsigned n;
    uint64_t round; /* of the call that went out last */
};

void call_queue_init(struct call_queue *queue);

/* In the user's next round. Looks through the calls that wait, at most. */
void call_queue_add(struct call_queue *queue, struct upstream_call *call);

/* In front of all: one that is tried again. */
void call_queue_add_first(struct call_queue *queue, struct upstream_call *call);

/* True when a call of this user would be the last; then a full queue has no place for it. */
bool call_queue_is_last(const struct call_queue *queue, uint64_t user);

/* The next to be served, and who has to go when there are too many. NULL: none waits. */
struct upstream_call *call_queue_first(const struct call_queue *queue);
struct upstream_call *call_queue_last(const struct call_queue *queue);

/* The call is served, or given up. */
void call_queue_leave(struct call_queue *queue, struct upstream_call *call);

/*
 * Moves the calls that wait since `since` or longer to the ring `late`, where they still count and
 * can leave. Returns when the oldest of the others began to wait; UINT64_MAX: there is none.
 */
uint64_t call_queue_late(struct call_queue *queue, uint64_t since, struct upstream_call *late);

#endif
