#include "ctl/audit/audit.h"

#include "ctl/ctl.h"

static const struct ctl_command COMMANDS[] = {
    {"show", "show the records that you ask for, and go on as they come", audit_show_main},
    {"diff", "what a change set, against the values that were set before", audit_diff_main},
    {"verify", "prove that no record was altered, dropped, reordered or forged", audit_verify_main},
    {"head", "print the newest signature over the log, to be kept elsewhere", audit_head_main},
    {"mac", "print the keyed hash that stands for a value, to look for it", audit_mac_main},
    {"identity", "print the log's first public key, to be kept elsewhere", audit_identity_main},
};

int audit_main(int argc, char **argv)
{
    static const struct ctl_table TABLE = {
        .of = "cention-proxyctl: audit",
        .commands = COMMANDS,
        .n = sizeof(COMMANDS) / sizeof(COMMANDS[0]),
        .usage = "usage: cention-proxyctl audit COMMAND [ARGUMENT...]\n",
        .end = "",
    };

    return ctl_dispatch(&TABLE, argc, argv);
}
