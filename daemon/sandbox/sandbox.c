#include "sandbox/sandbox.h"

#include "base/log.h"
#include "config.h"
#include "sandbox/landlock.h"
#include "sandbox/seccomp.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int confine_keep(struct confine *c, const char *path, enum confine_access access)
{
    char *copy;

    if (c->n_paths == CONFINE_PATHS_MAX)
        return -ENOSPC;
    copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    c->paths[c->n_paths++] = (struct confine_path){.path = copy, .access = access};
    return 0;
}

static int keep_parent(struct confine *c, const char *file, enum confine_access access)
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
    return confine_keep(c, slash == file ? "/" : folder, access);
}

int confine_keep_folder(struct confine *c, const char *file, enum confine_access access)
{
    char *real = realpath(file, NULL);
    int r = keep_parent(c, file, access);

    if (r == 0 && real)
        r = keep_parent(c, real, access);
    free(real);
    return r;
}

int confine_keep_network(struct confine *c)
{
    /* Where OpenSSL and Debian keep the system's store, links and what they lead to; and the whole
     * of /etc, because its files are replaced, not written, when the network changes. */
    static const char *const FOLDERS[] = {"/usr/lib/ssl", "/usr/share/ca-certificates",
                                          "/usr/local/share/ca-certificates", "/etc/pki", "/etc"};
    const char *file = getenv("SSL_CERT_FILE"), *folder = getenv("SSL_CERT_DIR");
    int r = confine_keep_folder(c, "/etc/resolv.conf", CONFINE_READ);

    for (unsigned i = 0; r == 0 && i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++)
        r = confine_keep(c, FOLDERS[i], CONFINE_READ);
    if (r == 0 && file)
        r = confine_keep_folder(c, file, CONFINE_READ);
    if (r == 0 && folder)
        r = confine_keep(c, folder, CONFINE_READ);
    return r;
}

int confine_keep_port(struct confine *c, unsigned port)
{
    for (unsigned i = 0; i < c->n_ports; i++)
        if (c->ports[i] == port)
            return 0;
    if (c->n_ports == CONFINE_PORTS_MAX)
        return -ENOSPC;
    c->ports[c->n_ports++] = (uint16_t)port;
    return 0;
}

void confine_deinit(struct confine *c)
{
    for (unsigned i = 0; i < c->n_paths; i++)
        free(c->paths[i].path);
    c->n_paths = 0;
}

bool confine_built_without(void)
{
#ifdef CENTION_SANITIZERS
    return true;
#else
    return false;
#endif
}

bool confine_has_port(const struct confine *c, unsigned port)
{
    for (unsigned i = 0; i < c->n_ports; i++)
        if (c->ports[i] == port)
            return true;
    return !c->ports_confined;
}

void confine_explain(const struct confine *c, const struct err *why)
{
    if (c->files_confined && strstr(why->text, strerror(EACCES)))
        log_warning("sandbox",
                    "why=\"only folders that were named at the start can be read; a file "
                    "in another one needs a restart\"");
}

void confine_off(struct confine *c)
{
    c->off = true;
    log_warning("sandbox", "state=off why=\"the setting says so\"");
}

void confine_reader(void)
{
    const struct confine reader = {.role = CONFINE_READER};
    struct err err = ERR_INIT;

    if (!confine_built_without() && filter_enter(&reader, &err) < 0)
        log_debug("sandbox", "why=\"%s\"", err.text);
}

int confine_files(struct confine *c, struct err *err)
{
    int abi;

    if (c->off || confine_built_without())
        return 0;
    tzset(); /* reads a file, once; the log's clock would later */
    abi = fence_enter(c, err);
    if (abi < 0)
        return abi;
    c->landlock = abi;
    c->files_confined = abi > 0;
    c->ports_confined = abi >= FENCE_ABI_PORTS && !c->any_port;
    return 0;
}

int confine_calls(struct confine *c, struct err *err)
{
    int r;

    if (c->off)
        return 0;
    if (confine_built_without()) {
        log_warning("sandbox", "state=off why=\"this build has sanitizers\"");
        return 0;
    }
    r = filter_enter(c, err);
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

/* The fence first: the filter does not let its system calls through. */
int confine_enter(struct confine *c, struct err *err)
{
    int r = confine_files(c, err);

    return r < 0 ? r : confine_calls(c, err);
}
