/* Reading logs from NATS JetStream, see centre/centre.h. */
#ifndef CENTION_JETSTREAM_JS_READ_H
#define CENTION_JETSTREAM_JS_READ_H

#include "centre/centre.h"

extern const struct centre_kind JS_CENTRE;

#endif
