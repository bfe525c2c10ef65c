/*
 * cention-proxyctl, the administrator's tool: a table of commands. A new command is a file with
 * one function and a line here.
 */
#include "config.h"

#include "base/process.h"
#include "ctl/api/endpoints.h"
#include "ctl/api/explain.h"
#include "ctl/api/probe.h"
#include "ctl/audit/audit.h"
#include "ctl/ctl.h"
#include "ctl/policy/policy_load.h"

#include <stdio.h>
#include <string.h>

static const struct ctl_command COMMANDS[] = {
    {"audit", "show, compare and verify what the audit log holds", audit_main},
    {"endpoints", "list the calls that the API description allows", endpoints_main},
    {"explain", "check a request and show what would be signed, and how", explain_main},
    {"policy", "ask the policy about a call, or propose one", policy_main},
    {"probe", "find out in which form the upstream wants its signatures", probe_main},
    {"token", "make a token for a client", token_main},
};

static int run(int argc, char **argv)
{
    static const struct ctl_table TABLE = {
        .of = "cention-proxyctl",
        .commands = COMMANDS,
        .n = sizeof(COMMANDS) / sizeof(COMMANDS[0]),
        .usage = "usage: cention-proxyctl COMMAND [ARGUMENT...]\n"
                 "       cention-proxyctl --help | --version\n",
        .end = "\nExit status: 0 done, 1 failed or found broken, 2 usage, 78 bad configuration.\n",
    };

    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        (void)puts("cention-proxyctl " PACKAGE_VERSION);
        return CTL_DONE;
    }
    return ctl_dispatch(&TABLE, argc, argv);
}

int main(int argc, char **argv)
{
    int r = run(argc, argv);

    /* What was shown must have arrived: a full disk or a closed pipe is a failure. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("cention-proxyctl: standard output");
        r = r == CTL_DONE ? CTL_FAILED : r;
    }
    process_exit(r);
}
