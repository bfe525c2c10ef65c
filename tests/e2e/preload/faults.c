/*
 * Makes the audit directory a disk that fails when the test says so. CENTION_PRELOAD_FAULTS is a
 * file of `struct fault` that the test maps, too (outage.Faults): it counts the calls and says
 * which of them fail, for the log's segments and for the directory's other files apart.
 *
 * A sync that fails loses what it was to make durable, as Linux does: what was written since the
 * last sync is gone from the file, and the next sync succeeds.
 */
#include "audit_files.h"

#include <sys/mman.h>

enum operation { WRITE, FDATASYNC, FSYNC, FALLOCATE, CREATE, RENAME, OPERATIONS };

enum {
    SHORT = 0x10000,       /* in `error`: the first write to fail takes half of the bytes */
    FOR_EVER = UINT32_MAX, /* in `times` */
};

/* FSYNC of the directory itself counts with the other files. */
struct fault {
    volatile uint32_t error; /* errno, and SHORT */
    volatile uint32_t after; /* so many calls are well before */
    volatile uint32_t times; /* so many fail then; 0: none */
    volatile uint32_t calls, failed;
};

static struct fault *faults;

__attribute__((constructor)) static void init(void)
{
    const char *path = getenv("CENTION_PRELOAD_FAULTS");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    void *map =
        mmap(NULL, 2 * OPERATIONS * sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (fd < 0 || map == MAP_FAILED)
        broken("CENTION_PRELOAD_FAULTS");
    (void)close(fd);
    faults = map;
}

/* The error of this call, with SHORT, or 0. */
static uint32_t failing(enum operation operation, bool segment)
{
    struct fault *f = &faults[(segment ? 0 : OPERATIONS) + operation];

    f->calls++;
    if (!f->times)
        return 0;
    if (f->after) {
        f->after--;
        return 0;
    }
    if (f->times != FOR_EVER)
        f->times--;
    f->failed++;
    if (f->error & SHORT) {
        f->error &= ~(uint32_t)SHORT;
        return f->error | SHORT;
    }
    return f->error;
}

static int fail(uint32_t error)
{
    errno = (int)error;
    return -1;
}

static bool is_segment(const char *path)
{
    const char *slash = strrchr(path, '/');

    return strncmp(slash ? slash + 1 : path, "audit-", 6) == 0;
}

/* ---- opening ---- */

static int open_seen(int directory, const char *path, int flags, mode_t mode)
{
    bool ours = (flags & O_ACCMODE) != O_RDONLY && in_audit(directory, path);
    struct stat st;
    bool fresh = ours && (flags & O_CREAT) && fstatat(directory, path, &st, 0) < 0;
    uint32_t error;
    int fd;

    if (fresh) {
        error = failing(CREATE, is_segment(path));
        if (error)
            return fail(error);
    }
    fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (ours && fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
        (fresh || !audit_file_of(&st)))
        audit_file_add(&st, st.st_size)->segment = is_segment(path);
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

/* ---- writing ---- */

EXPORTED ssize_t write(int fd, const void *data, size_t n)
{
    struct audit_file *f = audit_file(fd);
    uint32_t error = f ? failing(WRITE, f->segment) : 0;
    ssize_t written;

    if (error && (!(error & SHORT) || n < 2))
        return fail(error & ~(uint32_t)SHORT);
    written = syscall(SYS_write, fd, data, error ? n / 2 : n);
    if (f)
        audit_file_wrote(f, fd, written);
    return written;
}

EXPORTED ssize_t writev(int fd, const struct iovec *list, int n)
{
    struct audit_file *f = audit_file(fd);
    uint32_t error = f ? failing(WRITE, f->segment) : 0;
    ssize_t written;

    if (error && (!(error & SHORT) || n < 2))
        return fail(error & ~(uint32_t)SHORT);
    written = syscall(SYS_writev, fd, list, error ? n / 2 : n);
    if (f)
        audit_file_wrote(f, fd, written);
    return written;
}

EXPORTED ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
    struct audit_file *f = audit_file(fd);
    uint32_t error = f ? failing(WRITE, f->segment) : 0;
    ssize_t written;

    if (error && (!(error & SHORT) || n < 2))
        return fail(error & ~(uint32_t)SHORT);
    written = syscall(SYS_pwrite64, fd, data, error ? n / 2 : n, offset);
    if (f && written > 0)
        audit_file_changed(f, offset, offset + written);
    return written;
}

EXPORTED int fallocate(int fd, int mode, off_t offset, off_t n)
{
    struct audit_file *f = audit_file(fd);
    uint32_t error = f ? failing(FALLOCATE, f->segment) : 0;

    return error ? fail(error) : (int)syscall(SYS_fallocate, fd, mode, offset, n);
}

EXPORTED int posix_fallocate(int fd, off_t offset, off_t n)
{
    return fallocate(fd, 0, offset, n) < 0 ? errno : 0;
}

/* ---- syncing ---- */

static void lose_unsynced(struct audit_file *f, int fd)
{
    static const char ZEROS[4096];
    int flags = fcntl(fd, F_GETFL);

    if (f->high && f->low >= f->synced) {
        if (syscall(SYS_ftruncate, fd, f->synced) < 0)
            broken("ftruncate");
    } else if (f->high) {
        (void)fcntl(fd, F_SETFL, flags & ~O_APPEND); /* or pwrite would append */
        for (off_t at = f->low; at < f->high; at += (off_t)sizeof(ZEROS))
            if (syscall(SYS_pwrite64, fd, ZEROS,
                        f->high - at < (off_t)sizeof(ZEROS) ? (size_t)(f->high - at)
                                                            : sizeof(ZEROS),
                        at) < 0)
                broken("pwrite");
        (void)fcntl(fd, F_SETFL, flags);
    }
    f->low = f->high = 0;
}

static int sync_seen(int fd, enum operation operation, int number)
{
    struct audit_file *f = audit_file(fd);
    struct stat st;
    bool known = fstat(fd, &st) == 0 && (f || is_audit_directory(&st));
    uint32_t error = known ? failing(operation, f && f->segment) : 0;
    int r;

    if (error) {
        if (f)
            lose_unsynced(f, fd);
        return fail(error);
    }
    r = (int)syscall(number, fd);
    if (r == 0 && f) {
        f->synced = st.st_size;
        f->low = f->high = 0;
    }
    return r;
}

EXPORTED int fdatasync(int fd)
{
    return sync_seen(fd, FDATASYNC, SYS_fdatasync);
}

EXPORTED int fsync(int fd)
{
    return sync_seen(fd, FSYNC, SYS_fsync);
}

/* ---- renaming ---- */

EXPORTED int renameat2(int from_directory, const char *from, int to_directory, const char *to,
                       unsigned flags)
{
    uint32_t error = in_audit(to_directory, to) ? failing(RENAME, is_segment(to)) : 0;

    return error ? fail(error)
                 : (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
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
int __open64_2(const char *, int) ALIAS("__open_2");
int __openat64_2(int, const char *, int) ALIAS("__openat_2");
ssize_t pwrite64(int, const void *, size_t, off_t) ALIAS("pwrite");
int fallocate64(int, int, off_t, off_t) ALIAS("fallocate");
int posix_fallocate64(int, off_t, off_t) ALIAS("posix_fallocate");
