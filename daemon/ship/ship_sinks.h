/* Creates the sinks that the settings name: the only place that knows every kind. */
#ifndef CENTION_SHIP_SHIP_SINKS_H
#define CENTION_SHIP_SHIP_SINKS_H

#include "central/sink.h"
#include "sandbox/sandbox.h"
#include "ship/ship_conf.h"

/* Connects to nothing yet. -errno with err filled: file, line and what is wrong. */
int ship_sink_new(struct sink **out, const struct ship_sink_conf *conf, const char *conf_path,
                  struct err *err) MUST_CHECK;

/*
 * Keeps the TCP ports of the sink's servers, or any port when they aren't known. Errors as above,
 * or -ENOSPC.
 */
int ship_sink_ports(struct sandbox *kept, const struct ship_sink_conf *conf, const char *conf_path,
                    struct err *err) MUST_CHECK;

#endif
