/*
 * Accepting is bounded per turn, so that many new connections do not delay the open ones. It pauses
 * when descriptors run out, because the event would fire again at once.
 */
#include "base/unix_listener.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    UNIX_LISTENER_BACKLOG = 64,
    UNIX_LISTENER_TURN = 16,         /* connections taken in one turn */
    UNIX_LISTENER_PAUSE_US = 100000, /* microseconds without accepting when descriptors run out */
};

struct unix_listener {
    struct loop *loop;
    int fd;
    struct event *readable;
    struct loop_timer pause;
    void (*arrived)(void *arg, int fd);
    void *arg;
    char *path; /* of the file that we made; NULL otherwise */
    dev_t dev;
    ino_t ino;
};

static void unix_listener_resume(void *arg)
{
    struct unix_listener *d = arg;

    (void)event_add(d->readable, NULL);
}

static void unix_listener_readable(evutil_socket_t fd, short what, void *arg)
{
    struct unix_listener *d = arg;

    (void)what;
    for (unsigned i = 0; i < UNIX_LISTENER_TURN; i++) {
        int got = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (got >= 0) {
            d->arrived(d->arg, got);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            log_warning("accept_paused", "why=\"%s\"", strerror(errno));
            (void)event_del(d->readable);
            loop_timer_set(&d->pause, UNIX_LISTENER_PAUSE_US);
        }
        return;
    }
}

/* Takes over a listening, non-blocking socket. */
static int unix_listener_new(struct unix_listener **out, struct loop *loop, int fd,
                             void (*arrived)(void *arg, int fd), void *arg, struct err *err)
{
    struct unix_listener *d = calloc(1, sizeof(*d));

    if (!d) {
        (void)close(fd);
        return err_set(err, -ENOMEM, "out of memory");
    }
    *d = (struct unix_listener){.loop = loop, .fd = fd, .arrived = arrived, .arg = arg};
    loop_timer_init(&d->pause, loop, unix_listener_resume, d);
    d->readable = event_new(loop_base(loop), fd, EV_READ | EV_PERSIST, unix_listener_readable, d);
    if (!d->readable || event_add(d->readable, NULL) < 0) {
        unix_listener_close(d);
        return err_set(err, -ENOMEM, "out of memory");
    }
    *out = d;
    return 0;
}

/* Makes room for the socket: 0 when nothing is there any more. */
static int clear_stale(const struct sockaddr_un *address, struct err *err)
{
    const char *path = address->sun_path;
    struct stat st;
    int fd, r = 0;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, -EEXIST, "%s: there is a file that is not a socket", path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        r = err_set(err, -EADDRINUSE, "%s: another daemon already answers there", path);
    else if (errno != ECONNREFUSED)
        r = err_set(err, -errno, "%s: %s", path, strerror(errno));
    else if (unlink(path) < 0 && errno != ENOENT)
        r = err_set(err, -errno, "%s: the socket of an earlier daemon can't be removed: %s", path,
                    strerror(errno));
    (void)close(fd);
    return r;
}

static int bind_private(int fd, const struct sockaddr_un *address, mode_t mode)
{
    /* Connecting needs write permission on the file, which bind(2) makes with the umask. */
    mode_t before = umask(0777 & ~mode);
    int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

    (void)umask(before);
    return r;
}

int unix_listener_open(struct unix_listener **out, struct loop *loop, const char *path, mode_t mode,
                       void (*arrived)(void *arg, int fd), void *arg, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct unix_listener *d = NULL;
    struct stat st;
    int fd, r;

    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, -ENAMETOOLONG, "%s: longer than %zu bytes, the limit of a Unix socket",
                       path, sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, path, strlen(path));
    r = clear_stale(&address, err);
    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, -errno, "%s: %s", path, strerror(errno));
    r = bind_private(fd, &address, mode);
    if (r < 0) {
        (void)close(fd);
        return err_set(err, r, "%s: %s", path, strerror(-r));
    }
    if (lstat(path, &st) < 0 || listen(fd, UNIX_LISTENER_BACKLOG) < 0) {
        r = err_set(err, -errno, "%s: %s", path, strerror(errno));
        (void)unlink(path);
        (void)close(fd);
        return r;
    }
    r = unix_listener_new(&d, loop, fd, arrived, arg, err);
    if (r == 0 && !(d->path = strdup(path))) {
        unix_listener_close(d);
        r = err_set(err, -ENOMEM, "out of memory");
    }
    if (r < 0) {
        (void)unlink(path);
        return r;
    }
    d->dev = st.st_dev;
    d->ino = st.st_ino;
    *out = d;
    return 0;
}

int unix_listener_inherit(struct unix_listener **out, struct loop *loop, int fd,
                          void (*arrived)(void *arg, int fd), void *arg, struct err *err)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || address.ss_family != AF_UNIX) {
        (void)close(fd);
        return err_set(err, -EINVAL, "the inherited socket is no Unix socket");
    }
    return unix_listener_new(out, loop, fd, arrived, arg, err);
}

void unix_listener_close(struct unix_listener *d)
{
    struct stat st;

    if (!d)
        return;
    loop_timer_deinit(&d->pause);
    if (d->readable)
        event_free(d->readable);
    if (d->path && lstat(d->path, &st) == 0 && st.st_dev == d->dev && st.st_ino == d->ino)
        (void)unlink(d->path);
    (void)close(d->fd);
    free(d->path);
    free(d);
}
