/*
 * What the commands of cention-proxyctl share: their exit codes and their shape.
 */
#ifndef CENTION_CTL_CTL_H
#define CENTION_CTL_CTL_H

#ifndef CENTION_SYSCONFDIR
#define CENTION_SYSCONFDIR "/etc/cention-proxy"
#endif

#include "base/slice.h"

#include <stdbool.h>
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
    /* argv[0] is the command's name. Returns an enum ctl_exit. NULL: it is a group of commands: */
    int (*run)(int argc, char **argv);
    const struct ctl_command *group;
    size_t n;
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

/* An option of a command, and where what it says goes: the first of these that is not NULL. */
struct ctl_option {
    const char *name;  /* of its long form */
    char letter;       /* of its short form; 0: it has none */
    bool *flag;        /* takes no value: true when it is given */
    const char **text; /* its value */
    struct slice *slice;
    /* Gets its value. CTL_DONE, or the exit code after it has said what is wrong. */
    int (*set)(void *arg, const char *value);
};

enum {
    CTL_OPTIONS_MAX = 24,
    CTL_GO_ON = -1,
};

/*
 * Reads the options (at most CTL_OPTIONS_MAX) as getopt_long(3) does, beside them -h and --help.
 * CTL_GO_ON: the arguments begin at argv[optind]. Else the exit code: the help was printed, or what
 * is wrong, which is always harmless on a terminal. `arg` is for the options' `set`.
 */
int ctl_options(const struct ctl_option *options, size_t n, const char *help, int argc, char **argv,
                void *arg) MUST_CHECK;

/* The command line is wrong in another way: prints the help on standard error. CTL_USAGE. */
int ctl_usage(const char *help);

/* The commands, each in a file of its name. */
int audit_diff_main(int argc, char **argv);
int audit_head_main(int argc, char **argv);
int audit_history_main(int argc, char **argv);  /* in audit_object_history.c */
int audit_identity_main(int argc, char **argv); /* in audit_head.c */
int audit_mac_main(int argc, char **argv);
int audit_show_main(int argc, char **argv);
int audit_undo_main(int argc, char **argv);
int audit_verify_main(int argc, char **argv);
int endpoints_main(int argc, char **argv);
int explain_main(int argc, char **argv);
int policy_suggest_main(int argc, char **argv);
int policy_test_main(int argc, char **argv);
int probe_main(int argc, char **argv);
int token_new_main(int argc, char **argv);

#endif
