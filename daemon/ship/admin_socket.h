/*
 * Where the administrator asks: a Unix socket (mode 0660) that answers GET /healthz, /readyz and
 * /metrics, HTTP/1.1, one request for each connection. A few connections at a time, a head of a few
 * kilobytes and some seconds for each; no body, nothing that changes anything.
 */
#ifndef CENTION_SHIP_ADMIN_SOCKET_H
#define CENTION_SHIP_ADMIN_SOCKET_H

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"

enum desk_page {
    DESK_READY,
    DESK_METRICS,
};

struct desk;

/* `put` appends a page's text and returns its status, or -errno. Errors as door_open
 * (base/unix_listener.h).
 */
int desk_open(struct desk **out, struct loop *loop, const char *path,
              int (*put)(void *arg, enum desk_page page, struct buf *text), void *arg,
              struct err *err) __attribute__((warn_unused_result));
void desk_close(struct desk *desk); /* and all connections; NULL is fine */

#endif
