#include "proxy/front/sock_diag.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

enum {
    SOCK_DIAG_STALE_MAX =
        2 * SOCK_DIAG_BATCH, /* answers to earlier questions that may lie before ours */
};

struct sock_diag {
    int fd;
    uint32_t seq;
    uint64_t net; /* the network namespace that the kernel looks into */
};

union ip {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static struct in6_addr mapped(in_addr_t v4)
{
    struct in6_addr a = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

    memcpy(a.s6_addr + 12, &v4, sizeof(v4));
    return a;
}

static bool is_loopback(const struct in6_addr *a)
{
    return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

static bool read_address(const union ip *from, struct in6_addr *address, in_port_t *port)
{
    if (from->any.sa_family == AF_INET) {
        *address = mapped(from->in.sin_addr.s_addr);
        *port = from->in.sin_port;
    } else if (from->any.sa_family == AF_INET6) {
        *address = from->in6.sin6_addr;
        *port = from->in6.sin6_port;
    } else {
        return false;
    }
    return is_loopback(address);
}

/* 0 when the kernel is too old to tell: then nothing is said of TCP clients. */
static uint64_t net_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof(cookie);

    return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

int sock_diag_pair(const struct sock_diag *d, int fd, struct sock_diag_pair *out)
{
    union ip theirs = {0}, ours = {0};
    socklen_t len = sizeof(theirs);

    if (getpeername(fd, &theirs.any, &len) < 0)
        return -errno;
    len = sizeof(ours);
    if (getsockname(fd, &ours.any, &len) < 0)
        return -errno;
    if (!read_address(&theirs, &out->theirs, &out->their_port) ||
        !read_address(&ours, &out->ours, &out->our_port) || net_of(fd) != d->net)
        return SOCK_DIAG_ELSEWHERE;
    return 0;
}

static void put_address(uint32_t out[4], const struct in6_addr *a, bool v4)
{
    if (v4)
        memcpy(out, a->s6_addr + 12, 4);
    else
        memcpy(out, a->s6_addr, 16);
}

/* A socket of IPv6 may hold a connection of IPv4: its addresses are then mapped ones. */
static bool is_address(const uint32_t found[4], unsigned family, const struct in6_addr *a)
{
    struct in6_addr t;

    if (family == AF_INET)
        t = mapped(found[0]);
    else
        memcpy(&t, found, sizeof(t));
    return memcmp(&t, a, sizeof(t)) == 0;
}

/* One question in netlink's form. */
struct ask {
    struct nlmsghdr head;
    struct inet_diag_req_v2 body;
};

_Static_assert(sizeof(struct ask) == NLMSG_ALIGN(sizeof(struct ask)), "questions lie in a row");

union reply {
    struct nlmsghdr head;
    char bytes[512]; /* longer than any that was asked for */
};

/* About the socket whose own end is `theirs`. The kernel may fall back to a listening one. */
static struct ask ask_about(struct sock_diag *d, const struct sock_diag_pair *pair)
{
    bool v4 = IN6_IS_ADDR_V4MAPPED(&pair->theirs);
    struct ask q = {
        .head = {.nlmsg_len = sizeof(q),
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST,
                 .nlmsg_seq = ++d->seq},
        .body = {.sdiag_family = v4 ? AF_INET : AF_INET6,
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = UINT32_MAX,
                 /* No interface: a socket that is bound to one is not found, and is unknown. */
                 .id = {.idiag_sport = pair->their_port,
                        .idiag_dport = pair->our_port,
                        .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };

    put_address(q.body.id.idiag_src, &pair->theirs, v4);
    put_address(q.body.id.idiag_dst, &pair->ours, v4);
    return q;
}

/* What a whole reply says: 0 and the socket, or a negative errno. */
static int read_reply(const union reply *reply, struct inet_diag_msg *out)
{
    const struct nlmsghdr *head = &reply->head;

    if (head->nlmsg_type == NLMSG_ERROR &&
        head->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr))) {
        const struct nlmsgerr *e = NLMSG_DATA(head);

        return e->error < 0 ? e->error : -EPROTO;
    }
    if (head->nlmsg_type != SOCK_DIAG_BY_FAMILY || head->nlmsg_len < NLMSG_LENGTH(sizeof(*out)))
        return -EPROTO;
    memcpy(out, NLMSG_DATA(head), sizeof(*out));
    return 0;
}

static int send_questions(struct sock_diag *d, const struct ask *questions, unsigned n)
{
    while (send(d->fd, questions, n * sizeof(*questions), MSG_DONTWAIT) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* The answer to question number d->seq; waits for nothing. */
static int sock_diag_answer(struct sock_diag *d, struct inet_diag_msg *out)
{
    union reply in;

    for (unsigned i = 0; i < SOCK_DIAG_STALE_MAX; i++) {
        ssize_t n = recv(d->fd, &in, sizeof(in), MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (NLMSG_OK(&in.head, (size_t)n) && in.head.nlmsg_seq == d->seq)
            return read_reply(&in, out);
    }
    return -EAGAIN;
}

static int sock_diag_ask(struct sock_diag *d, const struct sock_diag_pair *pair,
                         struct inet_diag_msg *out)
{
    struct ask q = ask_about(d, pair);
    int r = send_questions(d, &q, 1);

    return r < 0 ? r : sock_diag_answer(d, out);
}

/* Our end has not ended: connected, and perhaps the other side will send no more. */
static bool is_connected(int fd)
{
    uint8_t state = 0; /* the first member of struct tcp_info */
    socklen_t len = sizeof(state);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &len) == 0 &&
           (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT);
}

/* Whether it is the very pair that was asked about, in a state to ask for something. */
static int look_at(const struct inet_diag_msg *m, const struct sock_diag_pair *pair,
                   struct sock_diag_socket *out)
{
    if (m->id.idiag_sport != pair->their_port || m->id.idiag_dport != pair->our_port ||
        !is_address(m->id.idiag_src, m->idiag_family, &pair->theirs) ||
        !is_address(m->id.idiag_dst, m->idiag_family, &pair->ours))
        return SOCK_DIAG_NOBODY;
    /* Half-closed is FIN_WAIT; the rest comes only after we have closed our half. */
    if (m->idiag_inode == 0 || (m->idiag_state != TCP_ESTABLISHED &&
                                m->idiag_state != TCP_FIN_WAIT1 && m->idiag_state != TCP_FIN_WAIT2))
        return SOCK_DIAG_NOBODY;
    *out = (struct sock_diag_socket){.cookie = (uint64_t)m->id.idiag_cookie[1] << 32 |
                                               m->id.idiag_cookie[0],
                                     .inode = m->idiag_inode,
                                     .uid = m->idiag_uid};
    return 0;
}

static int found(int r, const struct inet_diag_msg *m, const struct sock_diag_pair *pair,
                 struct sock_diag_socket *out)
{
    if (r == -ENOENT)
        return SOCK_DIAG_NOBODY;
    return r < 0 ? r : look_at(m, pair, out);
}

int sock_diag_find(struct sock_diag *d, int fd, const struct sock_diag_pair *pair,
                   struct sock_diag_socket *out)
{
    struct inet_diag_msg m;
    int r = found(sock_diag_ask(d, pair, &m), &m, pair, out);

    return r == 0 && !is_connected(fd) ? SOCK_DIAG_NOBODY : r;
}

/* What came for the questions that are numbered from `first` on. */
static void take_replies(struct sock_diag *d, uint32_t first, struct sock_diag_question *questions,
                         unsigned n)
{
    union reply in[SOCK_DIAG_BATCH];
    struct iovec at[SOCK_DIAG_BATCH];
    struct mmsghdr messages[SOCK_DIAG_BATCH];
    int got;

    for (unsigned i = 0; i < n; i++) {
        at[i] = (struct iovec){&in[i], sizeof(in[i])};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &at[i], .msg_iovlen = 1}};
    }
    got = recvmmsg(d->fd, messages, n, MSG_DONTWAIT, NULL);
    for (int i = 0; i < got; i++) {
        uint32_t number = in[i].head.nlmsg_seq - first;
        struct inet_diag_msg m;
        struct sock_diag_question *q;

        if (!NLMSG_OK(&in[i].head, messages[i].msg_len) || number >= n)
            continue;
        q = &questions[number];
        q->result = found(read_reply(&in[i], &m), &m, q->pair, &q->socket);
    }
}

void sock_diag_find_all(struct sock_diag *d, struct sock_diag_question *questions, unsigned n)
{
    struct ask asks[SOCK_DIAG_BATCH];

    for (unsigned i = 0; i < n; i++) {
        questions[i].result = -EAGAIN;
        asks[i] = ask_about(d, questions[i].pair);
    }
    if (n && send_questions(d, asks, n) == 0)
        take_replies(d, asks[0].head.nlmsg_seq, questions, n);
    /* An answer may have been lost among the many: that question is asked again alone. */
    for (unsigned i = 0; i < n; i++)
        if (questions[i].result == -EAGAIN)
            questions[i].result =
                sock_diag_find(d, questions[i].fd, questions[i].pair, &questions[i].socket);
}

bool sock_diag_same(const struct sock_diag_socket *a, const struct sock_diag_socket *b)
{
    return a->cookie == b->cookie && a->inode == b->inode && a->uid == b->uid;
}

/* A listening socket of our own must be found. */
static int sock_diag_try(struct sock_diag *d)
{
    union ip a = {.in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}};
    socklen_t len = sizeof(a);
    struct sock_diag_pair pair = {.ours = mapped(0)};
    struct inet_diag_msg m = {0};
    int r, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (bind(fd, &a.any, sizeof(a.in)) < 0 || listen(fd, 0) < 0 ||
        getsockname(fd, &a.any, &len) < 0) {
        r = -errno;
    } else {
        (void)read_address(&a, &pair.theirs, &pair.their_port);
        r = sock_diag_ask(d, &pair, &m);
        if (r == 0 && (m.idiag_inode == 0 || m.idiag_state != TCP_LISTEN))
            r = -EPROTO;
    }
    (void)close(fd);
    return r;
}

int sock_diag_open(struct sock_diag **out, struct err *err)
{
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    struct sock_diag *d = calloc(1, sizeof(*d));
    int r;

    if (!d)
        return err_set(err, -ENOMEM, "out of memory");
    d->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
    if (d->fd < 0) {
        r = err_set(err, -errno, "no netlink socket: %s", strerror(errno));
    } else if (connect(d->fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
        /* A connected netlink socket receives from the kernel only. */
        r = err_set(err, -errno, "netlink: %s", strerror(errno));
    } else if ((d->net = net_of(d->fd)) == 0) {
        r = err_set(err, -ENOPROTOOPT, "the kernel doesn't tell network namespaces apart");
    } else if ((r = sock_diag_try(d)) < 0) {
        r = err_set(err, r, "sock_diag: %s", strerror(-r));
    } else {
        *out = d;
        return 0;
    }
    sock_diag_close(d);
    return r;
}

void sock_diag_close(struct sock_diag *d)
{
    if (!d)
        return;
    if (d->fd >= 0)
        (void)close(d->fd);
    free(d);
}
