/*
 * What is the same for every daemon's process: its command line and exit codes, what it gives up
 * for good before it reads the first outside byte, how many descriptors it may have, and its end.
 */
#ifndef CENTION_BASE_PROCESS_H
#define CENTION_BASE_PROCESS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_CONFIG = 78, /* EX_CONFIG of sysexits.h */
    PROCESS_GO_ON = -1,
};

struct process_program {
    const char *name, *version;
    const char *usage;  /* the text of --help */
    bool takes_command; /* behind -- */
};

struct process_options {
    const char *conf; /* the caller sets the default */
    bool test;        /* -t: check the configuration and exit */
    char **command;   /* NULL without one */
};

/* Reads -c, -t, -h and -V, short and long. PROCESS_GO_ON, or the exit code: all was said. */
int process_options(struct process_options *out, const struct process_program *program, int argc,
                    char **argv) MUST_CHECK;

/* Says on standard error what went wrong; returns the code. */
int process_fail(const struct process_program *program, const struct err *err, int code);

/*
 * No core dumps, not traceable by the same user, no new privileges. Call it once, first thing in
 * main. -errno with err filled when the kernel refuses: the caller must not go on then.
 */
int process_harden(struct err *err) MUST_CHECK;

/*
 * No more than so many bytes of memory of its own from here on (RLIMIT_DATA of getrlimit(2)): what
 * is over it, ENOMEM. For libraries that take what a peer says it will send. Builds with a
 * sanitizer have no limit, since its shadow memory counts. -errno with err filled.
 */
int process_memory_limit(size_t bytes, struct err *err) MUST_CHECK;

/* Raises the soft limit to `wanted` as far as the hard one allows; returns the limit in force. */
unsigned process_descriptors_allow(unsigned wanted);

/*
 * How many of `wanted` connections there may be beside `reserve` other descriptors when `limit` may
 * be open in all: `wanted` where that fits, at least 1. What is too small for both is shared.
 */
unsigned process_descriptors_share(unsigned limit, unsigned wanted, unsigned reserve);

/*
 * Exit for processes whose libraries have threads of their own. Such a thread may still run when
 * main returns (libnats has one that outlives its connection), while the exit handlers of libcrypto
 * and others free what it uses. So no exit handler runs.
 */

/* Ends the process. Data in stdio's buffers is lost: the caller has flushed them. Builds with
 * LeakSanitizer check here. */
_Noreturn void process_exit(int code);

#endif
