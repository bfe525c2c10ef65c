#include "proxy/front/listener.h"

#include "base/log.h"
#include "base/resolve.h"
#include "proxy/tls/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    LISTENER_BACKLOG = 1024,
    LISTENER_BATCH = 64,
    LISTENER_REST_US = 200000,
    LISTENER_YIELD_US = 2000, /* of loops that have time at once; after it none had */
};

struct listener {
    struct loop *loop;
    int fd;
    char name[64];
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* to remove; "" when not ours */
    char where[128];
    unsigned port;           /* 0 for a Unix socket */
    unsigned batch;          /* accepts of one turn */
    struct tls_context *tls; /* NULL: plain */
    struct listener_owner owner;
    struct event event;
    struct loop_timer rest;
    bool held, resting;
    bool yielded; /* rests because it left a connection to others */
};

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

/* A literal address: what a name stands for may change. */
bool listener_is_loopback(const char *address)
{
    return strcmp(address, "localhost") != 0 && resolve_is_loopback(address);
}

static unsigned address_port(const union address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohs(a->in.sin_port);
    return a->any.sa_family == AF_INET6 ? ntohs(a->in6.sin6_port) : 0;
}

static void address_text(const union address *a, char *out, size_t room)
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (a->any.sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
        (void)snprintf(out, room, "%s:%u", host, ntohs(a->in.sin_port));
    } else if (a->any.sa_family == AF_INET6) {
        (void)inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
        (void)snprintf(out, room, "[%s]:%u", host, ntohs(a->in6.sin6_port));
    } else {
        (void)snprintf(out, room, "unix:%s", a->un.sun_path);
    }
}

/* What the connection itself tells; who is there is asked later (peer_identify). */
static void fill_peer(const struct listener *l, int fd, const union address *from,
                      struct client_peer *peer)
{
    int on = 1;

    *peer = (struct client_peer){
        .via = "unix", .uid = PEER_UID_UNKNOWN, .port = l->port, .tls = l->tls};
    if (from->any.sa_family != AF_INET && from->any.sa_family != AF_INET6) {
        (void)snprintf(peer->address, sizeof(peer->address), "%s", l->where);
        return;
    }
    peer->via = l->tls ? "tls" : "tcp";
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    address_text(from, peer->address, sizeof(peer->address));
}

static void listener_update(struct listener *l)
{
    if (l->held || l->resting)
        (void)event_del(&l->event);
    else
        (void)event_add(&l->event, NULL);
}

static void listener_rest(struct listener *l, uint64_t us)
{
    l->resting = true;
    listener_update(l);
    loop_timer_set(&l->rest, us);
}

static void listener_accept(struct listener *l)
{
    for (unsigned i = 0; i < l->batch && !l->held; i++) {
        union address from = {0};
        socklen_t len = sizeof(from);
        struct client_peer peer;
        int s = accept4(l->fd, &from.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (s >= 0) {
            fill_peer(l, s, &from, &peer);
            l->owner.accepted(l->owner.arg, s, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            int e = errno;

            if (l->owner.starved(l->owner.arg))
                continue;
            log_warning("accept_failed", "listener=%s address=%s error=\"%s\" rest_ms=%d", l->name,
                        l->where, strerror(e), LISTENER_REST_US / 1000);
            listener_rest(l, LISTENER_REST_US);
            return;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return;
        /* ECONNABORTED and the like concern that one connection only. */
    }
}

static void listener_rested(void *arg)
{
    struct listener *l = arg;
    bool yielded = l->yielded;

    l->resting = l->yielded = false;
    if (yielded)
        listener_accept(l);
    listener_update(l);
}

/* All loops that share it are woken: the one with the fewest connections need not be the first. */
static void listener_ready(evutil_socket_t fd, short what, void *arg)
{
    struct listener *l = arg;

    (void)fd;
    (void)what;
    if (!l->owner.yields || !l->owner.yields(l->owner.arg)) {
        listener_accept(l);
        return;
    }
    l->yielded = true;
    listener_rest(l, LISTENER_YIELD_US);
}

/* A socket file that a process answers on is in use; else it was left over. */
static int remove_stale(const union address *a, struct err *err)
{
    struct stat st;
    int s, r;

    if (lstat(a->un.sun_path, &st) < 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return err_set(err, -EEXIST, "%s exists and is no socket; remove it or choose another path",
                       a->un.sun_path);
    s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0)
        return err_set(err, -errno, "%s: %s", a->un.sun_path, strerror(errno));
    r = connect(s, &a->any, sizeof(a->un));
    if (r < 0 && errno == ECONNREFUSED) {
        (void)close(s);
        (void)unlink(a->un.sun_path);
        return 0;
    }
    (void)close(s);
    return err_set(err, -EADDRINUSE, "%s: another process is listening there", a->un.sun_path);
}

static int make_address(const struct listener_conf *conf, union address *a, socklen_t *len,
                        struct err *err)
{
    *a = (union address){0};
    if (conf->path) {
        a->un.sun_family = AF_UNIX;
        *len = sizeof(a->un);
        if (strlen(conf->path) >= sizeof(a->un.sun_path))
            return err_set(err, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes",
                           conf->path, sizeof(a->un.sun_path) - 1);
        memcpy(a->un.sun_path, conf->path, strlen(conf->path));
        return remove_stale(a, err);
    }
    if (inet_pton(AF_INET, conf->address, &a->in.sin_addr) == 1) {
        a->in.sin_family = AF_INET;
        a->in.sin_port = htons((uint16_t)conf->port);
        *len = sizeof(a->in);
        return 0;
    }
    if (inet_pton(AF_INET6, conf->address, &a->in6.sin6_addr) == 1) {
        a->in6.sin6_family = AF_INET6;
        a->in6.sin6_port = htons((uint16_t)conf->port);
        *len = sizeof(a->in6);
        return 0;
    }
    return err_set(err, -EINVAL, "\"%s\" is not an IP address", conf->address);
}

static int bind_and_listen(int fd, const struct listener_conf *conf, const union address *a,
                           socklen_t len, struct err *err)
{
    int on = 1, r;
    mode_t mask;

    if (!conf->path)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    mask = conf->path ? umask(0777 & ~conf->mode) : umask(0);
    r = bind(fd, &a->any, len);
    (void)umask(mask);
    if (r < 0 || listen(fd, LISTENER_BACKLOG) < 0) {
        char text[160];
        int e = errno;

        address_text(a, text, sizeof(text));
        return err_set(err, -e, "can't listen on %s: %s", text, strerror(e));
    }
    return 0;
}

/* Whether only this machine can reach it. */
static bool is_local(const union address *a)
{
    if (a->any.sa_family == AF_INET)
        return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
    return a->any.sa_family == AF_UNIX ||
           (a->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr));
}

static void listener_watch(struct listener *l)
{
    loop_timer_init(&l->rest, l->loop, listener_rested, l);
    (void)event_assign(&l->event, loop_base(l->loop), l->fd, EV_READ | EV_PERSIST, listener_ready,
                       l);
    listener_update(l);
}

/* Takes over `tls` when it succeeds. */
static int adopt(struct listener **out, struct loop *loop, const char *name, int fd,
                 struct tls_context *tls, const struct listener_owner *owner, struct err *err)
{
    struct listener *l = calloc(1, sizeof(*l));
    union address a = {0};
    socklen_t len = sizeof(a);

    if (!l) {
        (void)close(fd);
        return err_set(err, -ENOMEM, "out of memory");
    }
    *l = (struct listener){.loop = loop, .fd = fd, .owner = *owner, .batch = LISTENER_BATCH};
    (void)snprintf(l->name, sizeof(l->name), "%s", name);
    if (getsockname(fd, &a.any, &len) == 0)
        address_text(&a, l->where, sizeof(l->where));
    if (!tls && !is_local(&a)) {
        (void)close(fd);
        free(l);
        return err_set(err, -EPERM,
                       "an inherited socket must be a Unix socket or listen on loopback");
    }
    l->tls = tls;
    l->port = address_port(&a);
    listener_watch(l);
    log_info("listening", "listener=%s address=%s", l->name, l->where);
    *out = l;
    return 0;
}

int listener_adopt(struct listener **out, struct loop *loop, const char *name, int fd,
                   const struct listener_owner *owner, struct err *err)
{
    return adopt(out, loop, name, fd, NULL, owner, err);
}

/* A descriptor of its own: what one loop closes, another may still be watching. */
int listener_share(struct listener **out, struct loop *loop, struct listener *first,
                   const struct listener_conf *conf, const struct listener_owner *owner,
                   struct err *err)
{
    struct listener *l = calloc(1, sizeof(*l));
    struct tls_context *tls = NULL;
    int r = l ? 0 : err_set(err, -ENOMEM, "out of memory");

    if (r == 0 && first->tls)
        r = tls_context_server(&tls, conf->certificate, conf->key, conf->client_ca, err);
    if (r < 0) {
        free(l);
        return r;
    }
    *l = *first;
    l->loop = loop;
    l->owner = *owner;
    l->tls = tls;
    l->path[0] = '\0';
    l->batch = first->batch = 1;
    l->fd = fcntl(first->fd, F_DUPFD_CLOEXEC, 0);
    if (l->fd < 0) {
        r = err_set(err, -errno, "%s: %s", l->where, strerror(errno));
        tls_context_free(tls);
        free(l);
        return r;
    }
    listener_watch(l);
    *out = l;
    return 0;
}

int listener_renew(struct listener *l, const struct listener_conf *conf, struct err *err)
{
    struct tls_context *tls = NULL;
    int r;

    if (!l->tls || !conf->certificate)
        return 0;
    r = tls_context_server(&tls, conf->certificate, conf->key, conf->client_ca, err);
    if (r < 0)
        return r;
    tls_context_free(l->tls);
    l->tls = tls;
    return 0;
}

int listener_open(struct listener **out, struct loop *loop, const struct listener_conf *conf,
                  const struct listener_owner *owner, struct err *err)
{
    union address a;
    socklen_t len = 0;
    struct tls_context *tls = NULL;
    int fd, r = make_address(conf, &a, &len, err);

    if (r == 0 && conf->certificate)
        r = tls_context_server(&tls, conf->certificate, conf->key, conf->client_ca, err);
    if (r < 0)
        return r;
    fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    r = fd < 0 ? err_set(err, -errno, "socket: %s", strerror(errno))
               : bind_and_listen(fd, conf, &a, len, err);
    if (r < 0 && fd >= 0)
        (void)close(fd);
    if (r == 0)
        r = adopt(out, loop, conf->name, fd, tls, owner, err);
    if (r < 0)
        tls_context_free(tls);
    if (r == 0 && conf->path)
        (void)snprintf((*out)->path, sizeof((*out)->path), "%s", conf->path);
    return r;
}

void listener_hold(struct listener *l, bool hold)
{
    if (l->held == hold)
        return;
    l->held = hold;
    listener_update(l);
}

void listener_free(struct listener *l)
{
    if (!l)
        return;
    loop_timer_deinit(&l->rest);
    (void)event_del(&l->event);
    (void)close(l->fd);
    tls_context_free(l->tls);
    if (l->path[0])
        (void)unlink(l->path);
    free(l);
}
