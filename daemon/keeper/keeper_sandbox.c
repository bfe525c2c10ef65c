#include "keeper/keeper_sandbox.h"

#include "policy/users.h"

#include <string.h>

int keeper_confine(struct confine *kept, const struct keeper_conf *conf, const char *conf_path,
                   pid_t command, struct err *err)
{
    int r;

    *kept = (struct confine){.role = CONFINE_KEEPER, .command = command};
    if (!conf->sandbox) {
        confine_off(kept);
        return 0;
    }
    r = confine_keep(kept, conf->audit_directory, CONFINE_WRITE);
    if (r == 0)
        r = confine_keep_folder(kept, conf_path, CONFINE_READ);
    if (r == 0)
        r = confine_keep_folder(kept, conf->keys, CONFINE_READ);
    /* Receipts are replaced, and the first may come later: the folders. */
    for (unsigned i = 0; r == 0 && i < conf->receipts.n; i++)
        r = confine_keep_folder(kept, conf->receipts.list[i], CONFINE_READ);
    /* passwd and group, for a reload's policy: files that are replaced when a user is added. */
    if (r == 0)
        r = confine_keep(kept, "/etc", CONFINE_READ);
    if (r == 0)
        r = confine_keep_folder(kept, conf->socket, CONFINE_REMOVE);
    /* Of users and groups; the whole folder, because its files are replaced, not written. */
    if (r == 0)
        r = confine_keep_folder(kept, USERS_PASSWD, CONFINE_READ);
    return r < 0 ? err_set(err, r, "sandbox: %s", strerror(-r)) : confine_enter(kept, err);
}
