/*
 * The sink for NATS JetStream, a stream for each log (libnats). A message is stored only at the
 * number that it must have in the stream, so the stream is in the log's order, without gaps or
 * duplicates. The stream itself says where to go on. Its acknowledgement does not count as an
 * archive's receipt.
 */
#ifndef CENTION_CENTRAL_NATS_JS_SINK_H
#define CENTION_CENTRAL_NATS_JS_SINK_H

#include "base/err.h"
#include "central/sink.h"

struct js_sink_options {
    const char *url;         /* one or several nats:// or tls://, separated by commas (js_url.h) */
    const char *stream;      /* names of streams begin with it; they are made when missing */
    unsigned replicas;       /* of a stream that is made; one that is there must have so many */
    const char *credentials; /* a NATS credentials file, or NULL */
    const char *ca;          /* PEM file to verify servers with, or NULL: the system's */
};

enum {
    JS_REPLICAS_MAX = 5,
};

/* Copies the options; connects only when it is started. -EINVAL with err filled for a bad URL.
 * Its free may wait as long as a connection attempt takes (js_worker.h). */
int js_sink_new(struct sink **out, const struct js_sink_options *options,
                struct err *err) MUST_CHECK;

#endif
