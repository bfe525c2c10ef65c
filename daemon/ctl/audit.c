#include "ctl/audit.h"

#include "ctl/ctl.h"
#include "ctl/show.h"

#include <stdio.h>
#include <string.h>

static const struct ctl_command COMMANDS[] = {
    {"verify", "prove that no record was altered, dropped, reordered or forged", audit_verify_main},
    {"head", "print the newest signature over the log, to be kept elsewhere", audit_head_main},
    {"identity", "print the log's first public key, to be kept elsewhere", audit_identity_main},
};

enum {
    N_COMMANDS = sizeof(COMMANDS) / sizeof(COMMANDS[0]),
};

static void help(FILE *to)
{
    (void)fputs("usage: cention-proxyctl audit COMMAND [ARGUMENT...]\n"
                "\n"
                "Commands (each has its own --help):\n",
                to);
    for (size_t i = 0; i < N_COMMANDS; i++)
        (void)fprintf(to, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
}

int audit_main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";

    if (strcmp(command, "--help") == 0 || strcmp(command, "-h") == 0) {
        help(stdout);
        return CTL_DONE;
    }
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(command, COMMANDS[i].name) == 0)
            return COMMANDS[i].run(argc - 1, argv + 1);
    if (command[0]) {
        (void)fputs("cention-proxyctl: audit: there is no command ", stderr);
        show_message(stderr, command);
        (void)fputs("\n\n", stderr);
    }
    help(stderr);
    return CTL_USAGE;
}
