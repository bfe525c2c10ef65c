/*
 * The admin socket: a Unix socket (mode 0660) that answers GET /healthz, /readyz and /metrics,
 * HTTP/1.1, one request for each connection. A few connections at a time, a head of a few kilobytes
 * and some seconds for each; no body, nothing that changes anything. When all places are taken, the
 * user with the most loses the oldest.
 */
#ifndef CENTION_SHIP_ADMIN_SOCKET_H
#define CENTION_SHIP_ADMIN_SOCKET_H

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

enum admin_socket_page {
    ADMIN_SOCKET_READY,
    ADMIN_SOCKET_METRICS,
};

struct admin_socket;

/* `put` appends a page's text and returns its status, or -errno. Errors as unix_listener_open
 * (base/unix_listener.h).
 */
int admin_socket_open(struct admin_socket **out, struct loop *loop, const char *path,
                      int (*put)(void *arg, enum admin_socket_page page, struct buf *text),
                      void *arg, struct err *err) MUST_CHECK;
void admin_socket_close(
    struct admin_socket *admin_socket); /* and all connections; NULL is allowed */

#endif
