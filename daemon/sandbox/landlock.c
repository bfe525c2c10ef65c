/*
 * Forbids everything that the kernel's version of Landlock can forbid, then allows what is on the
 * list. The numbers are the kernel's (linux/landlock.h of Linux 6.12), written here so that a build
 * on an older system confines as much on a newer kernel.
 *
 * Landlock does not cover reading a file's attributes, entering folders and connecting to a Unix
 * socket: there permissions decide.
 */
#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444 /* the same on every architecture */
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define FS_WRITE_FILE  (1ull << 1)
#define FS_READ_FILE   (1ull << 2)
#define FS_READ_DIR    (1ull << 3)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_REG    (1ull << 8)
#define FS_TRUNCATE    (1ull << 14)
#define FS_FIRST       ((1ull << 13) - 1) /* of version 1 */
#define FS_REFER       (1ull << 13)       /* of version 2; linking across folders */
#define FS_IOCTL_DEV   (1ull << 15)       /* of version 5 */
#define NET_BIND       (1ull << 0)
#define NET_CONNECT    (1ull << 1)
#define SCOPE_ABSTRACT (1ull << 0) /* abstract Unix sockets of others, of version 6 */
#define SCOPE_SIGNAL   (1ull << 1)

enum {
    GET_VERSION = 1 << 0,
    RULE_PATH = 1,
    RULE_PORT = 2,
    /* Versions */
    ABI_REFER = 2,
    ABI_TRUNCATE = 3,
    ABI_IOCTL = 5,
    ABI_SCOPE = 6,
};

struct ruleset {
    uint64_t fs;
    uint64_t net;   /* from version 4 on */
    uint64_t scope; /* from version 6 on */
};

struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed;
    uint64_t port;
};

/* A service manager that listens at an abstract address has to hear us. */
static uint64_t scopes(const struct sandbox *c)
{
    const char *notify = getenv("NOTIFY_SOCKET");

    return (notify && notify[0] == '@' ? 0 : SCOPE_ABSTRACT) | (c->command ? 0 : SCOPE_SIGNAL);
}

static struct ruleset ruleset(const struct sandbox *c, int abi)
{
    struct ruleset rules = {.fs = FS_FIRST};

    if (abi >= ABI_REFER)
        rules.fs |= FS_REFER;
    if (abi >= ABI_TRUNCATE)
        rules.fs |= FS_TRUNCATE;
    if (abi >= ABI_IOCTL)
        rules.fs |= FS_IOCTL_DEV;
    if (abi >= LANDLOCK_ABI_PORTS)
        rules.net = c->any_port ? NET_BIND : NET_BIND | NET_CONNECT;
    if (abi >= ABI_SCOPE)
        rules.scope = scopes(c);
    return rules;
}

static uint64_t rights(enum sandbox_access access)
{
    switch (access) {
    case SANDBOX_READ:
        return FS_READ_FILE | FS_READ_DIR;
    case SANDBOX_WRITE:
        return FS_READ_FILE | FS_READ_DIR | FS_WRITE_FILE | FS_TRUNCATE | FS_MAKE_REG |
               FS_REMOVE_FILE;
    case SANDBOX_REMOVE:
        return FS_REMOVE_FILE;
    }
    return 0;
}

/* A path that does not exist or can't be reached needs no rule. */
static int allow_path(int fd, const struct sandbox_path *p, uint64_t handled, struct err *err)
{
    struct path_rule rule = {.allowed = rights(p->access) & handled};
    struct stat st;
    int r = 0;

    rule.parent = open(p->path, O_PATH | O_CLOEXEC);
    if (rule.parent < 0 && (errno == ENOENT || errno == EACCES || errno == ENOTDIR))
        return 0;
    if (rule.parent < 0)
        return err_set(err, -errno, "sandbox: %s: %s", p->path, strerror(errno));
    if (fstat(rule.parent, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed &= FS_READ_FILE;
    if (syscall(SYS_landlock_add_rule, fd, RULE_PATH, &rule, 0) < 0)
        r = err_set(err, -errno, "sandbox: %s can't be kept: %s", p->path, strerror(errno));
    (void)close(rule.parent);
    return r;
}

static int allow_port(int fd, uint16_t port, struct err *err)
{
    struct port_rule rule = {.allowed = NET_CONNECT, .port = port};

    if (syscall(SYS_landlock_add_rule, fd, RULE_PORT, &rule, 0) == 0)
        return 0;
    return err_set(err, -errno, "sandbox: port %u can't be kept: %s", (unsigned)port,
                   strerror(errno));
}

int landlock_enter(const struct sandbox *c, struct err *err)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION), fd, r = 0;
    struct ruleset rules;

    if (abi < 0) /* not built in, turned off at boot, or an outer sandbox knows it not */
        return 0;
    rules = ruleset(c, abi);
    fd = (int)syscall(SYS_landlock_create_ruleset, &rules,
                      abi >= ABI_SCOPE            ? sizeof(rules)
                      : abi >= LANDLOCK_ABI_PORTS ? 2 * sizeof(uint64_t)
                                                  : sizeof(uint64_t),
                      0);
    if (fd < 0)
        return err_set(err, -errno, "sandbox: Landlock %d can't be used: %s", abi, strerror(errno));
    for (unsigned i = 0; i < c->n_paths && r == 0; i++)
        r = allow_path(fd, &c->paths[i], rules.fs, err);
    for (unsigned i = 0; i < c->n_ports && r == 0 && rules.net & NET_CONNECT; i++)
        r = allow_port(fd, c->ports[i], err);
    if (r == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0)
        r = err_set(err, -errno, "sandbox: Landlock %d can't be entered: %s", abi, strerror(errno));
    (void)close(fd);
    return r < 0 ? r : abi;
}
