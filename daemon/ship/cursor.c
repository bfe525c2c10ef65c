#include "ship/cursor.h"

#include "audit/line.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_file(struct cursor *c, struct receipt *out, const char **why)
{
    struct buf text = BUF_INIT(RECEIPT_MAX);
    int fd = openat(c->folder, c->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r;

    if (fd < 0)
        return -errno;
    r = file_read_fd(&text, fd);
    (void)close(fd);
    *why = r == 0 ? receipt_read(buf_slice(&text), out) : NULL;
    if (r == -EFBIG) {
        *why = "it is too long";
        r = 0;
    }
    buf_deinit(&text);
    return r;
}

int cursor_open(struct cursor *c, int folder, const char *name, bool receipt,
                const struct seal_key *log, struct err *err)
{
    struct receipt found = {0};
    const char *why = NULL;
    int r;

    *c = (struct cursor){.folder = folder};
    (void)snprintf(c->file, sizeof(c->file), "%s.%s", name, receipt ? "receipt" : "cursor");
    (void)snprintf(c->fresh, sizeof(c->fresh), ".%s.new", c->file);
    r = read_file(c, &found, &why);
    if (r < 0 && r != -ENOENT)
        return err_set(err, r, "%s: %s", c->file, strerror(-r));
    if (why)
        log_warning("cursor", "file=%s why=\"%s: it will be written anew\"", c->file, why);
    if (r == 0 && !why && memcmp(found.log.bytes, log->bytes, SEAL_KEY) == 0)
        c->at = found;
    (void)snprintf(c->at.sink, sizeof(c->at.sink), "%s", name);
    c->at.log = *log;
    return 0;
}

static int write_fresh(const struct cursor *c, const struct buf *text)
{
    struct slice s = buf_slice(text);
    int fd, r;

    (void)unlinkat(c->folder, c->fresh, 0);
    fd = openat(c->folder, c->fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    r = file_write_fd(fd, s.data, s.len);
    /* Whatever the umask: the keeper is another user, and there is no secret in it. */
    if (r == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0))
        r = -errno;
    if (close(fd) < 0 && r == 0)
        r = -errno;
    return r;
}

int cursor_write(struct cursor *c, const struct ship_place *place)
{
    struct buf text = BUF_INIT(RECEIPT_MAX);
    struct receipt now = c->at;
    int r;

    now.epoch = place->epoch;
    now.seq = place->seq;
    now.hash = place->hash;
    record_time(now.time, loop_wall());
    r = receipt_write(&text, &now);
    if (r == 0)
        r = write_fresh(c, &text);
    if (r == 0 && (renameat(c->folder, c->fresh, c->folder, c->file) < 0 || fsync(c->folder) < 0))
        r = -errno;
    if (r == 0)
        c->at = now;
    else
        (void)unlinkat(c->folder, c->fresh, 0);
    buf_deinit(&text);
    return r;
}

int cursor_revoke(struct cursor *c)
{
    const struct ship_place nothing = {0};
    int r = cursor_write(c, &nothing);

    if (r == 0)
        return 0;
    if (unlinkat(c->folder, c->file, 0) < 0 && errno != ENOENT)
        return r;
    c->at.epoch = c->at.seq = 0;
    c->at.hash = nothing.hash;
    c->at.time[0] = '\0';
    return fsync(c->folder) < 0 ? -errno : 0;
}

uint64_t cursor_time(const struct cursor *c)
{
    const struct line line = {.time = {c->at.time, SEAL_TIME}};

    return c->at.time[0] ? line_time(&line) : 0;
}
