/*
 * What the commands of cention-proxyctl share: their exit codes and their shape.
 */
#ifndef CENTION_CTL_CTL_H
#define CENTION_CTL_CTL_H

#ifndef CENTION_SYSCONFDIR
#define CENTION_SYSCONFDIR "/etc/cention-proxy"
#endif

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

#endif
