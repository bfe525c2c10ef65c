#include "ctl/policy/policy_load.h"

#include "ctl/ctl.h"
#include "policy/policy_conf.h"

static const struct ctl_command COMMANDS[] = {
    {"test", "say whether a client may make a call, and by which rule", policy_test_main},
    {"suggest", "propose the narrowest policy for what the audit log holds", policy_suggest_main},
};

int policy_main(int argc, char **argv)
{
    static const struct ctl_table TABLE = {
        .of = "cention-proxyctl: policy",
        .commands = COMMANDS,
        .n = sizeof(COMMANDS) / sizeof(COMMANDS[0]),
        .usage = "usage: cention-proxyctl policy COMMAND [ARGUMENT...]\n",
        .end = "",
    };

    return ctl_dispatch(&TABLE, argc, argv);
}

int policy_load(struct policy **out, const char *path, struct err *err)
{
    struct settings *file = NULL;
    int r = settings_open(&file, path, err);

    *out = NULL;
    if (r == 0)
        r = policy_conf_read(settings_root(file), out, err);
    settings_free(file);
    return r;
}
