/*
 * What the preloads of the fault tests share: which files are the audit log's. A preload is loaded
 * into the keeper, whose audit files one thread touches. It calls the kernel itself.
 *
 * CENTION_PRELOAD_AUDIT is the audit directory. A file is known by its inode from the moment it is
 * opened for writing in that directory; what else the process does passes untouched.
 */
#ifndef CENTION_TESTS_E2E_PRELOAD_AUDIT_FILES_H
#define CENTION_TESTS_E2E_PRELOAD_AUDIT_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORTED  __attribute__((visibility("default")))
#define ALIAS(of) __attribute__((visibility("default"), alias(of)))

struct audit_file {
    ino_t inode;
    off_t low, high; /* [low, high) was changed since the last sync; high 0: nothing */
    off_t synced;    /* its size at the last sync */
    bool segment;    /* of the log */
};

enum { AUDIT_FILES_MAX = 8192 };

static struct audit_file audit_files[AUDIT_FILES_MAX];
static size_t n_audit_files;
static const char *audit_path;
static struct stat audit_stat;

__attribute__((noreturn)) static void broken(const char *what)
{
    (void)fprintf(stderr, "preload: %s: %s\n", what, strerror(errno));
    abort();
}

__attribute__((constructor)) static void audit_files_init(void)
{
    audit_path = getenv("CENTION_PRELOAD_AUDIT");
    if (!audit_path || stat(audit_path, &audit_stat) < 0)
        broken("CENTION_PRELOAD_AUDIT");
}

static bool is_audit_directory(const struct stat *st)
{
    return S_ISDIR(st->st_mode) && st->st_dev == audit_stat.st_dev &&
           st->st_ino == audit_stat.st_ino;
}

/* Whether a path names something directly in the audit directory. */
static bool in_audit(int directory, const char *path)
{
    const char *slash = strrchr(path, '/');
    char parent[4096];
    struct stat st;

    if (!slash)
        (void)snprintf(parent, sizeof(parent), ".");
    else if (slash == path || slash - path >= (ptrdiff_t)sizeof(parent))
        return false;
    else
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
    return fstatat(directory, parent, &st, 0) == 0 && is_audit_directory(&st);
}

static struct audit_file *audit_file_of(const struct stat *st)
{
    if (S_ISREG(st->st_mode) && st->st_dev == audit_stat.st_dev)
        for (size_t i = n_audit_files; i-- > 0;)
            if (audit_files[i].inode == st->st_ino)
                return &audit_files[i];
    return NULL;
}

/* NULL when the descriptor is not of a file that was opened for writing in the directory. */
static struct audit_file *audit_file(int fd)
{
    int before = errno;
    struct stat st;
    struct audit_file *f = fstat(fd, &st) < 0 ? NULL : audit_file_of(&st);

    errno = before;
    return f;
}

static struct audit_file *audit_file_add(const struct stat *st, off_t synced)
{
    struct audit_file *f = audit_file_of(st);

    if (!f) {
        if (n_audit_files == AUDIT_FILES_MAX)
            broken("too many files");
        f = &audit_files[n_audit_files++];
    }
    *f = (struct audit_file){.inode = st->st_ino, .synced = synced};
    return f;
}

static void audit_file_changed(struct audit_file *f, off_t low, off_t high)
{
    if (f->high == 0 || low < f->low)
        f->low = low;
    if (high > f->high)
        f->high = high;
}

/* After `n` bytes were written at the descriptor's position. */
static void audit_file_wrote(struct audit_file *f, int fd, ssize_t n)
{
    int before = errno;
    off_t end = lseek(fd, 0, SEEK_CUR);

    if (n > 0)
        audit_file_changed(f, end - n, end);
    errno = before;
}

/* The mode argument of open(2), which is there only with these flags. */
#define MODE_OF(flags, last)                                                                       \
    __extension__({                                                                                \
        mode_t mode_ = 0;                                                                          \
        if (((flags)&O_CREAT) || ((flags)&O_TMPFILE) == O_TMPFILE) {                               \
            va_list list_;                                                                         \
            va_start(list_, last);                                                                 \
            mode_ = va_arg(list_, mode_t);                                                         \
            va_end(list_);                                                                         \
        }                                                                                          \
        mode_;                                                                                     \
    })

#endif
