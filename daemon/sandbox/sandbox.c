#include "sandbox/sandbox.h"

#include "base/log.h"
#include "config.h"
#include "sandbox/landlock.h"
#include "sandbox/seccomp.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

int sandbox_keep(struct sandbox *c, const char *path, enum sandbox_access access)
{
    char *copy;

    if (c->n_paths == SANDBOX_PATHS_MAX)
        return -ENOSPC;
    copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    c->paths[c->n_paths++] = (struct sandbox_path){.path = copy, .access = access};
    return 0;
}

static int keep_parent(struct sandbox *c, const char *file, enum sandbox_access access)
{
    const char *slash = strrchr(file, '/');
    char folder[PATH_MAX] = ".";
    size_t len = slash ? (size_t)(slash - file) : 0;

    if (len >= sizeof(folder))
        return -ENAMETOOLONG;
    if (slash) {
        memcpy(folder, file, len);
        folder[len] = '\0';
    }
    return sandbox_keep(c, slash == file ? "/" : folder, access);
}

int sandbox_keep_folder(struct sandbox *c, const char *file, enum sandbox_access access)
{
    char *real = realpath(file, NULL);
    int r = keep_parent(c, file, access);

    if (r == 0 && real)
        r = keep_parent(c, real, access);
    free(real);
    return r;
}

int sandbox_keep_network(struct sandbox *c)
{
    /* Where OpenSSL and Debian keep the system's store, links and what they lead to; and the whole
     * of /etc, because its files are replaced, not written, when the network changes. */
    static const char *const FOLDERS[] = {"/usr/lib/ssl", "/usr/share/ca-certificates",
                                          "/usr/local/share/ca-certificates", "/etc/pki", "/etc"};
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    int r = sandbox_keep_folder(c, "/etc/resolv.conf", SANDBOX_READ);

    for (unsigned i = 0; r == 0 && i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++)
        r = sandbox_keep(c, FOLDERS[i], SANDBOX_READ);
    if (r == 0 && file)
        r = sandbox_keep_folder(c, file, SANDBOX_READ);
    if (r == 0 && folder)
        r = sandbox_keep(c, folder, SANDBOX_READ);
    return r;
}

int sandbox_keep_port(struct sandbox *c, unsigned port)
{
    for (unsigned i = 0; i < c->n_ports; i++)
        if (c->ports[i] == port)
            return 0;
    if (c->n_ports == SANDBOX_PORTS_MAX)
        return -ENOSPC;
    c->ports[c->n_ports++] = (uint16_t)port;
    return 0;
}

void sandbox_deinit(struct sandbox *c)
{
    for (unsigned i = 0; i < c->n_paths; i++)
        free(c->paths[i].path);
    c->n_paths = 0;
}

bool sandbox_built_without(void)
{
#ifdef CENTION_SANITIZERS
    return true;
#else
    return false;
#endif
}

bool sandbox_has_port(const struct sandbox *c, unsigned port)
{
    for (unsigned i = 0; i < c->n_ports; i++)
        if (c->ports[i] == port)
            return true;
    return !c->ports_confined;
}

void sandbox_explain(const struct sandbox *c, const struct err *why)
{
    if (c->files_confined && strstr(why->text, strerror(EACCES)))
        log_warning("sandbox",
                    "why=\"only folders that were named at the start can be read; a file "
                    "in another one needs a restart\"");
}

void sandbox_off(struct sandbox *c)
{
    c->off = true;
    log_warning("sandbox", "state=off why=\"the setting says so\"");
}

int sandbox_reader(struct err *err)
{
    const struct sandbox reader = {.role = SANDBOX_READER};

    if (sandbox_built_without())
        return 0;
    /* Who is not root needs it for a filter (seccomp(2)); the keeper has it by then, but not at its
     * first reading of the keys. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(err, -errno, "sandbox: PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
    return seccomp_filter_enter(&reader, err);
}

int sandbox_files(struct sandbox *c, struct err *err)
{
    int abi;

    if (c->off || sandbox_built_without())
        return 0;
    tzset(); /* reads a file, once; the log's clock would later */
    abi = landlock_enter(c, err);
    if (abi < 0)
        return abi;
    c->landlock = abi;
    c->files_confined = abi > 0;
    c->ports_confined = abi >= LANDLOCK_ABI_PORTS && !c->any_port;
    return 0;
}

int sandbox_calls(struct sandbox *c, struct err *err)
{
    int r;

    if (c->off)
        return 0;
    if (sandbox_built_without()) {
        log_warning("sandbox", "state=off why=\"this build has sanitizers\"");
        return 0;
    }
    r = seccomp_filter_enter(c, err);
    if (r < 0)
        return r;
    if (c->landlock == 0)
        log_info("sandbox",
                 "state=on seccomp=on landlock=none why=\"this kernel has none: files and ports "
                 "are not confined; Linux 5.13 can, with landlock among its lsm=\"");
    else
        log_info("sandbox", "state=on seccomp=on landlock=%d ports=%s", c->landlock,
                 c->ports_confined ? "confined" : "free");
    return 0;
}

/* Landlock first: the filter does not let its system calls through. */
int sandbox_enter(struct sandbox *c, struct err *err)
{
    int r = sandbox_files(c, err);

    return r < 0 ? r : sandbox_calls(c, err);
}
