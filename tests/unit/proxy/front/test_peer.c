/* Who is at the other end: at accept, again later, and when the kernel won't tell. */
#include "proxy/front/peer.h"
#include "unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    struct peers *peers;
    int listener, client, server;
    struct client_peer peer;
};

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
};

static void drop(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void begin(struct world *w, int family)
{
    union address a = {.in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}};
    socklen_t len = sizeof(a.in);

    *w = (struct world){.client = -1, .server = -1};
    CU_ASSERT_EQUAL_FATAL(peers_new(&w->peers), 0);
    if (family == AF_UNIX) {
        a = (union address){.un = {.sun_family = AF_UNIX}};
        len = sizeof(sa_family_t); /* the kernel finds a name */
    }
    w->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(w->listener, &a.any, len), 0);
    CU_ASSERT_EQUAL_FATAL(listen(w->listener, 8), 0);
    w->peer.via = family == AF_UNIX ? "unix" : "tcp";
}

static void finish(struct world *w)
{
    drop(&w->client);
    drop(&w->server);
    drop(&w->listener);
    peers_free(w->peers);
}

static int dial(const struct world *w)
{
    union address a;
    socklen_t len = sizeof(a);
    int fd;

    CU_ASSERT_EQUAL_FATAL(getsockname(w->listener, &a.any, &len), 0);
    fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, &a.any, len), 0);
    return fd;
}

static void take(struct world *w)
{
    w->server = accept(w->listener, NULL, NULL);
    CU_ASSERT_FATAL(w->server >= 0);
    peer_identify(&w->peer, w->server, w->peers);
}

static void join(struct world *w, int family)
{
    begin(w, family);
    w->client = dial(w);
    take(w);
}

/* Runs `body` in a process of its own: 0 is good, 77 can't be done here. */
static void apart(int (*body)(struct world *w), struct world *w, const char *why_not)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0)
        _exit(body(w));
    CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        unit_skip(why_not);
    else
        CU_ASSERT_EQUAL(status, 0);
}

static void tcp(void)
{
    struct world w;

    join(&w, AF_INET);
    CU_ASSERT_EQUAL(w.peer.uid, geteuid());
    CU_ASSERT_EQUAL(w.peer.pid, 0);
    CU_ASSERT_STRING_EQUAL(w.peer.process.exe, "");
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), geteuid());
    CU_ASSERT_FALSE(w.peer.doubted);
    drop(&w.client);
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), PEER_UID_UNKNOWN);
    CU_ASSERT(w.peer.doubted);
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), PEER_UID_UNKNOWN);
    finish(&w);
}

/* Inside TLS it is the same. */
static void tls(void)
{
    struct world w;

    begin(&w, AF_INET);
    w.peer.via = "tls";
    w.client = dial(&w);
    take(&w);
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), geteuid());
    drop(&w.client);
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), PEER_UID_UNKNOWN);
    finish(&w);
}

static void tcp_closed_before_accept(void)
{
    struct world w;

    begin(&w, AF_INET);
    w.client = dial(&w);
    drop(&w.client);
    take(&w);
    CU_ASSERT_EQUAL(w.peer.uid, PEER_UID_UNKNOWN);
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), PEER_UID_UNKNOWN);
    CU_ASSERT_FALSE(w.peer.doubted);
    finish(&w);
}

/* Whatever differs from what accept saw makes it unknown; the very same is known again. */
static void tcp_changed(void)
{
    struct world w;

    join(&w, AF_INET);
    w.peer.socket.inode++;
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), PEER_UID_UNKNOWN);
    w.peer.socket.inode--;
    w.peer.socket.cookie++;
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), PEER_UID_UNKNOWN);
    w.peer.socket.cookie--;
    w.peer.socket.uid++;
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), PEER_UID_UNKNOWN);
    w.peer.socket.uid--;
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), geteuid());
    if (geteuid() == 0) { /* a socket can be given away */
        CU_ASSERT_EQUAL(fchown(w.client, 12345, (gid_t)-1), 0);
        CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), PEER_UID_UNKNOWN);
    }
    finish(&w);
}

static void unix_socket(void)
{
    char exe[PROCESS_TEXT_MAX + 1] = "";
    struct world w;

    CU_ASSERT(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
    join(&w, AF_UNIX);
    CU_ASSERT_EQUAL(w.peer.uid, geteuid());
    CU_ASSERT_EQUAL(w.peer.pid, (uint32_t)getpid());
    CU_ASSERT_STRING_EQUAL(w.peer.process.exe, exe);
    drop(&w.client);
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), geteuid());
    finish(&w);
}

/* More than are asked about at once, of every kind. */
static void many(void)
{
    enum { MANY = 2 * SOCK_DIAG_BATCH + 5 };
    static struct client_peer peers[MANY];
    struct peer_question questions[MANY];
    int clients[MANY];
    struct world w, local;

    begin(&w, AF_INET);
    join(&local, AF_UNIX);
    for (int i = 0; i < MANY; i++) {
        clients[i] = dial(&w);
        questions[i] = (struct peer_question){&peers[i], accept(w.listener, NULL, NULL), 0};
        peers[i] = (struct client_peer){.via = "tcp"};
        peer_identify(&peers[i], questions[i].fd, i == 8 ? NULL : w.peers);
    }
    drop(&clients[2]);
    drop(&clients[MANY - 2]);
    peers[40].socket.cookie++;
    questions[50].peer = &local.peer;
    peer_uids(questions, MANY);
    for (int i = 0; i < MANY; i++) {
        bool known = i != 2 && i != 8 && i != 40 && i != MANY - 2;

        CU_ASSERT_EQUAL(questions[i].uid, known ? geteuid() : PEER_UID_UNKNOWN);
        CU_ASSERT_EQUAL(peers[i].doubted, !known && i != 8);
        (void)close(questions[i].fd);
        drop(&clients[i]);
    }
    peer_uids(questions, 0);
    finish(&local);
    finish(&w);
}

/* Who connected has ended before the connection is accepted: the uid is true all the same. */
static void unix_of_the_dead(void)
{
    struct world w;
    pid_t child;

    begin(&w, AF_UNIX);
    child = fork();
    if (child == 0) {
        (void)dial(&w);
        _exit(0);
    }
    CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
    take(&w);
    CU_ASSERT_EQUAL(w.peer.uid, geteuid());
    CU_ASSERT_STRING_EQUAL(w.peer.process.exe, "");
    CU_ASSERT_STRING_EQUAL(w.peer.process.unit, "");
    finish(&w);
}

static void without_peers(void)
{
    struct world w;

    join(&w, AF_INET);
    peer_identify(&w.peer, w.server, NULL);
    CU_ASSERT_EQUAL(w.peer.uid, PEER_UID_UNKNOWN);
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), PEER_UID_UNKNOWN);
    finish(&w);
    join(&w, AF_UNIX);
    peer_identify(&w.peer, w.server, NULL);
    CU_ASSERT_EQUAL(peer_uid(&w.peer, w.server), geteuid());
    finish(&w);
}

/* From now on `call` with the first argument `arg` (or any, for UINT32_MAX) fails with `error`. */
static bool forbid(uint32_t call, uint32_t arg, uint32_t error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | (arg == UINT32_MAX ? BPF_JGE : BPF_JEQ) | BPF_K,
                 arg == UINT32_MAX ? 0 : arg, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* As RestrictAddressFamilies without AF_NETLINK does. */
static int no_family(struct world *w)
{
    if (!forbid(SYS_socket, AF_NETLINK, EAFNOSUPPORT))
        return 77;
    join(w, AF_INET);
    return w->peer.uid == PEER_UID_UNKNOWN && peer_uid(&w->peer, w->server) == PEER_UID_UNKNOWN ? 0
                                                                                                : 1;
}

static int no_sending(struct world *w)
{
    join(w, AF_INET);
    if (w->peer.uid != geteuid())
        return 1;
    if (!forbid(SYS_sendto, UINT32_MAX, EPERM))
        return 77;
    if (peer_uid(&w->peer, w->server) != PEER_UID_UNKNOWN || !w->peer.doubted)
        return 2;
    peer_identify(&w->peer, w->server, w->peers);
    return w->peer.uid == PEER_UID_UNKNOWN ? 0 : 3;
}

static void netlink_refuses(void)
{
    struct world w;

    apart(no_family, &w, "no seccomp here");
    apart(no_sending, &w, "no seccomp here");
}

/* A user namespace that has root alone: everybody else has the overflow uid there. */
static int in_namespace(struct world *w)
{
    int fd;

    if (unshare(CLONE_NEWUSER) < 0)
        return 77;
    fd = open("/proc/self/uid_map", O_WRONLY);
    if (fd < 0 || write(fd, "0 0 1", 5) != 5)
        return 77;
    (void)close(fd);
    peers_free(w->peers);
    if (peers_new(&w->peers) < 0)
        return 1;
    take(w);
    return w->peer.uid == PEER_UID_UNKNOWN ? 0 : 2;
}

static int root_in_namespace(struct world *w)
{
    int r = in_namespace(w);

    return r == 2 && w->peer.uid == 0 ? 0 : r == 77 ? 77 : 1;
}

static void user_namespaces(void)
{
    static const int FAMILIES[] = {AF_INET, AF_UNIX};
    struct world w;
    pid_t child;

    if (geteuid() != 0) {
        unit_skip("only root can become another user");
        return;
    }
    for (int i = 0; i < 2; i++) {
        begin(&w, FAMILIES[i]);
        child = fork();
        if (child == 0) {
            if (setresuid(12345, 12345, 12345) < 0 || dial(&w) < 0)
                _exit(1);
            (void)pause();
        }
        apart(in_namespace, &w, "no user namespaces here");
        (void)kill(child, SIGKILL);
        CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
        finish(&w);
        begin(&w, FAMILIES[i]);
        w.client = dial(&w);
        apart(root_in_namespace, &w, "no user namespaces here");
        finish(&w);
    }
}

static const struct unit_case CASES[] = {
    {"tcp", tcp},
    {"tls", tls},
    {"tcp closed before accept", tcp_closed_before_accept},
    {"tcp changed", tcp_changed},
    {"unix socket", unix_socket},
    {"unix of the dead", unix_of_the_dead},
    {"many", many},
    {"without peers", without_peers},
    {"netlink refuses", netlink_refuses},
    {"user namespaces", user_namespaces},
};

UNIT_MAIN("peer", CASES)
