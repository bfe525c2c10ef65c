/*
 * How a stream of records, or of evidence, must be set up: kept in files by as many servers as was
 * asked for, never losing, replacing or rewriting a message by itself or by anybody's wish.
 */
#ifndef CENTION_CENTRAL_NATS_JS_CONFIG_H
#define CENTION_CENTRAL_NATS_JS_CONFIG_H

#include <nats/nats.h>

/* One that is made; name and subject stay the caller's, as does *subjects, which holds one. */
void js_config_make(jsStreamConfig *out, const char *name, const char **subjects,
                    unsigned replicas);

/* NULL, or a static sentence: why records must not be sent to one that is set up like this. */
const char *js_config_check(const jsStreamConfig *config, const char *subject, unsigned replicas);

#endif
