#include "keeper/keeper_sandbox.h"

#include "users/users.h"

#include <string.h>

int keeper_sandbox(struct sandbox *kept, const struct keeper_conf *conf, const char *conf_path,
                   pid_t command, struct err *err)
{
    int r;

    *kept = (struct sandbox){.role = SANDBOX_KEEPER, .command = command};
    if (!conf->sandbox) {
        sandbox_off(kept);
        return 0;
    }
    r = sandbox_keep(kept, conf->audit_directory, SANDBOX_WRITE);
    if (r == 0)
        r = sandbox_keep_folder(kept, conf_path, SANDBOX_READ);
    if (r == 0)
        r = sandbox_keep_folder(kept, conf->keys, SANDBOX_READ);
    /* Receipts are replaced, and the first may come later: the folders. */
    for (unsigned i = 0; r == 0 && i < conf->receipts.n; i++)
        r = sandbox_keep_folder(kept, conf->receipts.list[i], SANDBOX_READ);
    /* passwd and group, for a reload's policy: files that are replaced when a user is added. */
    if (r == 0)
        r = sandbox_keep(kept, "/etc", SANDBOX_READ);
    if (r == 0)
        r = sandbox_keep_folder(kept, conf->socket, SANDBOX_REMOVE);
    /* Of users and groups; the whole folder, because its files are replaced, not written. */
    if (r == 0)
        r = sandbox_keep_folder(kept, USERS_PASSWD, SANDBOX_READ);
    return r < 0 ? err_set(err, r, "sandbox: %s", strerror(-r)) : sandbox_enter(kept, err);
}
