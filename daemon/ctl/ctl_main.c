/*
 * cention-proxyctl, the administrator's tool: tables of commands. A new command is a file with one
 * function, its declaration in ctl.h, and a line here.
 */
#include "config.h"

#include "base/process.h"
#include "ctl/command/ctl.h"

#include <stdio.h>
#include <string.h>

#define COMMAND(name_, summary_, run_)                                                             \
    {                                                                                              \
        .name = (name_), .summary = (summary_), .run = (run_)                                      \
    }
#define GROUP(name_, summary_, of_)                                                                \
    {                                                                                              \
        .name = (name_), .summary = (summary_), .group = (of_),                                    \
        .n = sizeof(of_) / sizeof((of_)[0])                                                        \
    }

static const struct ctl_command AUDIT[] = {
    COMMAND("show", "show the records that you ask for, and go on as they come", audit_show_main),
    COMMAND("diff", "what a change set, against the values that were set before", audit_diff_main),
    COMMAND("history", "an object's life: made, changed and deleted by whom", audit_history_main),
    COMMAND("undo", "print the call that would undo a change", audit_undo_main),
    COMMAND("verify", "prove that no record was altered, dropped, reordered or forged",
            audit_verify_main),
    COMMAND("head", "print the newest signature over the log, to be kept elsewhere",
            audit_head_main),
    COMMAND("mac", "print the keyed hash that stands for a value, to look for it", audit_mac_main),
    COMMAND("identity", "print the log's first public key, to be kept elsewhere",
            audit_identity_main),
};

static const struct ctl_command POLICY[] = {
    COMMAND("test", "say whether a client may make a call, and by which rule", policy_test_main),
    COMMAND("suggest", "propose the narrowest policy for what the audit log holds",
            policy_suggest_main),
};

static const struct ctl_command TOKEN[] = {
    COMMAND("new", "make a token for a client, and its hash for keeper.conf", token_new_main),
};

static const struct ctl_command COMMANDS[] = {
    GROUP("audit", "show, compare and verify what the audit log holds", AUDIT),
    COMMAND("endpoints", "list the calls that the API description allows", endpoints_main),
    COMMAND("explain", "check a request and show what would be signed, and how", explain_main),
    GROUP("policy", "ask the policy about a call, or propose one", POLICY),
    COMMAND("probe", "find out in which form the upstream wants its signatures", probe_main),
    GROUP("token", "make a token for a client", TOKEN),
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

    /* Output that could not be written is a failure: a full disk, a closed pipe. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("cention-proxyctl: standard output");
        r = r == CTL_DONE ? CTL_FAILED : r;
    }
    process_exit(r);
}
