/*
 * Who is at the other end of a client's connection, as the kernel tells it: for a Unix socket the
 * uid and process that connected (SO_PEERCRED, SO_PEERPIDFD), for TCP within this machine the uid
 * that created the client's socket (proxy/front/sock_diag.h). Whatever isn't certain is unknown,
 * never 0.
 */
#ifndef CENTION_PROXY_FRONT_PEER_H
#define CENTION_PROXY_FRONT_PEER_H

#include "proxy/front/process.h"
#include "proxy/front/sock_diag.h"

#define PEER_UID_UNKNOWN UINT32_MAX

/* What identifying needs: a netlink socket, and what the user namespace does to uids. */
struct peers;
struct tls_context;

struct client_peer {
    const char *via;            /* "tcp", "unix" or "tls" */
    char address[128];          /* of the peer: "127.0.0.1:40000", "[::1]:40000", or "unix:PATH" */
    uint32_t uid;               /* at accept; PEER_UID_UNKNOWN when not known */
    uint32_t pid;               /* Unix sockets; 0 when not known */
    unsigned port;              /* of ours that it came in on; 0 for a Unix socket */
    struct process process;     /* Unix sockets */
    struct peers *peers;        /* borrowed */
    struct sock_diag_pair pair; /* TCP, while uid is known */
    struct sock_diag_socket socket;
    char certificate[256];   /* the name in a verified certificate; "" without one */
    struct tls_context *tls; /* to be spoken with it; NULL: plain. Needed by client_new only */
    bool doubted;            /* a later look-up disagreed, and the log has it */
};

/*
 * Opens what identifying needs; before the process confines itself. Where sock_diag can't be used
 * a warning is logged, and the uid of every TCP client is unknown. -ENOMEM.
 */
int peers_new(struct peers **out) MUST_CHECK;

/* After the last connection. NULL is allowed. */
void peers_free(struct peers *peers);

/*
 * Fills uid, pid and process of the accepted socket `fd` (borrowed); `via` and `address` are there.
 * Without `peers` nothing is known of TCP clients.
 */
void peer_identify(struct client_peer *peer, int fd, struct peers *peers);

/*
 * The uid now. For TCP the kernel is asked again: the uid of accept if the very same socket is
 * still at the other end and somebody holds it, else PEER_UID_UNKNOWN, with one warning per
 * connection. Costs some microseconds, waits for nothing.
 */
uint32_t peer_uid(struct client_peer *peer, int fd);

/* A connection of which peer_uid is wanted. */
struct peer_question {
    struct client_peer *peer;
    int fd;
    uint32_t uid; /* the answer */
};

/* peer_uid for many connections that have the same `peers`, in as few calls as can be. */
void peer_uids(struct peer_question *questions, size_t n);

#endif
