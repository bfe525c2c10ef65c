#include "keeper/audit/audit_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_directory(int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return err_set(err, -EPERM, "%s: the audit directory belongs to user %u, not to %u", path,
                       (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & (S_IWGRP | S_IWOTH))
        return err_set(err, -EPERM,
                       "%s: others may write in the audit directory (mode %04o); use chmod go-w",
                       path, (unsigned)st.st_mode & 07777);
    if (faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) < 0)
        return err_set(err, -errno, "%s: the audit directory can't be written: %s", path,
                       strerror(errno));
    return 0;
}

int audit_dir_open(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

    if (fd < 0 && errno == ENOENT)
        return err_set(err, -ENOENT,
                       "%s: the audit directory is not there; make it with: install -d -m 0750 %s",
                       path, path);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    r = check_directory(fd, path, err);
    if (r < 0) {
        (void)close(fd);
        return r;
    }
    return fd;
}

int audit_dir_lock(int directory, const char *path, struct err *err)
{
    int fd = openat(directory, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600), r;

    if (fd < 0)
        return err_set(err, -errno, "%s/.lock: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    r = err_set(err, -errno, "%s: %s", path,
                errno == EWOULDBLOCK ? "another keeper writes there" : strerror(errno));
    (void)close(fd);
    return r;
}
