/*
 * The keeper's sandbox: the files that its settings need.
 */
#ifndef CENTION_KEEPER_KEEPER_SANDBOX_H
#define CENTION_KEEPER_KEEPER_SANDBOX_H

#include "keeper/keeper_conf.h"
#include "sandbox/sandbox.h"

/*
 * Enters the sandbox, unless the settings turn it off. Files: writes to the audit directory, reads
 * the folders of the settings, the keys and the receipts, and /etc (users and groups), removes its
 * socket.
 * `command` is the process that was started, 0 without one. *kept is filled, and owned by the
 * caller. -errno with err filled.
 */
int keeper_sandbox(struct sandbox *kept, const struct keeper_conf *conf, const char *conf_path,
                   pid_t command, struct err *err) MUST_CHECK;

#endif
