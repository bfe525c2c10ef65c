/*
 * Makes the audit directory a disk that loses everything not synced when the power goes. It keeps
 * a shadow of what is durable in the directory CENTION_PRELOAD_SHADOW:
 *
 *   names      "INODE NAME" lines: the directory as it was when it was last synced
 *   inodes/I   the content of inode I as it was when it was last synced; without such a file the
 *              inode was not changed since the shadow was begun
 *   new/I      the former while it is being copied
 *   kept/I     a link to an inode that lost a name, so that its number is not given away
 *
 * After a kill the test puts the directory together again from it (outage.py). Nothing is durable
 * that was not asked for: a file's sync says nothing of its name, nor the directory's of contents.
 * O_DSYNC and O_SYNC count as a sync after each write. sync(2), io_uring and mappings are not seen.
 *
 * CENTION_PRELOAD_SYNC_US: how long a sync takes, as on a real disk; the power may go meanwhile.
 * CENTION_PRELOAD_LIE=fdatasync or =directory: that sync claims success and makes nothing durable.
 */
#include "audit_files.h"

#include <dirent.h>

static char shadow[4096];
static const char *lie = "";
static useconds_t sync_us;

__attribute__((constructor)) static void init(void)
{
    const char *path = getenv("CENTION_PRELOAD_SHADOW");

    if (!path || strlen(path) > sizeof(shadow) - 64)
        broken("CENTION_PRELOAD_SHADOW");
    (void)snprintf(shadow, sizeof(shadow), "%s", path);
    if (getenv("CENTION_PRELOAD_LIE"))
        lie = getenv("CENTION_PRELOAD_LIE");
    if (getenv("CENTION_PRELOAD_SYNC_US"))
        sync_us = (useconds_t)atoi(getenv("CENTION_PRELOAD_SYNC_US"));
}

struct place {
    char path[sizeof(shadow) + 64];
};

static struct place place(const char *kind, ino_t inode)
{
    struct place p;

    (void)snprintf(p.path, sizeof(p.path), "%s/%s/%llu", shadow, kind, (unsigned long long)inode);
    return p;
}

/* The kernel's own calls: these files are ours. */
static int sys_open(int directory, const char *path, int flags, mode_t mode)
{
    return (int)syscall(SYS_openat, directory, path, flags | O_CLOEXEC, mode);
}

static void copy_range(int to, int from, off_t low, off_t high)
{
    char block[64 * 1024];

    while (low < high) {
        size_t want = high - low < (off_t)sizeof(block) ? (size_t)(high - low) : sizeof(block);
        ssize_t n = pread(from, block, want, low);

        if (n < 0 || (n > 0 && syscall(SYS_pwrite64, to, block, (size_t)n, low) != n))
            broken("the shadow can't be written");
        if (n == 0)
            return;
        low += n;
    }
}

/* Before an inode is changed for the first time: what it holds now is durable. */
static void begin_shadow(int fd, const struct stat *st)
{
    struct place p = place("inodes", st->st_ino), new = place("new", st->st_ino);
    int to;

    if (access(p.path, F_OK) == 0)
        return;
    to = sys_open(AT_FDCWD, new.path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0)
        broken(new.path);
    copy_range(to, fd, 0, st->st_size);
    /* Whole or not there: the kill may come at any moment. */
    if (fchmod(to, st->st_mode & 07777) < 0 ||
        syscall(SYS_renameat2, AT_FDCWD, new.path, AT_FDCWD, p.path, 0) < 0)
        broken(p.path);
    (void)close(to);
}

/* All that changed in the file since its last sync is durable now. */
static void make_durable(struct audit_file *f, int fd)
{
    struct place p = place("inodes", f->inode);
    int to = sys_open(AT_FDCWD, p.path, O_WRONLY, 0);
    struct stat st;

    if (to < 0 || fstat(fd, &st) < 0)
        broken(p.path);
    if (f->high)
        copy_range(to, fd, f->low, f->high < st.st_size ? f->high : st.st_size);
    if (syscall(SYS_ftruncate, to, st.st_size) < 0 || fchmod(to, st.st_mode & 07777) < 0)
        broken(p.path);
    (void)close(to);
    f->low = f->high = 0;
}

static void make_names_durable(void)
{
    char path[sizeof(shadow) + 8], new[sizeof(shadow) + 8];
    DIR *dir = opendir(audit_path);
    struct dirent *entry;
    FILE *out;

    (void)snprintf(path, sizeof(path), "%s/names", shadow);
    (void)snprintf(new, sizeof(new), "%s/.names", shadow);
    out = fopen(new, "we");
    if (!dir || !out)
        broken(new);
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)fprintf(out, "%llu %s\n", (unsigned long long)entry->d_ino, entry->d_name);
    (void)closedir(dir);
    if (fclose(out) != 0 || syscall(SYS_renameat2, AT_FDCWD, new, AT_FDCWD, path, 0) < 0)
        broken(path);
}

/* Before a name goes: its inode stays, as the name may come back. */
static void keep(int directory, const char *path)
{
    int before = errno;
    struct stat st;

    if (in_audit(directory, path) && fstatat(directory, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode)) {
        struct place p = place("kept", st.st_ino);

        if (syscall(SYS_linkat, directory, path, AT_FDCWD, p.path, 0) < 0 && errno != EEXIST)
            broken(p.path);
    }
    errno = before;
}

/* ---- opening ---- */

static int open_seen(int directory, const char *path, int flags, mode_t mode)
{
    bool ours = ((flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC))) &&
                (flags & O_TMPFILE) != O_TMPFILE && in_audit(directory, path);
    struct stat before, st;
    bool there = ours && fstatat(directory, path, &before, 0) == 0;
    int fd;

    if (!ours)
        return (int)syscall(SYS_openat, directory, path, flags, mode);
    if (there && (flags & O_TRUNC)) { /* what is cut off may come back */
        int old = sys_open(directory, path, O_RDONLY, 0);

        if (old >= 0) {
            begin_shadow(old, &before);
            (void)close(old);
        }
    }
    /* Readable, because a sync has to see what was written. */
    if ((flags & O_ACCMODE) == O_WRONLY)
        flags = (flags & ~O_ACCMODE) | O_RDWR;
    fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return fd;
    begin_shadow(fd, &st);
    if (!there || !audit_file_of(&st))
        (void)audit_file_add(&st, st.st_size);
    return fd;
}

EXPORTED int openat(int directory, const char *path, int flags, ...)
{
    return open_seen(directory, path, flags, MODE_OF(flags, flags));
}

EXPORTED int open(const char *path, int flags, ...)
{
    return open_seen(AT_FDCWD, path, flags, MODE_OF(flags, flags));
}

EXPORTED int creat(const char *path, mode_t mode)
{
    return open_seen(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

int __open_2(const char *path, int flags);
int __openat_2(int directory, const char *path, int flags);

EXPORTED int __open_2(const char *path, int flags)
{
    return open_seen(AT_FDCWD, path, flags, 0);
}

EXPORTED int __openat_2(int directory, const char *path, int flags)
{
    return open_seen(directory, path, flags, 0);
}

/* ---- changing ---- */

static ssize_t wrote(int fd, ssize_t n)
{
    struct audit_file *f = audit_file(fd);

    if (f && n > 0) {
        audit_file_wrote(f, fd, n);
        if (fcntl(fd, F_GETFL) & (O_DSYNC | O_SYNC))
            make_durable(f, fd);
    }
    return n;
}

static ssize_t wrote_at(int fd, ssize_t n, off_t offset)
{
    struct audit_file *f = audit_file(fd);
    struct stat st;

    if (f && n > 0) {
        /* With O_APPEND it went to the end, whatever was asked (pwrite(2), BUGS). */
        if ((fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &st) == 0)
            offset = st.st_size - n;
        audit_file_changed(f, offset, offset + n);
        if (fcntl(fd, F_GETFL) & (O_DSYNC | O_SYNC))
            make_durable(f, fd);
    }
    return n;
}

EXPORTED ssize_t write(int fd, const void *data, size_t n)
{
    return wrote(fd, syscall(SYS_write, fd, data, n));
}

EXPORTED ssize_t writev(int fd, const struct iovec *list, int n)
{
    return wrote(fd, syscall(SYS_writev, fd, list, n));
}

EXPORTED ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
    return wrote_at(fd, syscall(SYS_pwrite64, fd, data, n, offset), offset);
}

EXPORTED int ftruncate(int fd, off_t size)
{
    struct audit_file *f = audit_file(fd);
    struct stat st;
    bool known = f && fstat(fd, &st) == 0;
    int r = (int)syscall(SYS_ftruncate, fd, size);

    if (r == 0 && known && size != st.st_size)
        audit_file_changed(f, size < st.st_size ? size : st.st_size, size + 1);
    return r;
}

EXPORTED int fallocate(int fd, int mode, off_t offset, off_t n)
{
    struct audit_file *f = audit_file(fd);
    int r = (int)syscall(SYS_fallocate, fd, mode, offset, n);

    if (r == 0 && f && mode != FALLOC_FL_KEEP_SIZE)
        audit_file_changed(f, offset, offset + n);
    return r;
}

EXPORTED int posix_fallocate(int fd, off_t offset, off_t n)
{
    return fallocate(fd, 0, offset, n) < 0 ? errno : 0;
}

/* ---- syncing ---- */

static int synced(int fd, const char *call, int number)
{
    struct audit_file *f = audit_file(fd);
    struct stat st;
    int r = (int)syscall(number, fd);

    if (r < 0)
        return r;
    if (sync_us)
        (void)usleep(sync_us);
    if (f && strcmp(lie, call) != 0)
        make_durable(f, fd);
    else if (!f && fstat(fd, &st) == 0 && is_audit_directory(&st) && strcmp(lie, "directory") != 0)
        make_names_durable();
    return r;
}

EXPORTED int fdatasync(int fd)
{
    return synced(fd, "fdatasync", SYS_fdatasync);
}

EXPORTED int fsync(int fd)
{
    return synced(fd, "fsync", SYS_fsync);
}

/* ---- names ---- */

EXPORTED int unlinkat(int directory, const char *path, int flags)
{
    keep(directory, path);
    return (int)syscall(SYS_unlinkat, directory, path, flags);
}

EXPORTED int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORTED int renameat2(int from_directory, const char *from, int to_directory, const char *to,
                       unsigned flags)
{
    keep(from_directory, from);
    keep(to_directory, to);
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}

EXPORTED int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    return renameat2(from_directory, from, to_directory, to, 0);
}

EXPORTED int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int open64(const char *, int, ...) ALIAS("open");
int openat64(int, const char *, int, ...) ALIAS("openat");
int creat64(const char *, mode_t) ALIAS("creat");
int __open64_2(const char *, int) ALIAS("__open_2");
int __openat64_2(int, const char *, int) ALIAS("__openat_2");
ssize_t pwrite64(int, const void *, size_t, off_t) ALIAS("pwrite");
int ftruncate64(int, off_t) ALIAS("ftruncate");
int fallocate64(int, int, off_t, off_t) ALIAS("fallocate");
int posix_fallocate64(int, off_t, off_t) ALIAS("posix_fallocate");
