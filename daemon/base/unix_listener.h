/*
 * A daemon's listening Unix socket: its own, or one inherited from a service manager.
 */
#ifndef CENTION_BASE_UNIX_LISTENER_H
#define CENTION_BASE_UNIX_LISTENER_H

#include "base/err.h"
#include "base/loop.h"

#include <sys/types.h>

struct unix_listener;

/*
 * Binds and listens. A socket file that nobody answers on any more is replaced; -EADDRINUSE when
 * someone does, -EEXIST for a file that is no socket, other -errno; err filled. The socket is
 * never open to more than `mode`, not even for a moment. `arrived` gets each new connection: a
 * non-blocking descriptor that is its own from then on.
 */
int unix_listener_open(struct unix_listener **out, struct loop *loop, const char *path, mode_t mode,
                       void (*arrived)(void *arg, int fd), void *arg, struct err *err) MUST_CHECK;

/*
 * The same on an inherited listening socket (taken over, on failure too), whose file stays when it
 * is closed. -EINVAL when it is no Unix socket.
 */
int unix_listener_inherit(struct unix_listener **out, struct loop *loop, int fd,
                          void (*arrived)(void *arg, int fd), void *arg,
                          struct err *err) MUST_CHECK;

/* Stops listening and removes the socket file if it is still the one that was made. NULL is
 * allowed. */
void unix_listener_close(struct unix_listener *listener);

#endif
