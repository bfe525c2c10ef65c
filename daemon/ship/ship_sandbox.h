/*
 * The shipper's sandbox: the files and ports that its settings need.
 */
#ifndef CENTION_SHIP_SHIP_SANDBOX_H
#define CENTION_SHIP_SHIP_SANDBOX_H

#include "sandbox/sandbox.h"
#include "ship/ship_conf.h"

/*
 * Enters the sandbox's first half, unless the settings turn it off; sandbox_calls, when the sinks
 * are made and before they are started, is the other: their libraries make threads. Files: reads
 * the audit folder, the folders of the settings and of files that a PostgreSQL URL names, the CA
 * store and /etc (name servers, hosts); writes in the state folder; removes its admin socket. None
 * of the ports may be listened on; those that *kept has (ship_sinks.h) and DNS may be connected to.
 * *kept, zeroed but for these, is filled, and owned by the caller. -errno with err filled.
 */
int ship_sandbox(struct sandbox *kept, const struct ship_conf *conf, const char *conf_path,
                 struct err *err) MUST_CHECK;

#endif
