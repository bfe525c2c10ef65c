/*
 * cention-proxyctl, the administrator's tool: a table of commands. A new command is a file with
 * one function and a line here.
 */
#include "config.h"

#include "ctl/audit.h"
#include "ctl/ctl.h"
#include "ctl/endpoints.h"
#include "ctl/explain.h"
#include "ctl/probe.h"
#include "ctl/show.h"

#include <stdio.h>
#include <string.h>

static const struct ctl_command COMMANDS[] = {
    {"audit", "verify the audit log; print what proves it later", audit_main},
    {"endpoints", "list the calls that the API description allows", endpoints_main},
    {"explain", "check a request and show what would be signed, and how", explain_main},
    {"probe", "find out in which form the upstream wants its signatures", probe_main},
};

enum {
    N_COMMANDS = sizeof(COMMANDS) / sizeof(COMMANDS[0]),
};

static void help(FILE *to)
{
    (void)fputs("usage: cention-proxyctl COMMAND [ARGUMENT...]\n"
                "       cention-proxyctl --help | --version\n"
                "\n"
                "Commands (each has its own --help):\n",
                to);
    for (size_t i = 0; i < N_COMMANDS; i++)
        (void)fprintf(to, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    (void)fputs("\nExit status: 0 done, 1 failed or found broken, 2 usage, 78 bad configuration.\n",
                to);
}

static int run(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
        help(stdout);
        return CTL_DONE;
    }
    if (strcmp(command, "--version") == 0) {
        (void)puts("cention-proxyctl " PACKAGE_VERSION);
        return CTL_DONE;
    }
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(command, COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc - 1, argv + 1);
    if (command[0]) {
        (void)fputs("cention-proxyctl: there is no command ", stderr);
        show_message(stderr, command);
        (void)fputs("\n\n", stderr);
    }
    help(stderr);
    return CTL_USAGE;
}

int main(int argc, char **argv)
{
    int r = run(argc, argv);

    /* What was shown must have arrived: a full disk or a closed pipe is a failure. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("cention-proxyctl: standard output");
        return r == CTL_DONE ? CTL_FAILED : r;
    }
    return r;
}
