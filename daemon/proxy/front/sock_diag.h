/*
 * The owner of the socket at the other end of a TCP connection within this machine, asked of the
 * kernel by sock_diag(7), by the exact addresses and ports of the other end, never by a search.
 *
 * The uid is that of whoever created the socket. A socket that nobody holds any more (its owner
 * closed it; the kernel tells it as uid 0 with inode 0) is nobody's, never root's.
 */
#ifndef CENTION_PROXY_FRONT_SOCK_DIAG_H
#define CENTION_PROXY_FRONT_SOCK_DIAG_H

#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

struct sock_diag;

/* The two ends of a connection as the other side sees them; IPv4 is mapped into IPv6. */
struct sock_diag_pair {
    struct in6_addr theirs, ours;
    in_port_t their_port, our_port; /* in network order */
};

/* A socket that somebody holds. Two answers tell of the same one when all three are equal. */
struct sock_diag_socket {
    uint64_t cookie; /* of the kernel; never used twice while it runs */
    uint32_t inode;  /* not 0 */
    uint32_t uid;    /* as this process's user namespace sees it */
};

enum {
    SOCK_DIAG_NOBODY = 1, /* no such socket, or nobody holds it, or in no state to ask something */
    SOCK_DIAG_ELSEWHERE = 2, /* an end isn't on loopback, or lies in another network namespace */
};

/*
 * Opens the netlink socket that all look-ups use, and tries it with a listening socket of its own,
 * so that the kernel's module is there before the first client. A negative errno with *err where
 * the kernel, or what confines this process (AF_NETLINK), doesn't let it.
 */
int sock_diag_open(struct sock_diag **out, struct err *err) MUST_CHECK;

/* NULL is allowed. */
void sock_diag_close(struct sock_diag *d);

/* The ends of the accepted socket `fd`. 0, SOCK_DIAG_ELSEWHERE, or a negative errno. */
int sock_diag_pair(const struct sock_diag *d, int fd, struct sock_diag_pair *out) MUST_CHECK;

/*
 * The socket at the other end of the accepted socket `fd`, whose pair it is. 0, SOCK_DIAG_NOBODY,
 * or a negative errno when the kernel doesn't tell. It never waits: the kernel answers a question
 * of netlink before the sending call returns.
 *
 * Our own end is looked at last: as long as it is connected nobody else can have a connection of
 * that pair, so the socket that was found is the one that sent us what we read.
 */
int sock_diag_find(struct sock_diag *d, int fd, const struct sock_diag_pair *pair,
                   struct sock_diag_socket *out) MUST_CHECK;

enum {
    SOCK_DIAG_BATCH = 32, /* questions that sock_diag_find_all takes */
};

/* One of many questions: what sock_diag_find is given, and what it would return. */
struct sock_diag_question {
    const struct sock_diag_pair *pair;
    int fd;
    int result;
    struct sock_diag_socket socket;
};

/* sock_diag_find for at most SOCK_DIAG_BATCH at a time, for the price of two system calls and one
 * for each.
 */
void sock_diag_find_all(struct sock_diag *d, struct sock_diag_question *questions, unsigned n);

bool sock_diag_same(const struct sock_diag_socket *a, const struct sock_diag_socket *b);

#endif
