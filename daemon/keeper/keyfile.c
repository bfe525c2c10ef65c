/*
 * A plain file is judged by itself: its owner and mode tell who could have written it, whatever
 * folder it is in. A link tells nothing of the kind, so then the way is walked folder by folder,
 * each opened, checked and used as the start of the next step; nothing is looked up twice.
 */
#include "keeper/keyfile.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
    KEYFILE_MAX = 1024 * 1024, /* bytes */
    KEYFILE_LINKS_MAX = 16,
    KEYFILE_ACL_MAX = 4096, /* bytes; a list of 500 entries */
    KEYFILE_FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
};

static bool ours(const struct stat *st)
{
    return st->st_uid == geteuid() || st->st_uid == 0;
}

/*
 * The form of the extended attribute system.posix_acl_access (Linux, uapi/linux/posix_acl_xattr.h):
 * a version, then the entries, all little-endian.
 */
#define ACL_NAME "system.posix_acl_access"

enum {
    ACL_VERSION = 2,
    ACL_USER_OBJ = 0x01,
    ACL_USER = 0x02,
    ACL_GROUP_OBJ = 0x04,
    ACL_GROUP = 0x08,
    ACL_MASK = 0x10,
    ACL_OTHER = 0x20,
    ACL_READ_WRITE = 4 | 2,
};

struct acl_entry {
    uint16_t tag, permission;
    uint32_t id;
};

/* Whether nobody but this user and root may read or write by the list. */
static bool acl_is_ours(const struct acl_entry *list, size_t n)
{
    unsigned mask = ACL_READ_WRITE;

    for (size_t i = 0; i < n; i++)
        if (le16toh(list[i].tag) == ACL_MASK)
            mask = le16toh(list[i].permission);
    for (size_t i = 0; i < n; i++) {
        unsigned tag = le16toh(list[i].tag), may = le16toh(list[i].permission) & ACL_READ_WRITE;
        uint32_t id = le32toh(list[i].id);

        if (tag == ACL_USER_OBJ || tag == ACL_MASK)
            continue; /* the owner was checked; the mask is no permission */
        if (tag == ACL_USER && (id == geteuid() || id == 0))
            continue;
        if (may & (tag == ACL_OTHER ? (unsigned)ACL_READ_WRITE : mask))
            return false;
    }
    return true;
}

/* 1: there is a list, and it lets in this user and root alone; 0: there is none; -EPERM. */
static int check_acl(int fd)
{
    struct {
        uint32_t version;
        struct acl_entry list[KEYFILE_ACL_MAX / sizeof(struct acl_entry)];
    } acl;
    ssize_t n = fgetxattr(fd, ACL_NAME, &acl, sizeof(acl));

    if (n < 0)
        return errno == ENODATA || errno == ENOTSUP ? 0 : -EPERM;
    if ((size_t)n < sizeof(acl.version) || le32toh(acl.version) != ACL_VERSION ||
        ((size_t)n - sizeof(acl.version)) % sizeof(acl.list[0]) != 0)
        return -EPERM;
    return acl_is_ours(acl.list, ((size_t)n - sizeof(acl.version)) / sizeof(acl.list[0])) ? 1
                                                                                          : -EPERM;
}

/* What to do about it: a file of root's needs another owner first, or this user can't read it. */
static int refuse_mode(const char *path, const struct stat *st, const char *who, struct err *err)
{
    char owner[48] = "";

    if (st->st_uid != geteuid())
        (void)snprintf(owner, sizeof(owner), "chown %u and ", (unsigned)geteuid());
    return err_set(err, -EPERM,
                   "%s: holds secrets but %s may read or change it (owner %u, group %u, mode "
                   "%04o); use %schmod 600",
                   path, who, (unsigned)st->st_uid, (unsigned)st->st_gid,
                   (unsigned)st->st_mode & 07777, owner);
}

static int check_file(int fd, const char *path, struct err *err)
{
    struct stat st;
    int acl;

    if (fstat(fd, &st) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EINVAL, "%s: not a regular file", path);
    if (!ours(&st))
        return err_set(err, -EPERM, "%s: belongs to user %u, not to %u or root", path,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    /* With a list, the group's bits of the mode are the list's mask. */
    acl = check_acl(fd);
    if (acl < 0)
        return refuse_mode(path, &st, "somebody in its access control list (getfacl shows it)",
                           err);
    if (st.st_mode & 006)
        return refuse_mode(path, &st, "every user", err);
    if (acl == 0 && (st.st_mode & 060))
        return refuse_mode(path, &st, "its group", err);
    if (st.st_size > KEYFILE_MAX)
        return err_set(err, -EFBIG, "%s: larger than %d bytes", path, KEYFILE_MAX);
    return 0;
}

/* One walk: the folder reached so far, and what is left of the way. */
struct walk {
    const char *path; /* as it was given, for messages */
    int folder;
    unsigned links;
    char rest[PATH_MAX];
};

static int walk_fail(const struct walk *w, int code, const char *why, struct err *err)
{
    return err_set(err, code, "%s: the symbolic link can't be trusted: %s", w->path, why);
}

/* Continues at `folder`, which is taken over. */
static void walk_enter(struct walk *w, int folder)
{
    (void)close(w->folder);
    w->folder = folder;
}

static int walk_root(struct walk *w, struct err *err)
{
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return walk_fail(w, -errno, strerror(errno), err);
    walk_enter(w, fd);
    return 0;
}

/* Whether only this user and root decide what the name in the folder stands for. */
static int walk_check(const struct walk *w, const char *name, const struct stat *entry,
                      struct err *err)
{
    bool up = strcmp(name, "..") == 0 || strcmp(name, ".") == 0;
    struct stat st;

    if (fstat(w->folder, &st) < 0)
        return walk_fail(w, -errno, strerror(errno), err);
    if (!ours(&st))
        return walk_fail(w, -EPERM, "a folder on its way belongs to someone else", err);
    if (!(st.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    if ((st.st_mode & S_ISVTX) && (up || ours(entry)))
        return 0;
    return walk_fail(w, -EPERM, "others may write in a folder on its way", err);
}

/* Puts the link's target in front of what is left. */
static int walk_follow(struct walk *w, int link, const char *rest, struct err *err)
{
    char target[PATH_MAX], joined[2 * PATH_MAX];
    ssize_t n = readlinkat(link, "", target, sizeof(target));

    if (n < 0 || (size_t)n >= sizeof(target))
        return walk_fail(w, n < 0 ? -errno : -ENAMETOOLONG, "its target can't be read", err);
    if (++w->links > KEYFILE_LINKS_MAX)
        return walk_fail(w, -ELOOP, "it leads through too many links", err);
    target[n] = '\0';
    n = snprintf(joined, sizeof(joined), "%s/%s", target, rest);
    if (n < 0 || (size_t)n >= sizeof(w->rest))
        return walk_fail(w, -ENAMETOOLONG, "its target is too long", err);
    memcpy(w->rest, joined, (size_t)n + 1);
    return target[0] == '/' ? walk_root(w, err) : 0;
}

/* Takes the next name off the way; empty at its end. */
static void walk_name(struct walk *w, char name[NAME_MAX + 1])
{
    size_t skip = strspn(w->rest, "/"), len = strcspn(w->rest + skip, "/");
    size_t keep = len > NAME_MAX ? NAME_MAX : len; /* longer: no such file */

    memcpy(name, w->rest + skip, keep);
    name[keep] = '\0';
    memmove(w->rest, w->rest + skip + len, strlen(w->rest + skip + len) + 1);
}

/* One name: into a folder, through a link, or (> 0) the opened file at the end of the way. */
static int walk_step(struct walk *w, const char *name, struct err *err)
{
    int fd = openat(w->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), r;
    struct stat st;

    if (fd < 0)
        return err_set(err, -errno, "%s: %s", w->path, strerror(errno));
    r = fstat(fd, &st) < 0 ? walk_fail(w, -errno, strerror(errno), err)
                           : walk_check(w, name, &st, err);
    if (r == 0 && S_ISDIR(st.st_mode)) {
        walk_enter(w, fd);
        return 0;
    }
    if (r == 0 && S_ISLNK(st.st_mode)) {
        char rest[PATH_MAX];

        memcpy(rest, w->rest, strlen(w->rest) + 1);
        r = walk_follow(w, fd, rest, err);
    } else if (r == 0) {
        r = openat(w->folder, name, KEYFILE_FLAGS);
        if (r < 0)
            r = err_set(err, -errno, "%s: %s", w->path, strerror(errno));
    }
    (void)close(fd);
    return r;
}

static int walk(struct walk *w, struct err *err)
{
    char name[NAME_MAX + 1];
    int r = 0;

    while (r == 0) {
        walk_name(w, name);
        if (name[0] == '\0')
            return err_set(err, -EISDIR, "%s: not a regular file", w->path);
        r = walk_step(w, name, err);
    }
    return r;
}

/* Relative paths are walked from the root too: the folders above can be written to as well. */
static int open_through_links(const char *path, struct err *err)
{
    struct walk w = {.path = path, .folder = -1};
    char here[PATH_MAX] = "";
    int n, r;

    if (path[0] != '/' && !getcwd(here, sizeof(here)))
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    n = snprintf(w.rest, sizeof(w.rest), "%s/%s", here, path);
    if (n < 0 || (size_t)n >= sizeof(w.rest))
        return err_set(err, -ENAMETOOLONG, "%s: the path is too long", path);
    w.folder = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (w.folder < 0)
        return err_set(err, -errno, "/: %s", strerror(errno));
    r = walk(&w, err);
    (void)close(w.folder);
    return r;
}

int keyfile_open(const char *path, struct err *err)
{
    int fd = open(path, KEYFILE_FLAGS), r;

    if (fd < 0 && errno == ELOOP)
        fd = open_through_links(path, err);
    else if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (fd < 0)
        return fd;
    r = check_file(fd, path, err);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    return fd;
}
