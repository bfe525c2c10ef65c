/*
 * One table per role says which calls are allowed, and a few rules look at arguments. The kernel
 * sees registers only, so what is behind a pointer (a path, an address) is left to Landlock.
 *
 * clone3 and openat2 take their flags behind a pointer: they don't exist (ENOSYS), and the C
 * library falls back on calls whose flags can be looked at.
 */
#include "sandbox/seccomp.h"

#include "config.h"
#ifdef CENTION_DEBUG_SANDBOX
#include "sandbox/trap.h"
#endif

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef CENTION_DEBUG_SANDBOX
#define DENIED SCMP_ACT_TRAP
#else
#define DENIED SCMP_ACT_ERRNO(EPERM)
#endif

enum { END = -999999 }; /* no call of any architecture, and none of libseccomp's own numbers */

/* What any of our processes needs: its memory, its descriptors, its clock, its end. */
static const int EVERYONE[] = {SCMP_SYS(brk),
                               SCMP_SYS(clock_gettime),
                               SCMP_SYS(close),
                               SCMP_SYS(exit),
                               SCMP_SYS(exit_group),
                               SCMP_SYS(fstat),
                               SCMP_SYS(futex),
                               SCMP_SYS(getpid),
                               SCMP_SYS(getrandom),
                               SCMP_SYS(gettid),
                               SCMP_SYS(gettimeofday),
                               SCMP_SYS(lseek),
                               SCMP_SYS(munmap),
                               SCMP_SYS(newfstatat),
                               SCMP_SYS(read),
                               SCMP_SYS(readv),
                               SCMP_SYS(restart_syscall),
                               SCMP_SYS(rt_sigaction),
                               SCMP_SYS(rt_sigprocmask),
                               SCMP_SYS(rt_sigreturn),
                               SCMP_SYS(sysinfo),
                               SCMP_SYS(time),
                               SCMP_SYS(write),
                               SCMP_SYS(writev),
                               END};

/* Every daemon: an event loop, accepted sockets, words to the service manager. */
static const int DAEMON[] = {SCMP_SYS(accept4),
                             SCMP_SYS(access),
                             SCMP_SYS(epoll_ctl),
                             SCMP_SYS(epoll_pwait),
                             SCMP_SYS(epoll_wait),
                             SCMP_SYS(faccessat),
                             SCMP_SYS(getegid),
                             SCMP_SYS(geteuid),
                             SCMP_SYS(getgid),
                             SCMP_SYS(getpeername),
                             SCMP_SYS(getsockname),
                             SCMP_SYS(getsockopt),
                             SCMP_SYS(getuid),
                             SCMP_SYS(poll),
                             SCMP_SYS(ppoll),
                             SCMP_SYS(readlink),
                             SCMP_SYS(readlinkat),
                             SCMP_SYS(recvfrom),
                             SCMP_SYS(recvmsg),
                             SCMP_SYS(sendmsg),
                             SCMP_SYS(sendto),
                             SCMP_SYS(shutdown),
                             SCMP_SYS(unlink),
                             SCMP_SYS(unlinkat),
                             END};

static const int PROXY[] = {SCMP_SYS(connect), SCMP_SYS(recvmmsg), /* whose many connections are */
                            SCMP_SYS(uname), /* the resolver looks for its domain */
                            END};

/* The audit log's files, and the child that reads the keys. */
static const int KEEPER[] = {SCMP_SYS(alarm),
                             SCMP_SYS(fallocate),
                             SCMP_SYS(fdatasync),
                             SCMP_SYS(fgetxattr), /* of the keys file: its access control list */
                             SCMP_SYS(fsync),
                             SCMP_SYS(ftruncate),
                             SCMP_SYS(getcwd),
                             SCMP_SYS(getdents64),
                             SCMP_SYS(linkat),
                             SCMP_SYS(openat),
                             SCMP_SYS(pipe2),
                             SCMP_SYS(pread64),
                             SCMP_SYS(pwrite64),
                             SCMP_SYS(renameat),
                             SCMP_SYS(renameat2),
                             SCMP_SYS(sched_yield),
                             SCMP_SYS(seccomp), /* its child's filter, which can only be stricter */
                             SCMP_SYS(set_robust_list),
                             SCMP_SYS(setitimer),
                             SCMP_SYS(sync_file_range),
                             SCMP_SYS(wait4),
                             END};

/* The log to read, cursors to write, the libraries of the centres with their threads, and the C
 * library's resolver. */
static const int SHIPPER[] = {
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(connect),
    SCMP_SYS(eventfd2),
    SCMP_SYS(fadvise64),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fsync),
    SCMP_SYS(getdents64),
    SCMP_SYS(nanosleep),
    SCMP_SYS(pipe2),
    SCMP_SYS(pread64),
    SCMP_SYS(pselect6),
    SCMP_SYS(renameat),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(select),
    SCMP_SYS(sendmmsg), /* the resolver asks for both kinds of address at once */
    SCMP_SYS(set_robust_list),
    SCMP_SYS(uname), /* and looks for its domain */
    END};

/* Only an exploit makes these calls: the process is killed. */
static const int FATAL[] = {SCMP_SYS(acct),
                            SCMP_SYS(add_key),
                            SCMP_SYS(bpf),
                            SCMP_SYS(chroot),
                            SCMP_SYS(clock_settime),
                            SCMP_SYS(delete_module),
                            SCMP_SYS(execve),
                            SCMP_SYS(execveat),
                            SCMP_SYS(finit_module),
                            SCMP_SYS(fsconfig),
                            SCMP_SYS(fsmount),
                            SCMP_SYS(fsopen),
                            SCMP_SYS(fspick),
                            SCMP_SYS(init_module),
                            SCMP_SYS(io_uring_enter),
                            SCMP_SYS(io_uring_register),
                            SCMP_SYS(io_uring_setup),
                            SCMP_SYS(ioperm),
                            SCMP_SYS(iopl),
                            SCMP_SYS(kcmp),
                            SCMP_SYS(kexec_file_load),
                            SCMP_SYS(kexec_load),
                            SCMP_SYS(keyctl),
                            SCMP_SYS(modify_ldt),
                            SCMP_SYS(mount),
                            SCMP_SYS(mount_setattr),
                            SCMP_SYS(move_mount),
                            SCMP_SYS(name_to_handle_at),
                            SCMP_SYS(open_by_handle_at),
                            SCMP_SYS(open_tree),
                            SCMP_SYS(perf_event_open),
                            SCMP_SYS(personality),
                            SCMP_SYS(pidfd_getfd),
                            SCMP_SYS(pidfd_open),
                            SCMP_SYS(pivot_root),
                            SCMP_SYS(process_madvise),
                            SCMP_SYS(process_vm_readv),
                            SCMP_SYS(process_vm_writev),
                            SCMP_SYS(ptrace),
                            SCMP_SYS(quotactl),
                            SCMP_SYS(reboot),
                            SCMP_SYS(request_key),
                            SCMP_SYS(setdomainname),
                            SCMP_SYS(sethostname),
                            SCMP_SYS(setns),
                            SCMP_SYS(settimeofday),
                            SCMP_SYS(swapoff),
                            SCMP_SYS(swapon),
                            SCMP_SYS(umount2),
                            SCMP_SYS(unshare),
                            SCMP_SYS(userfaultfd),
                            END};

/* Adds one rule; the first failure stays in *r. A call that this architecture lacks is left out. */
#define ADD(r, filter, action, call, ...)                                                          \
    do {                                                                                           \
        struct scmp_arg_cmp args_[] = {__VA_ARGS__};                                               \
        int added_ =                                                                               \
            seccomp_rule_add_array(filter, action, call, sizeof(args_) / sizeof(args_[0]), args_); \
                                                                                                   \
        if (*(r) == 0 && added_ < 0 && added_ != -EDOM)                                            \
            *(r) = added_;                                                                         \
    } while (0)

#define IS(n, value)         SCMP_CMP64(n, SCMP_CMP_EQ, (scmp_datum_t)(value), 0)
#define BITS(n, mask, value) SCMP_CMP64(n, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), value)

static void add_all(int *r, scmp_filter_ctx f, uint32_t action, const int *calls)
{
    for (; *calls != END; calls++) {
        int added = seccomp_rule_add_array(f, action, *calls, 0, NULL);

        if (*r == 0 && added < 0 && added != -EDOM)
            *r = added;
    }
}

/* Memory is never executable, and a signal goes to the process itself. */
static void add_everyone(int *r, scmp_filter_ctx f)
{
    static const int ADVICE[] = {MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_DONTDUMP};

    add_all(r, f, SCMP_ACT_KILL_PROCESS, FATAL);
    add_all(r, f, SCMP_ACT_ALLOW, EVERYONE);
    ADD(r, f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), );
    ADD(r, f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), );
    ADD(r, f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(faccessat2), );
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), BITS(2, PROT_EXEC, 0));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), BITS(2, PROT_EXEC, 0));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), IS(0, getpid()));
    /* realloc(3) moves blocks, never to a place of its choice. */
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(mremap), BITS(3, ~(scmp_datum_t)MREMAP_MAYMOVE, 0));
    /* What malloc(3) and free(3) say of memory; not that it may be shared, or dumped again. */
    for (unsigned i = 0; i < sizeof(ADVICE) / sizeof(ADVICE[0]); i++)
        ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(madvise), IS(2, ADVICE[i]));
}

/* What sd_notify(3) makes of its socket; the second needs a capability. */
static void add_notify(int *r, scmp_filter_ctx f)
{
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), IS(1, SOL_SOCKET), IS(2, SO_SNDBUF));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), IS(1, SOL_SOCKET), IS(2, SO_SNDBUFFORCE));
}

/*
 * Of fcntl(2) what changes a descriptor and nothing else. Its other commands could have the kernel
 * signal any process of the same user (F_SETOWN, F_SETSIG with O_ASYNC; F_SETLEASE, F_NOTIFY), or
 * hold a lock on a file that another one waits for.
 */
static void add_fcntl(int *r, scmp_filter_ctx f)
{
    static const int COMMANDS[] = {F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC};

    for (unsigned i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
        ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), IS(1, COMMANDS[i]));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), IS(1, F_SETFL), BITS(2, O_ASYNC, 0));
}

static void add_daemon(int *r, scmp_filter_ctx f)
{
    add_all(r, f, SCMP_ACT_ALLOW, DAEMON);
    add_notify(r, f);
    add_fcntl(r, f);
}

static void add_read_only(int *r, scmp_filter_ctx f)
{
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(openat), BITS(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(open), BITS(1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
}

/* The kind of a socket, without SOCK_NONBLOCK and SOCK_CLOEXEC. */
static void add_socket(int *r, scmp_filter_ctx f, int family, int kind)
{
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(socket), IS(0, family),
        BITS(1, ~(scmp_datum_t)(SOCK_NONBLOCK | SOCK_CLOEXEC), (scmp_datum_t)kind));
}

/* Connects, and never binds or listens; the listeners are there by now. */
static void add_proxy(int *r, scmp_filter_ctx f)
{
    static const struct {
        int level, option;
    } OPTIONS[] = {{IPPROTO_TCP, TCP_NODELAY}, {SOL_SOCKET, SO_KEEPALIVE}, {SOL_SOCKET, SO_LINGER}};
    static const int FAMILIES[] = {AF_UNIX, AF_INET, AF_INET6};

    add_daemon(r, f);
    add_all(r, f, SCMP_ACT_ALLOW, PROXY);
    add_read_only(r, f);
    for (unsigned i = 0; i < sizeof(FAMILIES) / sizeof(FAMILIES[0]); i++) {
        add_socket(r, f, FAMILIES[i], SOCK_STREAM);
        add_socket(r, f, FAMILIES[i], SOCK_DGRAM);
    }
    /* A reload may raise the limit of descriptors. */
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), IS(0, 0), IS(1, RLIMIT_NOFILE));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(getrlimit), IS(0, RLIMIT_NOFILE));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(setrlimit), IS(0, RLIMIT_NOFILE));
    for (unsigned i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++)
        ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), IS(1, OPTIONS[i].level),
            IS(2, OPTIONS[i].option));
}

/* No network at all: the one kind of socket is for words to the service manager. */
static void add_keeper(int *r, scmp_filter_ctx f, pid_t command)
{
    add_daemon(r, f);
    add_all(r, f, SCMP_ACT_ALLOW, KEEPER);
    add_socket(r, f, AF_UNIX, SOCK_DGRAM);
    /* The C library asks nscd for users before it reads passwd; that it can't is expected. */
    ADD(r, f, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), IS(0, AF_UNIX),
        BITS(1, ~(scmp_datum_t)(SOCK_NONBLOCK | SOCK_CLOEXEC), SOCK_STREAM));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(fchmod), BITS(1, S_ISUID | S_ISGID, 0));
    /* fork(2) as the C library makes it, and nothing else. */
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(clone),
        IS(0, CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), IS(0, PR_SET_DUMPABLE), IS(1, 0));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), IS(0, PR_SET_NO_NEW_PRIVS), IS(1, 1));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), IS(0, PR_GET_SECCOMP));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), IS(0, 0), IS(1, RLIMIT_CORE));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(setrlimit), IS(0, RLIMIT_CORE));
    if (command) {
        ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(kill), IS(0, command), IS(1, SIGTERM));
        ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(kill), IS(0, command), IS(1, SIGKILL));
    }
}

/* Files may be made, by name in the state folder only (Landlock), and sockets that connect. */
static void add_shipper(int *r, scmp_filter_ctx f)
{
    static const struct {
        int level, option;
    } OPTIONS[] = {{IPPROTO_TCP, TCP_NODELAY},  {SOL_SOCKET, SO_KEEPALIVE},
                   {IPPROTO_TCP, TCP_KEEPIDLE}, {IPPROTO_TCP, TCP_KEEPINTVL},
                   {IPPROTO_TCP, TCP_KEEPCNT},  {IPPROTO_TCP, TCP_USER_TIMEOUT},
                   {SOL_SOCKET, SO_LINGER},     {SOL_SOCKET, SO_REUSEADDR},
                   {IPPROTO_IP, IP_RECVERR},    {IPPROTO_IPV6, IPV6_RECVERR}};
    static const int FAMILIES[] = {AF_UNIX, AF_INET, AF_INET6};

    add_daemon(r, f);
    add_all(r, f, SCMP_ACT_ALLOW, SHIPPER);
    add_read_only(r, f);
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(openat),
        BITS(2, O_ACCMODE | O_CREAT | O_EXCL, O_WRONLY | O_CREAT | O_EXCL));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(fchmod), IS(1, 0644));
    for (unsigned i = 0; i < sizeof(FAMILIES) / sizeof(FAMILIES[0]); i++) {
        add_socket(r, f, FAMILIES[i], SOCK_STREAM);
        add_socket(r, f, FAMILIES[i], SOCK_DGRAM);
    }
    /* The C library asks for the machine's addresses, and does without. */
    ADD(r, f, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), IS(0, AF_NETLINK));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), IS(1, FIONREAD));
    for (unsigned i = 0; i < sizeof(OPTIONS) / sizeof(OPTIONS[0]); i++)
        ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), IS(1, OPTIONS[i].level),
            IS(2, OPTIONS[i].option));
    /* A thread as the C library makes it, and no process. */
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(clone),
        IS(0, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD |
                  CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID));
    ADD(r, f, SCMP_ACT_ALLOW, SCMP_SYS(prctl), IS(0, PR_SET_NAME));
}

static int build(scmp_filter_ctx *out, const struct sandbox *c)
{
    scmp_filter_ctx f = seccomp_init(DENIED);
    int r = 0;

    if (!f)
        return -ENOMEM;
    /* A tree, not a list: what is called most should not cost the most. */
    (void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    (void)seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0);
    r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    /* Workers, and threads of libraries, are there by now. */
    if (r == 0 && (c->role == SANDBOX_PROXY || c->role == SANDBOX_SHIPPER))
        r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    add_everyone(&r, f);
    switch (c->role) {
    case SANDBOX_PROXY:
        add_proxy(&r, f);
        break;
    case SANDBOX_KEEPER:
        add_keeper(&r, f, c->command);
        break;
    case SANDBOX_SHIPPER:
        add_shipper(&r, f);
        break;
    case SANDBOX_READER:
        add_read_only(&r, f);
        break;
    }
    if (r < 0)
        seccomp_release(f);
    else
        *out = f;
    return r;
}

int seccomp_filter_enter(const struct sandbox *c, struct err *err)
{
    scmp_filter_ctx f = NULL;
    int r = build(&f, c);

#ifdef CENTION_DEBUG_SANDBOX
    if (r == 0)
        r = trap_install();
#endif
    if (r == 0) {
        r = seccomp_load(f);
        seccomp_release(f);
    }
    if (r == 0)
        return 0;
    return err_set(err, r,
                   "sandbox: system calls can't be confined: %s (this needs a kernel with "
                   "CONFIG_SECCOMP_FILTER, and an outer sandbox that allows seccomp; without it "
                   "set sandbox = \"off\")",
                   strerror(-r));
}
