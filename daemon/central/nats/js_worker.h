/*
 * The sink's thread, because the library blocks and has no callbacks that could be used. The loop
 * hands it batches and alarms and gets events by mail; the thread connects, asks where the stream
 * ends, sends and reads answers. Any failure ends a session: what was in flight is forgotten. After
 * a growing pause the next session begins where the stream ends.
 */
#ifndef CENTION_CENTRAL_NATS_JS_WORKER_H
#define CENTION_CENTRAL_NATS_JS_WORKER_H

#include "central/nats/js_session.h"

struct js_worker;

/* All of the options stays valid until free. -errno. */
int js_worker_new(struct js_worker **out, struct loop *loop,
                  const struct js_session_options *options, const struct sink_events *events,
                  void *arg) MUST_CHECK;

/* Copies it; -ENOMEM. */
int js_worker_ship(struct js_worker *worker, const struct ship_batch *batch);

/* Copies it; it is kept until the centre has it. -ENOMEM, -ENOBUFS: too many wait. */
int js_worker_alarm(struct js_worker *worker, const struct ship_alarm *alarm);

/* Waits for the thread, which may be connecting: JS_CONNECT_MS and a name's look-up at most. */
void js_worker_free(struct js_worker *worker);

#endif
