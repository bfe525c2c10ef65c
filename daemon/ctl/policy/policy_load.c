#include "ctl/policy/policy_load.h"

#include "policy/policy_conf.h"

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
