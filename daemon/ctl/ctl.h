/*
 * What the commands of cention-proxyctl share: their exit codes and their shape.
 */
#ifndef CENTION_CTL_CTL_H
#define CENTION_CTL_CTL_H

#ifndef CENTION_SYSCONFDIR
#define CENTION_SYSCONFDIR "/etc/cention-proxy"
#endif

#include <stddef.h>

enum ctl_exit {
    CTL_DONE = 0,
    CTL_FAILED = 1, /* failed, or found broken */
    CTL_USAGE = 2,  /* the command line is wrong */
    CTL_CONFIG = 78 /* a configuration file is wrong (EX_CONFIG of sysexits.h) */
};

struct ctl_command {
    const char *name;
    const char *summary; /* one line */
    /* argv[0] is the command's name. Returns an enum ctl_exit. */
    int (*run)(int argc, char **argv);
};

struct ctl_table {
    const char *of; /* what stands before a command: "cention-proxyctl" */
    const struct ctl_command *commands;
    size_t n;
    const char *usage, *end; /* of the help: what comes before and after the list */
};

/*
 * Runs the command that argv[1] names, with the rest as its arguments, or shows the help: on
 * standard output for --help and -h, else on standard error as a usage error. Returns an exit code.
 */
int ctl_dispatch(const struct ctl_table *table, int argc, char **argv);

#endif
