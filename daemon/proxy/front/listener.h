/*
 * Listening sockets: TCP on loopback, Unix sockets, inherited ones; TCP elsewhere only inside TLS
 * with clients' certificates. Accepts in batches, tells
 * from where, and rests for a moment when the process is out of descriptors instead of
 * spinning.
 */
#ifndef CENTION_PROXY_FRONT_LISTENER_H
#define CENTION_PROXY_FRONT_LISTENER_H

#include "base/err.h"
#include "base/loop.h"
#include "proxy/front/client.h"

struct listener;

struct listener_conf {
    const char *name;    /* for the log: "api", "admin" */
    const char *address; /* an IP address, or NULL */
    unsigned port;       /* 0: any free one */
    const char *path;    /* of a Unix socket, or NULL */
    unsigned mode;       /* of the Unix socket's file */
    /* Paths of PEM files, for TLS with clients' certificates; NULL: plain. All three or none. */
    const char *certificate, *key, *client_ca;
};

struct listener_owner {
    /* Takes over the connected socket (non-blocking, close-on-exec). */
    void (*accepted)(void *arg, int fd, const struct client_peer *peer);
    /* The process is out of descriptors; true when the owner has closed some. */
    bool (*starved)(void *arg);
    void *arg;
    /* Whether a shared listener leaves a new connection to the others for a moment. May be NULL. */
    bool (*yields)(void *arg);
};

/* Binds and listens. A Unix socket's file is replaced only when nobody answers on it. */
int listener_open(struct listener **out, struct loop *loop, const struct listener_conf *conf,
                  const struct listener_owner *owner, struct err *err) MUST_CHECK;

/* Takes over an inherited listening socket: a Unix one, or TCP on loopback. */
int listener_adopt(struct listener **out, struct loop *loop, const char *name, int fd,
                   const struct listener_owner *owner, struct err *err) MUST_CHECK;

/*
 * The same socket for another loop, with TLS of its own from the files of `conf` when the first one
 * has it. Both take one connection a turn from then on, so that they spread. The socket is closed
 * when the last one is freed, its file removed with the first.
 */
int listener_share(struct listener **out, struct loop *loop, struct listener *first,
                   const struct listener_conf *conf, const struct listener_owner *owner,
                   struct err *err) MUST_CHECK;

/*
 * Reads the TLS files of the configuration again, for connections from now on; nothing on a plain
 * listener. On failure the old ones stay.
 */
int listener_renew(struct listener *l, const struct listener_conf *conf,
                   struct err *err) MUST_CHECK;

/* Stops or resumes accepting; connections wait in the kernel's queue meanwhile. */
void listener_hold(struct listener *l, bool hold);

/* Closes it and removes the file that listener_open made. NULL is allowed. */
void listener_free(struct listener *l);

/* True for 127.0.0.0/8 and ::1. */
bool listener_is_loopback(const char *address);

#endif
