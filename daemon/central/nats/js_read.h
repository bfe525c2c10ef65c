/*
 * Reading logs from NATS JetStream, see central/archive.h. The URL: `nats://` or `tls://`, the
 * servers separated by commas, `/` and the streams' name (else CENTION_AUDIT), and, if need be,
 * `?ca=FILE&credentials=FILE`. The first server that is there is asked. Messages come in the
 * stream's order, sent ahead by the server as far as it likes: 32 MiB at most.
 */
#ifndef CENTION_CENTRAL_NATS_JS_READ_H
#define CENTION_CENTRAL_NATS_JS_READ_H

#include "central/archive.h"

extern const struct archive_kind JS_ARCHIVE;

#endif
