#include "proxy/front/peer.h"

#include "base/log.h"
#include "users/unix_peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#if !defined(SO_PEERPIDFD) && !defined(__sparc__) && !defined(__hppa__) && !defined(__alpha__)
#define SO_PEERPIDFD 77
#endif

struct peers {
    struct sock_diag *diag; /* NULL when the kernel doesn't tell */
    struct user_map users;
};

int peers_new(struct peers **out)
{
    struct peers *p = calloc(1, sizeof(*p));
    struct err err = ERR_INIT;

    if (!p)
        return -ENOMEM;
    user_map_read(&p->users);
    if (!p->users.all)
        log_warning("identity_partial",
                    "overflow_uid=%u why=\"this user namespace doesn't know every user\"",
                    p->users.overflow);
    if (sock_diag_open(&p->diag, &err) < 0)
        log_warning("identity_unavailable",
                    "via=tcp error=%s why=\"the uid of TCP clients is unknown\"",
                    log_quote(slice_str(err.text)).text);
    *out = p;
    return 0;
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    sock_diag_close(p->diag);
    free(p);
}

static uint32_t known_uid(const struct peers *peers, uint32_t uid)
{
    return peers ? user_map_uid(&peers->users, uid) : uid;
}

static void identify_unix(struct client_peer *peer, int fd)
{
    struct ucred cred;
    int pidfd = -1;
    socklen_t len = sizeof(pidfd);

    unix_peer(fd, &cred);
    peer->uid = known_uid(peer->peers, cred.uid);
    peer->pid = cred.pid > 0 ? (uint32_t)cred.pid : 0;
#ifdef SO_PEERPIDFD
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) < 0) {
        pidfd = -1;
        /* The process has gone, as a rule: its number may be another's by now. */
        if (errno != ENOPROTOOPT)
            return;
    }
#else
    (void)len;
#endif
    process_describe(&peer->process, peer->pid, pidfd, cred.uid);
    if (pidfd >= 0)
        (void)close(pidfd);
}

static const char *why_not(int r)
{
    return r == SOCK_DIAG_NOBODY ? "nobody holds the other end" : strerror(-r);
}

static void identify_tcp(struct client_peer *peer, int fd)
{
    int r;

    if (!peer->peers || !peer->peers->diag)
        return;
    r = sock_diag_pair(peer->peers->diag, fd, &peer->pair);
    if (r == 0)
        r = sock_diag_find(peer->peers->diag, fd, &peer->pair, &peer->socket);
    if (r == 0)
        peer->uid = known_uid(peer->peers, peer->socket.uid);
    else if (r != SOCK_DIAG_ELSEWHERE)
        log_info("identity_unknown", "address=%s why=\"%s\"", peer->address, why_not(r));
}

void peer_identify(struct client_peer *peer, int fd, struct peers *peers)
{
    peer->peers = peers;
    peer->uid = PEER_UID_UNKNOWN;
    if (strcmp(peer->via, "unix") == 0)
        identify_unix(peer, fd);
    else
        identify_tcp(peer, fd);
}

/* Whether the kernel has to be asked again. */
static bool can_change(const struct client_peer *peer)
{
    return peer->uid != PEER_UID_UNKNOWN && strcmp(peer->via, "unix") != 0 && peer->peers;
}

/* What a look-up that ended with `r` says of the one of accept. */
static uint32_t uid_now(struct client_peer *peer, int r, const struct sock_diag_socket *now)
{
    if (r == 0 && sock_diag_same(now, &peer->socket))
        return peer->uid;
    if (!peer->doubted)
        log_warning("identity_lost", "address=%s uid=%u why=\"%s\"", peer->address, peer->uid,
                    r == 0 ? "another socket is at the other end" : why_not(r));
    peer->doubted = true;
    return PEER_UID_UNKNOWN;
}

uint32_t peer_uid(struct client_peer *peer, int fd)
{
    struct sock_diag_socket now;
    int r;

    if (!can_change(peer))
        return peer->uid;
    r = sock_diag_find(peer->peers->diag, fd, &peer->pair, &now);
    return uid_now(peer, r, &now);
}

void peer_uids(struct peer_question *questions, size_t n)
{
    struct sock_diag_question asked[SOCK_DIAG_BATCH];
    struct peer_question *from[SOCK_DIAG_BATCH];
    unsigned n_asked = 0;

    for (size_t i = 0; i < n; i++) {
        struct peer_question *q = &questions[i];

        q->uid = q->peer->uid;
        if (can_change(q->peer)) {
            from[n_asked] = q;
            asked[n_asked++] = (struct sock_diag_question){.pair = &q->peer->pair, .fd = q->fd};
        }
        if (n_asked == 0 || (n_asked < SOCK_DIAG_BATCH && i + 1 < n))
            continue;
        sock_diag_find_all(from[0]->peer->peers->diag, asked, n_asked);
        for (unsigned k = 0; k < n_asked; k++)
            from[k]->uid = uid_now(from[k]->peer, asked[k].result, &asked[k].socket);
        n_asked = 0;
    }
}
