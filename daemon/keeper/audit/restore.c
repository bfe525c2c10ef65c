#include "keeper/audit/restore.h"

#include "audit/segments.h"

#include "audit/verify.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char TEMPORARY[] = ".restoring";

/* Whether the segment in the file is the one that was written, to its last byte. */
static int verify_copy(int fd, uint64_t next_seq, const struct chain_hash *last, struct err *err)
{
    struct segment_reader reader = SEGMENT_READER_INIT;
    struct verify verify = {0};
    struct slice line = SLICE_NULL;
    const char *why = NULL;
    int r = verify_init(&verify);

    if (r < 0)
        return err_set(err, r, "out of memory");
    segment_reader_borrow(&reader, fd, false);
    while (!why && (r = segment_read(&reader, &line)) == 1)
        why = verify_line(&verify, line);
    if (!why && r == 0 && line.len)
        why = "it has no end";
    if (!why && r == 0 && (verify.next_seq != next_seq || !chain_same(&verify.last, last)))
        why = "it is not what was written";
    if (r < 0)
        r = err_set(err, r, "it can't be read back");
    else if (why == VERIFY_NO_MEMORY)
        r = err_set(err, -ENOMEM, "%s", why);
    else if (why)
        r = err_set(err, -EBADMSG, "line %" PRIu64 ": %s", reader.line, why);
    segment_reader_close(&reader);
    verify_deinit(&verify);
    return r;
}

/*
 * Gives the file that has the segment's name another one that is free, too: at no moment the name
 * is without a file, or a start in between would go on in the segment before. What can't have two
 * names (a directory) loses the first.
 */
static int set_aside(struct restored *out, const struct active_segment *active)
{
    for (unsigned i = 1; i < 1000; i++) {
        (void)snprintf(out->kept, sizeof(out->kept), i == 1 ? "%s.replaced" : "%s.replaced-%u",
                       active->name, i);
        if (linkat(active->directory, active->name, active->directory, out->kept, 0) == 0)
            return 0;
        if (errno == EPERM && renameat2(active->directory, active->name, active->directory,
                                        out->kept, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    out->kept[0] = '\0';
    return errno == ENOENT ? 0 : -errno;
}

int restore_segment(struct restored *out, const struct active_segment *active, uint64_t next_seq,
                    const struct chain_hash *last, struct err *err)
{
    int fd, r;

    out->kept[0] = '\0';
    (void)unlinkat(active->directory, TEMPORARY, 0);
    fd = openat(active->directory, TEMPORARY,
                O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", TEMPORARY, strerror(errno));
    r = file_copy_fd(fd, active->fd, 0, active->size);
    if (r == 0 && (fchmod(fd, 0640) < 0 || fsync(fd) < 0))
        r = -errno;
    r = r < 0 ? err_set(err, r, "it can't be copied: %s", strerror(-r))
              : verify_copy(fd, next_seq, last, err);
    if (r == 0) {
        r = set_aside(out, active);
        if (r == 0 &&
            (renameat(active->directory, TEMPORARY, active->directory, active->name) < 0 ||
             fsync(active->directory) < 0))
            r = -errno;
        if (r < 0)
            (void)err_set(err, r, "it can't be given its name: %s", strerror(-r));
    }
    if (r == 0)
        return fd;
    (void)unlinkat(active->directory, TEMPORARY, 0);
    (void)close(fd);
    return r;
}
