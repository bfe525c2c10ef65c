/*
 * The command that the keeper starts and ends with, as `ssh-agent command` does.
 */
#ifndef CENTION_KEEPER_COMMAND_H
#define CENTION_KEEPER_COMMAND_H

#include "base/err.h"
#include "base/loop.h"

#include <sys/types.h>

struct command;

/*
 * Starts argv (searched in PATH) with default signals and no descriptor but the standard three.
 * `ended` is called once with what a shell would make of the end, the exit code or 128 and the
 * signal; `stopped` when it died of the SIGTERM that command_stop sent. -errno with err filled when
 * it can't be started.
 */
int command_start(struct command **out, struct loop *loop, char *const *argv,
                  void (*ended)(void *arg, int code, bool stopped), void *arg,
                  struct err *err) MUST_CHECK;

/* Sends SIGTERM, and SIGKILL 10 seconds after the first call. */
void command_stop(struct command *command);

/* The running process; 0 when it has ended. */
pid_t command_pid(const struct command *command);

/* One that is still running is killed. NULL is allowed. */
void command_free(struct command *command);

#endif
