/* The sink that spreads: a NATS JetStream stream for each log (libnats). */
#ifndef CENTION_JETSTREAM_JS_SINK_H
#define CENTION_JETSTREAM_JS_SINK_H

#include "base/err.h"
#include "ship/sink.h"

struct js_sink_options {
    const char *url;         /* one or several nats:// or tls://, separated by commas */
    const char *stream;      /* names of streams begin with it; it is made when it is missing */
    unsigned replicas;       /* of a stream that is made */
    const char *credentials; /* a NATS credentials file, or NULL */
    const char *ca;          /* PEM file to verify servers with, or NULL: the system's */
};

/* Copies the options; connects only when it is started. -EINVAL with err filled for a bad URL. */
int js_sink_new(struct sink **out, const struct js_sink_options *options, struct err *err)
    __attribute__((warn_unused_result));

#endif
