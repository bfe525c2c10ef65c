/* Real connections on loopback, and what the kernel tells of their other ends. */
#include "proxy/front/sock_diag.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

union ip {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

struct world {
    struct sock_diag *diag;
    int listener, client, server; /* -1 when closed */
    union ip to;
    socklen_t to_len;
};

static union ip ip(const char *text, in_port_t port)
{
    union ip a = {0};

    if (strchr(text, ':')) {
        a.in6.sin6_family = AF_INET6;
        a.in6.sin6_port = port;
        a.in6.sin6_addr = strcmp(text, "::1") == 0 ? in6addr_loopback : in6addr_any;
        if (strcmp(text, "::ffff:127.0.0.1") == 0)
            memcpy(&a.in6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
    } else {
        a.in.sin_family = AF_INET;
        a.in.sin_port = port;
        a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    return a;
}

static void begin(struct world *w)
{
    struct err err = ERR_INIT;

    *w = (struct world){.listener = -1, .client = -1, .server = -1};
    CU_ASSERT_EQUAL_FATAL(sock_diag_open(&w->diag, &err), 0);
}

static void drop(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void finish(struct world *w)
{
    drop(&w->client);
    drop(&w->server);
    drop(&w->listener);
    sock_diag_close(w->diag);
}

/* Listens there; *w->to is where the port is. */
static void listen_at(struct world *w, const char *at, const char *to)
{
    union ip a = ip(at, 0), b;
    socklen_t len = sizeof(a);

    w->listener = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(w->listener, &a.any, len), 0);
    CU_ASSERT_EQUAL_FATAL(listen(w->listener, 8), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(w->listener, &a.any, &len), 0);
    b = ip(to, a.in.sin_port); /* the port is at the same place in both */
    w->to = b;
    w->to_len = b.any.sa_family == AF_INET ? sizeof(b.in) : sizeof(b.in6);
}

static int dial(struct world *w)
{
    int fd = socket(w->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CU_ASSERT_EQUAL_FATAL(connect(fd, &w->to.any, w->to_len), 0);
    return fd;
}

static void join(struct world *w, const char *at, const char *to)
{
    listen_at(w, at, to);
    w->client = dial(w);
    w->server = accept(w->listener, NULL, NULL);
    CU_ASSERT_FATAL(w->server >= 0);
}

static int find(struct world *w, struct sock_diag_socket *out)
{
    struct sock_diag_pair pair;
    int r = sock_diag_pair(w->diag, w->server, &pair);

    memset(out, 0, sizeof(*out));
    return r ? r : sock_diag_find(w->diag, w->server, &pair, out);
}

static uint32_t inode_of(int fd)
{
    struct stat st;

    CU_ASSERT_EQUAL(fstat(fd, &st), 0);
    return (uint32_t)st.st_ino;
}

static void check_ours(struct world *w)
{
    struct sock_diag_socket s, again;

    CU_ASSERT_EQUAL(find(w, &s), 0);
    CU_ASSERT_EQUAL(s.uid, geteuid());
    CU_ASSERT_EQUAL(s.inode, inode_of(w->client));
    CU_ASSERT_EQUAL(find(w, &again), 0);
    CU_ASSERT(sock_diag_same(&s, &again));
    again.cookie++;
    CU_ASSERT_FALSE(sock_diag_same(&s, &again));
}

static void every_family(void)
{
    static const char *const ENDS[][2] = {{"127.0.0.1", "127.0.0.1"},
                                          {"127.0.0.1", "::ffff:127.0.0.1"},
                                          {"::1", "::1"},
                                          {"::", "127.0.0.1"},
                                          {"::", "::1"},
                                          {"::ffff:127.0.0.1", "127.0.0.1"}};
    struct world w;

    for (size_t i = 0; i < sizeof(ENDS) / sizeof(ENDS[0]); i++) {
        begin(&w);
        join(&w, ENDS[i][0], ENDS[i][1]);
        check_ours(&w);
        finish(&w);
    }
}

static void half_closed(void)
{
    struct sock_diag_socket s;
    struct world w;

    begin(&w);
    join(&w, "127.0.0.1", "127.0.0.1");
    CU_ASSERT_EQUAL(shutdown(w.client, SHUT_WR), 0);
    check_ours(&w);
    finish(&w);
    /* Our own half closed: no request is under way any more, and nobody is told. */
    begin(&w);
    join(&w, "127.0.0.1", "127.0.0.1");
    CU_ASSERT_EQUAL(shutdown(w.server, SHUT_WR), 0);
    CU_ASSERT_EQUAL(find(&w, &s), SOCK_DIAG_NOBODY);
    finish(&w);
}

/* The kernel says uid 0 and inode 0 of what nobody holds. */
static void closed(void)
{
    struct linger now = {1, 0};
    struct sock_diag_socket s;
    struct sock_diag_pair pair;
    struct world w;

    for (int reset = 0; reset < 2; reset++) {
        begin(&w);
        join(&w, "::", "127.0.0.1");
        CU_ASSERT_EQUAL(write(w.client, "x", 1), 1);
        CU_ASSERT_EQUAL(sock_diag_pair(w.diag, w.server, &pair), 0);
        if (reset)
            (void)setsockopt(w.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        drop(&w.client);
        CU_ASSERT_EQUAL(sock_diag_find(w.diag, w.server, &pair, &s), SOCK_DIAG_NOBODY);
        finish(&w);
    }
}

/* Sockets of that address that nobody can have sent a request from. */
static void not_connected(void)
{
    struct sock_diag_pair pair = {
        .theirs = {.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}}};
    union ip a = {0};
    socklen_t len = sizeof(a);
    struct sock_diag_socket s;
    int waiting[8];
    struct world w;

    begin(&w);
    join(&w, "127.0.0.1", "127.0.0.1");
    pair.their_port = w.to.in.sin_port; /* a listening one: the kernel falls back to it */
    pair.ours.s6_addr[10] = pair.ours.s6_addr[11] = 0xff;
    CU_ASSERT_EQUAL(sock_diag_find(w.diag, w.server, &pair, &s), SOCK_DIAG_NOBODY);
    pair.ours = pair.theirs;
    pair.our_port = htons(1);
    CU_ASSERT_EQUAL(sock_diag_find(w.diag, w.server, &pair, &s), SOCK_DIAG_NOBODY);
    /* Nobody accepts, so the last ones wait for their SYN's answer. */
    CU_ASSERT_EQUAL(listen(w.listener, 0), 0);
    for (int i = 0; i < 8; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        CU_ASSERT_EQUAL(connect(waiting[i], &w.to.any, w.to_len), -1);
    }
    CU_ASSERT_EQUAL(getsockname(waiting[7], &a.any, &len), 0);
    pair.their_port = a.in.sin_port;
    pair.our_port = w.to.in.sin_port;
    CU_ASSERT_EQUAL(sock_diag_find(w.diag, w.server, &pair, &s), SOCK_DIAG_NOBODY);
    for (int i = 0; i < 8; i++)
        (void)close(waiting[i]);
    finish(&w);
}

/*
 * A connection that was reset before it was accepted, and another's that has its port now: the
 * other's socket must not be taken for the one that spoke.
 */
static void a_port_used_again(void)
{
    struct linger now = {1, 0};
    struct sock_diag_socket s;
    struct sock_diag_pair pair;
    union ip from = ip("127.0.0.1", 0);
    socklen_t len = sizeof(from);
    int second, on = 1;
    struct world w;

    begin(&w);
    listen_at(&w, "127.0.0.1", "127.0.0.1");
    /* An address of our own, so that nobody else happens to use the port. */
    from.in.sin_addr.s_addr = htonl(0x7f4d0000 | (getpid() & 0xffff));
    w.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(w.client, &from.any, sizeof(from.in)), 0);
    CU_ASSERT_EQUAL_FATAL(connect(w.client, &w.to.any, w.to_len), 0);
    CU_ASSERT_EQUAL(getsockname(w.client, &from.any, &len), 0);
    CU_ASSERT_EQUAL(write(w.client, "x", 1), 1);
    (void)setsockopt(w.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    drop(&w.client);
    w.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(w.client, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    CU_ASSERT_EQUAL_FATAL(bind(w.client, &from.any, len), 0);
    CU_ASSERT_EQUAL_FATAL(connect(w.client, &w.to.any, w.to_len), 0);

    w.server = accept(w.listener, NULL, NULL);
    second = accept(w.listener, NULL, NULL);
    CU_ASSERT_FATAL(w.server >= 0 && second >= 0);
    CU_ASSERT_EQUAL(sock_diag_pair(w.diag, second, &pair), 0);
    CU_ASSERT_EQUAL(sock_diag_find(w.diag, second, &pair, &s), 0);
    CU_ASSERT_EQUAL(sock_diag_find(w.diag, w.server, &pair, &s), SOCK_DIAG_NOBODY);
    (void)close(second);
    finish(&w);
}

/* A client of another user: whoever creates the socket, also when a third one holds it. */
static void other_users(void)
{
    struct sock_diag_socket s;
    struct world w;
    int pipes[2];
    char c;
    pid_t child;

    if (geteuid() != 0) {
        unit_skip("only root can become another user");
        return;
    }
    begin(&w);
    listen_at(&w, "127.0.0.1", "127.0.0.1");
    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    child = fork();
    if (child == 0) {
        (void)close(pipes[1]);
        if (setuid(12345) < 0 || dial(&w) < 0)
            _exit(1);
        (void)!read(pipes[0], &c, 1); /* until the test has seen it */
        _exit(0);
    }
    w.server = accept(w.listener, NULL, NULL);
    CU_ASSERT_EQUAL(find(&w, &s), 0);
    CU_ASSERT_EQUAL(s.uid, 12345);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
    CU_ASSERT_EQUAL(find(&w, &s), SOCK_DIAG_NOBODY);
    drop(&w.server);

    CU_ASSERT_EQUAL_FATAL(pipe(pipes), 0);
    w.client = dial(&w);
    w.server = accept(w.listener, NULL, NULL);
    child = fork();
    if (child == 0) {
        (void)close(pipes[1]);
        if (setuid(12345) < 0)
            _exit(1);
        (void)!read(pipes[0], &c, 1);
        _exit(0);
    }
    drop(&w.client); /* the child holds the last one */
    CU_ASSERT_EQUAL(find(&w, &s), 0);
    CU_ASSERT_EQUAL(s.uid, 0);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
    CU_ASSERT_EQUAL(find(&w, &s), SOCK_DIAG_NOBODY);
    finish(&w);
}

static void bound_to_an_interface(void)
{
    struct sock_diag_socket s;
    struct world w;

    begin(&w);
    listen_at(&w, "127.0.0.1", "127.0.0.1");
    w.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (setsockopt(w.client, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) < 0) {
        unit_skip("no SO_BINDTODEVICE here");
    } else {
        CU_ASSERT_EQUAL_FATAL(connect(w.client, &w.to.any, w.to_len), 0);
        w.server = accept(w.listener, NULL, NULL);
        CU_ASSERT_EQUAL(find(&w, &s), SOCK_DIAG_NOBODY);
    }
    finish(&w);
}

/* This machine's address on a network, from this machine: not loopback, so nothing is said. */
static void not_loopback(void)
{
    struct ifaddrs *all = NULL, *i;
    struct sock_diag_socket s;
    struct world w;

    CU_ASSERT_EQUAL_FATAL(getifaddrs(&all), 0);
    for (i = all; i; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET && !(i->ifa_flags & IFF_LOOPBACK))
            break;
    if (!i) {
        unit_skip("no network here");
    } else {
        begin(&w);
        listen_at(&w, "::", "127.0.0.1");
        w.to.in.sin_addr = ((struct sockaddr_in *)i->ifa_addr)->sin_addr;
        w.client = dial(&w);
        w.server = accept(w.listener, NULL, NULL);
        CU_ASSERT_EQUAL(find(&w, &s), SOCK_DIAG_ELSEWHERE);
        finish(&w);
    }
    freeifaddrs(all);
}

static void another_network(void)
{
    struct world w;
    pid_t child;
    int status = 0;

    begin(&w);
    child = fork();
    if (child == 0) {
        struct ifreq up = {.ifr_name = "lo", .ifr_flags = IFF_UP};
        struct sock_diag_socket s;
        int fd;

        if (unshare(CLONE_NEWNET) < 0)
            _exit(77);
        fd = socket(AF_INET, SOCK_DGRAM, 0);
        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &up) < 0)
            _exit(77);
        join(&w, "127.0.0.1", "127.0.0.1");
        _exit(find(&w, &s) == SOCK_DIAG_ELSEWHERE ? 0 : 1);
    }
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    if (WEXITSTATUS(status) == 77)
        unit_skip("no network namespaces here");
    else
        CU_ASSERT_EQUAL(status, 0);
    finish(&w);
}

/* An answer that nobody fetched lies before ours. */
static void stale_answers(void)
{
    int netlink = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 ask;
    } q = {.head = {.nlmsg_len = sizeof(q),
                    .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                    .nlmsg_flags = NLM_F_REQUEST,
                    .nlmsg_seq = 0xffffff},
           .ask = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP}};
    struct sock_diag_socket s;
    struct world w;

    (void)close(netlink); /* sock_diag_open gets the same number */
    begin(&w);
    join(&w, "127.0.0.1", "127.0.0.1");
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(send(netlink, &q, sizeof(q), 0), sizeof(q));
    check_ours(&w);
    for (int i = 0; i < 160; i++) /* too many: an error, never a wrong answer */
        CU_ASSERT_EQUAL(send(netlink, &q, sizeof(q), 0), sizeof(q));
    CU_ASSERT(find(&w, &s) < 0);
    CU_ASSERT(find(&w, &s) < 0);
    check_ours(&w);
    finish(&w);
}

/* Many at once: each gets the answer that it would get alone, crowded or not. */
static void many(void)
{
    enum { MANY = SOCK_DIAG_BATCH };
    struct sock_diag_question questions[MANY];
    struct sock_diag_pair pairs[MANY];
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    int clients[MANY], servers[MANY];
    struct inet_diag_req_v2 ask = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP};
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 ask;
    } stale = {{sizeof(stale), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0xffffff, 0}, ask};
    struct world w;

    (void)close(netlink); /* sock_diag_open gets the same number */
    begin(&w);
    listen_at(&w, "127.0.0.1", "127.0.0.1");
    for (int i = 0; i < MANY; i++) {
        clients[i] = dial(&w);
        servers[i] = accept(w.listener, NULL, NULL);
        CU_ASSERT_EQUAL(sock_diag_pair(w.diag, servers[i], &pairs[i]), 0);
    }
    drop(&clients[3]);
    CU_ASSERT_EQUAL(shutdown(servers[5], SHUT_WR), 0);
    pairs[7].our_port++;
    sock_diag_find_all(w.diag, questions, 0);
    for (int crowd = 0; crowd <= 40; crowd += 40)
        for (unsigned n = 1; n <= MANY; n += 31) {
            for (unsigned i = 0; i < n; i++)
                questions[i] = (struct sock_diag_question){.pair = &pairs[i], .fd = servers[i]};
            for (int i = 0; i < crowd; i++)
                CU_ASSERT_EQUAL(send(netlink, &stale, sizeof(stale), 0), sizeof(stale));
            sock_diag_find_all(w.diag, questions, n);
            for (unsigned i = 0; i < n; i++) {
                if (i == 3 || i == 5 || i == 7) {
                    CU_ASSERT_EQUAL(questions[i].result, SOCK_DIAG_NOBODY);
                    continue;
                }
                CU_ASSERT_EQUAL(questions[i].result, 0);
                CU_ASSERT_EQUAL(questions[i].socket.inode, inode_of(clients[i]));
                CU_ASSERT_EQUAL(questions[i].socket.uid, geteuid());
            }
        }
    for (int i = 0; i < MANY; i++) {
        drop(&clients[i]);
        drop(&servers[i]);
    }
    finish(&w);
}

static void no_descriptor(void)
{
    struct rlimit was, none = {0};
    struct err err = ERR_INIT;
    struct sock_diag *d = NULL;

    CU_ASSERT_EQUAL_FATAL(getrlimit(RLIMIT_NOFILE, &was), 0);
    none.rlim_max = was.rlim_max;
    CU_ASSERT_EQUAL_FATAL(setrlimit(RLIMIT_NOFILE, &none), 0);
    CU_ASSERT_EQUAL(sock_diag_open(&d, &err), -EMFILE);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &was), 0);
    CU_ASSERT_PTR_NULL(d);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "netlink"));
    sock_diag_close(NULL);
}

static const struct unit_case CASES[] = {
    {"every family", every_family},
    {"half-closed", half_closed},
    {"closed and reset", closed},
    {"not connected", not_connected},
    {"a port used again", a_port_used_again},
    {"other users", other_users},
    {"bound to an interface", bound_to_an_interface},
    {"not loopback", not_loopback},
    {"another network", another_network},
    {"stale answers", stale_answers},
    {"many", many},
    {"no descriptor", no_descriptor},
};

UNIT_MAIN("sock_diag", CASES)
