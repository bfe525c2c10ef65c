#include "unit/sandbox/sandbox_tries.h"

#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef const struct tries_scene scene;

/* ---- the scene ---- */

static const char *const FILES[] = {"conf/a.conf",         "keys/keys.conf",      "api/api.json",
                                    "ca/ca.pem",           "run/http.sock",       "other/file",
                                    "audit/audit-1.jsonl", "state/.a.cursor.new", NULL};

static const char *at(scene *s, const char *name)
{
    static char path[4][300];
    static unsigned turn;
    char *out = path[turn++ % 4];

    (void)snprintf(out, sizeof(path[0]), "%s/%s", s->folder, name);
    return out;
}

static void unix_listener_open(struct tries_door *d)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    socklen_t len = sizeof(a);

    d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)bind(d->fd, (struct sockaddr *)&a, sizeof(a));
    (void)listen(d->fd, 64);
    (void)getsockname(d->fd, (struct sockaddr *)&a, &len);
    d->port = ntohs(a.sin_port);
    d->fd6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a6.sin6_port = a.sin_port;
    if (d->fd6 >= 0 &&
        (bind(d->fd6, (struct sockaddr *)&a6, sizeof(a6)) < 0 || listen(d->fd6, 64) < 0)) {
        (void)close(d->fd6);
        d->fd6 = -1;
    }
}

int tries_open(struct tries_scene *s)
{
    static const char *const FOLDERS[] = {"conf", "keys",  "api",   "ca",
                                          "run",  "audit", "state", "other"};
    long abi = syscall(444, NULL, 0, 1); /* landlock_create_ruleset, LANDLOCK_..._VERSION */

    *s = (struct tries_scene){.parent = getpid(), .landlock = abi > 0 ? (int)abi : 0};
    (void)snprintf(s->folder, sizeof(s->folder), "/tmp/confine-XXXXXX");
    if (!mkdtemp(s->folder))
        return -errno;
    (void)snprintf(s->audit, sizeof(s->audit), "%s/audit", s->folder);
    for (unsigned i = 0; i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++)
        (void)mkdir(at(s, FOLDERS[i]), 0700);
    unix_listener_open(&s->upstream);
    unix_listener_open(&s->other);
    s->tcp = s->tcp6 = -1;
    s->command = fork();
    if (s->command == 0)
        for (;;)
            (void)pause();
    s->shell = -1;
    tries_reset(s);
    return 0;
}

void tries_reset(struct tries_scene *s)
{
    for (unsigned i = 0; FILES[i]; i++) {
        int fd = open(at(s, FILES[i]), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (write(fd, "text\n", 5) < 0)
            abort();
        (void)close(fd);
    }
    (void)unlink(at(s, "audit/new"));
    (void)unlink(at(s, "state/new"));
    (void)unlink(at(s, "other/new"));
    if (s->tcp >= 0)
        (void)close(s->tcp);
    if (s->tcp6 >= 0)
        (void)close(s->tcp6);
    s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->tcp6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->shell >= 0)
        (void)close(s->shell);
    s->shell = open(at(s, "audit/audit-1.jsonl"), O_RDWR | O_APPEND | O_CLOEXEC);
}

void tries_close(struct tries_scene *s)
{
    char command[128];
    int fds[] = {s->upstream.fd, s->upstream.fd6, s->other.fd, s->other.fd6,
                 s->tcp,         s->tcp6,         s->shell};

    for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    (void)kill(s->command, SIGKILL);
    (void)waitpid(s->command, NULL, 0);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", s->folder);
    if (system(command) != 0)
        (void)fprintf(stderr, "%s is left\n", s->folder);
}

/* ---- what an exploit would do ---- */

#define RESULT(call) ((call) < 0 ? errno : 0)
#define TRY(name, call)                                                                            \
    static int name(scene *s)                                                                      \
    {                                                                                              \
        (void)s;                                                                                   \
        return RESULT(call);                                                                       \
    }

static char *const NO_ARGUMENTS[] = {NULL};
static char page[4096] __attribute__((aligned(4096)));

TRY(try_execve, execve("/bin/true", NO_ARGUMENTS, NO_ARGUMENTS))
TRY(try_execveat, syscall(SYS_execveat, s->shell, "", NO_ARGUMENTS, NO_ARGUMENTS, AT_EMPTY_PATH))
TRY(try_ptrace, ptrace(PTRACE_ATTACH, s->parent, NULL, NULL))
TRY(try_mount, mount("none", "/tmp", "tmpfs", 0, NULL))
TRY(try_unshare, unshare(CLONE_NEWUSER))
TRY(try_setns, setns(s->tcp, 0))
TRY(try_bpf, syscall(SYS_bpf, 0, NULL, 0))
TRY(try_uffd, syscall(SYS_userfaultfd, 0))
TRY(try_keyctl, syscall(SYS_keyctl, 0, -3, 0))
TRY(try_module, syscall(SYS_init_module, NULL, 0, ""))
TRY(try_kexec, syscall(SYS_kexec_load, 0, 0, NULL, 0))
TRY(try_io_uring, syscall(SYS_io_uring_setup, 1, NULL))
TRY(try_perf, syscall(SYS_perf_event_open, NULL, 0, 0, -1, 0))
TRY(try_pidfd, syscall(SYS_pidfd_open, s->parent, 0))
TRY(try_personality, syscall(SYS_personality, 0x0400000)) /* READ_IMPLIES_EXEC */
TRY(try_kill, kill(s->parent, 0))
TRY(try_kill_all, kill(-1, 0))
TRY(try_command, kill(s->command, SIGTERM))
TRY(try_setuid, syscall(SYS_setuid, 0))
TRY(try_dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
TRY(try_tty, ioctl(0, TIOCSTI, "x"))
TRY(try_thread, syscall(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, NULL, 0, 0, 0))
TRY(try_namespace, syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, 0, 0, 0))
TRY(try_mprotect, mprotect(page, sizeof(page), PROT_READ | PROT_EXEC))
TRY(try_packet, socket(AF_PACKET, SOCK_RAW, 0))
TRY(try_raw, socket(AF_INET, SOCK_RAW, IPPROTO_ICMP))
TRY(try_route, socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE))
TRY(try_vsock, socket(AF_VSOCK, SOCK_STREAM, 0))
TRY(try_diag, socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG))
TRY(try_inet, socket(AF_INET, SOCK_STREAM, 0))
TRY(try_inet6, socket(AF_INET6, SOCK_STREAM, 0))
TRY(try_udp, socket(AF_INET, SOCK_DGRAM, 0))
TRY(try_unix, socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))
TRY(try_notify, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
TRY(try_attach, setsockopt(s->tcp, SOL_SOCKET, SO_ATTACH_FILTER, page, 16))
TRY(try_listen, listen(s->tcp, 1))

static int try_vm(scene *s)
{
    struct iovec local = {page, 8}, remote = {page, 8};

    (void)s;
    return RESULT(process_vm_readv(s->parent, &local, 1, &remote, 1, 0));
}

static int try_mmap(scene *s)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)s;
    return p == MAP_FAILED ? errno : 0;
}

#ifdef __x86_64__
/* getpid(2) by the number that it has for 32-bit programs. */
static int try_other_abi(scene *s)
{
    long r = 20;

    (void)s;
    __asm__ volatile("int $0x80" : "+a"(r) : : "memory", "r8", "r9", "r10", "r11");
    return r < 0 ? (int)-r : 0;
}
#endif

static int try_bind(scene *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return RESULT(bind(s->tcp, (struct sockaddr *)&a, sizeof(a)));
}

static int dial4(int fd, unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                            .sin_port = htons((uint16_t)port)};

    return RESULT(connect(fd, (struct sockaddr *)&a, sizeof(a)));
}

static int dial6(int fd, unsigned port)
{
    struct sockaddr_in6 a = {
        .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback, .sin6_port = htons((uint16_t)port)};

    return RESULT(connect(fd, (struct sockaddr *)&a, sizeof(a)));
}

/* The keeper gets a socket that was open before: it can't make one. */
static int try_upstream4(scene *s)
{
    return dial4(s->tcp, s->upstream.port);
}

static int try_upstream6(scene *s)
{
    return dial6(s->tcp6, s->upstream.port);
}

static int try_other4(scene *s)
{
    return dial4(s->tcp, s->other.port);
}

static int try_other6(scene *s)
{
    return dial6(s->tcp6, s->other.port);
}

static int opened(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    return RESULT(fd);
}

#define OPEN(name, path, flags)                                                                    \
    static int name(scene *s)                                                                      \
    {                                                                                              \
        (void)s;                                                                                   \
        return opened(path, flags);                                                                \
    }

OPEN(read_conf, at(s, "conf/a.conf"), O_RDONLY)
OPEN(read_api, at(s, "api/api.json"), O_RDONLY)
OPEN(read_ca, at(s, "ca/ca.pem"), O_RDONLY)
OPEN(read_keys, at(s, "keys/keys.conf"), O_RDONLY)
OPEN(read_audit, at(s, "audit/audit-1.jsonl"), O_RDONLY)
OPEN(read_other, at(s, "other/file"), O_RDONLY)
OPEN(list_other, at(s, "other"), O_RDONLY | O_DIRECTORY)
OPEN(read_passwd, "/etc/passwd", O_RDONLY)
OPEN(write_shadow, "/etc/shadow", O_WRONLY)
OPEN(read_program, "/bin/true", O_RDONLY)
OPEN(write_conf, at(s, "conf/a.conf"), O_WRONLY)
OPEN(write_keys, at(s, "keys/keys.conf"), O_RDWR)
OPEN(write_other, at(s, "other/file"), O_WRONLY | O_APPEND)
OPEN(empty_other, at(s, "other/file"), O_RDONLY | O_TRUNC)
OPEN(make_other, at(s, "other/new"), O_RDONLY | O_CREAT)
OPEN(make_run, at(s, "run/new"), O_RDWR | O_CREAT)
OPEN(make_audit, at(s, "audit/new"), O_RDWR | O_CREAT | O_EXCL)

static int read_memory(scene *s)
{
    char path[64];

    (void)s;
    (void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)s->parent);
    return opened(path, O_RDONLY);
}

TRY(remove_socket, unlink(at(s, "run/http.sock")))
TRY(remove_conf, unlink(at(s, "conf/a.conf")))
TRY(remove_other, unlink(at(s, "other/file")))
TRY(remove_audit, unlink(at(s, "audit/audit-1.jsonl")))
TRY(move_out, renameat(AT_FDCWD, at(s, "audit/audit-1.jsonl"), AT_FDCWD, at(s, "other/new")))
TRY(make_folder, mkdir(at(s, "other/folder"), 0700))
TRY(make_link, symlink("/etc", at(s, "audit/link")))
TRY(change_mode, chmod(at(s, "audit/audit-1.jsonl"), 0777))
TRY(set_suid, fchmod(s->shell, 04755))
TRY(change_owner, fchown(s->shell, 0, 0))

/* ---- what they go on doing ---- */

TRY(work_allocate, fallocate(s->shell, FALLOC_FL_KEEP_SIZE, 0, 4096))
TRY(work_cut, ftruncate(s->shell, 1))
TRY(work_mode, fchmod(s->shell, 0640))
TRY(work_rename, renameat2(AT_FDCWD, at(s, "audit/audit-1.jsonl"), AT_FDCWD, at(s, "audit/new"),
                           RENAME_NOREPLACE))
TRY(work_link, linkat(AT_FDCWD, at(s, "audit/audit-1.jsonl"), AT_FDCWD, at(s, "audit/new"), 0))
TRY(work_nodelay, setsockopt(s->tcp, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)))

static int work_sync(scene *s)
{
    if (write(s->shell, "x\n", 2) != 2 || fdatasync(s->shell) < 0 || fsync(s->shell) < 0 ||
        sync_file_range(s->shell, 0, 0, SYNC_FILE_RANGE_WRITE) < 0)
        return errno;
    return 0;
}

OPEN(write_audit, at(s, "audit/audit-1.jsonl"), O_WRONLY | O_APPEND)
OPEN(make_cursor, at(s, "state/new"), O_WRONLY | O_CREAT | O_EXCL)
OPEN(make_cursor_there, at(s, "audit/new"), O_WRONLY | O_CREAT | O_EXCL)
OPEN(make_cursor_elsewhere, at(s, "other/new"), O_WRONLY | O_CREAT | O_EXCL)
TRY(move_cursor,
    renameat(AT_FDCWD, at(s, "state/.a.cursor.new"), AT_FDCWD, at(s, "state/a.cursor")))
TRY(move_over,
    renameat(AT_FDCWD, at(s, "state/.a.cursor.new"), AT_FDCWD, at(s, "audit/audit-1.jsonl")))
TRY(work_read_sync, fdatasync(s->shell))

static void *nothing(void *arg)
{
    return arg;
}

static int work_thread(scene *s)
{
    pthread_t thread;
    int r = pthread_create(&thread, NULL, nothing, NULL);

    (void)s;
    return r ? r : pthread_join(thread, NULL);
}

static int work_memory(scene *s)
{
    struct timespec ts;
    char *p = malloc(1 << 20), *bigger;

    (void)s;
    if (!p || !(bigger = realloc(p, 4 << 20)))
        return errno;
    free(bigger);
    return getrandom(&ts, sizeof(ts), 0) < 0 || clock_gettime(CLOCK_REALTIME, &ts) < 0 ? errno : 0;
}

/* What could have the kernel signal a process that the filter keeps it from signalling. */
TRY(try_own, fcntl(s->upstream.fd, F_SETOWN, getppid()))
TRY(try_own_ex, fcntl(s->upstream.fd, F_SETOWN_EX, &(struct f_owner_ex){F_OWNER_PID, getppid()}))
TRY(try_sig, fcntl(s->upstream.fd, F_SETSIG, SIGKILL))
TRY(try_async, fcntl(s->upstream.fd, F_SETFL, O_ASYNC | O_NONBLOCK))
TRY(try_fioasync, ioctl(s->upstream.fd, FIOASYNC, &(int){1}))
TRY(try_siocspgrp, ioctl(s->upstream.fd, SIOCSPGRP, &(int){1}))
TRY(try_lease, fcntl(s->upstream.fd, F_SETLEASE, F_RDLCK))
TRY(try_notify_folder, fcntl(s->upstream.fd, F_NOTIFY, DN_CREATE))
TRY(try_lock, fcntl(s->upstream.fd, F_SETLK, &(struct flock){.l_type = F_WRLCK}))
TRY(try_ofd_lock, fcntl(s->upstream.fd, F_OFD_SETLK, &(struct flock){.l_type = F_WRLCK}))
TRY(try_pipe_size, fcntl(s->upstream.fd, F_SETPIPE_SZ, 1 << 20))
TRY(try_seals, fcntl(s->upstream.fd, F_ADD_SEALS, 0))
TRY(try_timer, syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &(int){0}))
TRY(try_tkill, syscall(SYS_tkill, getppid(), SIGKILL))
TRY(try_sigqueue, syscall(SYS_rt_sigqueueinfo, getppid(), SIGTERM, &(siginfo_t){0}))
TRY(try_death_signal, prctl(PR_SET_PDEATHSIG, SIGKILL))
TRY(try_ptracer, prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY))
TRY(try_limit_other, syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, &(struct rlimit){0}))
TRY(try_priority, setpriority(PRIO_PROCESS, (id_t)getppid(), 19))
TRY(try_affinity, sched_setaffinity(getppid(), sizeof(cpu_set_t), &(cpu_set_t){{1}}))
TRY(try_merge, madvise((void *)((uintptr_t)s & ~UINT64_C(4095)), 4096, MADV_MERGEABLE))
TRY(try_dump, madvise((void *)((uintptr_t)s & ~UINT64_C(4095)), 4096, MADV_DODUMP))
TRY(try_poison, madvise((void *)((uintptr_t)s & ~UINT64_C(4095)), 4096, MADV_HWPOISON))
TRY(try_remap, mremap((void *)((uintptr_t)s & ~UINT64_C(4095)), 4096, 4096,
                      MREMAP_MAYMOVE | MREMAP_FIXED, (void *)0x10000000) == MAP_FAILED
                   ? -1
                   : 0)

static int work_fcntl(scene *s)
{
    int fd = fcntl(s->upstream.fd, F_DUPFD_CLOEXEC, 0), flags = fcntl(s->upstream.fd, F_GETFL);

    if (fd < 0 || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_GETFD) != FD_CLOEXEC)
        return errno;
    return close(fd) < 0 ? errno : 0;
}

static int work_fork(scene *s)
{
    int status = 0;
    pid_t pid = fork();

    (void)s;
    if (pid == 0)
        _exit(0);
    return pid < 0 || waitpid(pid, &status, 0) != pid ? errno : status;
}

/* A client at the listener, who connects before the sandbox in real life. */
static int work_accept(scene *s)
{
    int fd;

    (void)fcntl(s->upstream.fd, F_SETFL, O_NONBLOCK);
    fd = accept4(s->upstream.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd >= 0 || errno == EAGAIN ? 0 : errno;
}

#define D                            TRY_DENIED
#define K                            TRY_KILLED
#define A                            TRY_DONE
#define ALL(result)                  .expected = {result, result, result}
#define EACH(proxy, keeper, shipper) .expected = {proxy, keeper, shipper}

const struct try TRIES[] = {
    {"execve", try_execve, ALL(K)},
    {"execveat of an open file", try_execveat, ALL(K)},
    {"ptrace of another process", try_ptrace, ALL(K)},
    {"process_vm_readv", try_vm, ALL(K)},
    {"pidfd_open", try_pidfd, ALL(K)},
    {"mount", try_mount, ALL(K)},
    {"unshare", try_unshare, ALL(K)},
    {"setns", try_setns, ALL(K)},
    {"bpf", try_bpf, ALL(K)},
    {"userfaultfd", try_uffd, ALL(K)},
    {"keyctl", try_keyctl, ALL(K)},
    {"init_module", try_module, ALL(K)},
    {"kexec_load", try_kexec, ALL(K)},
    {"io_uring_setup", try_io_uring, ALL(K)},
    {"perf_event_open", try_perf, ALL(K)},
    {"personality (READ_IMPLIES_EXEC)", try_personality, ALL(K)},
#ifdef __x86_64__
    {"a call of 32-bit programs (int 0x80)", try_other_abi, ALL(K)},
#endif
    {"memory to execute (mmap)", try_mmap, ALL(D)},
    {"memory to execute (mprotect)", try_mprotect, ALL(D)},
    {"a thread", try_thread, ALL(D)},
    {"a process in new namespaces", try_namespace, ALL(D)},
    {"a child process", work_fork, EACH(D, A, D)},
    {"a signal to another process", try_kill, ALL(D)},
    {"a signal to everyone", try_kill_all, ALL(D)},
    {"SIGTERM to the command", try_command, EACH(D, A, D)},
    {"a signal by F_SETOWN", try_own, ALL(D)},
    {"a signal by F_SETOWN_EX", try_own_ex, ALL(D)},
    {"another signal by F_SETSIG", try_sig, ALL(D)},
    {"signals by O_ASYNC", try_async, ALL(D)},
    {"signals by FIOASYNC", try_fioasync, ALL(D)},
    {"a signal by SIOCSPGRP", try_siocspgrp, ALL(D)},
    {"a signal by F_SETLEASE", try_lease, ALL(D)},
    {"a signal by F_NOTIFY", try_notify_folder, ALL(D)},
    {"a signal by timer_create", try_timer, ALL(D)},
    {"a signal by tkill", try_tkill, ALL(D)},
    {"a signal by rt_sigqueueinfo", try_sigqueue, ALL(D)},
    {"a signal at the parent's death (prctl)", try_death_signal, ALL(D)},
    {"letting others trace it (prctl)", try_ptracer, ALL(D)},
    {"a lock of a file (F_SETLK)", try_lock, ALL(D)},
    {"a lock of a file (F_OFD_SETLK)", try_ofd_lock, ALL(D)},
    {"a larger pipe (F_SETPIPE_SZ)", try_pipe_size, ALL(D)},
    {"a sealed file (F_ADD_SEALS)", try_seals, ALL(D)},
    {"another process's limits (prlimit64)", try_limit_other, ALL(D)},
    {"another process's priority", try_priority, ALL(D)},
    {"another process's processors", try_affinity, ALL(D)},
    {"memory shared with others (MADV_MERGEABLE)", try_merge, ALL(D)},
    {"memory in core dumps again (MADV_DODUMP)", try_dump, ALL(D)},
    {"memory given up as bad (MADV_HWPOISON)", try_poison, ALL(D)},
    {"memory moved to a chosen place (mremap)", try_remap, ALL(D)},
    {"a descriptor's flags (fcntl)", work_fcntl, ALL(A)},
    {"setuid", try_setuid, ALL(D)},
    {"becoming traceable", try_dumpable, ALL(D)},
    {"typing into a terminal (TIOCSTI)", try_tty, ALL(D)},
    {"socket: AF_PACKET", try_packet, ALL(D)},
    {"socket: raw IP", try_raw, ALL(D)},
    {"socket: AF_NETLINK, routes", try_route, ALL(D)},
    {"socket: AF_NETLINK, sock_diag", try_diag, ALL(D)},
    {"socket: AF_VSOCK", try_vsock, ALL(D)},
    {"socket: TCP", try_inet, EACH(A, D, A)},
    {"socket: TCP over IPv6", try_inet6, EACH(A, D, A), .v6 = true},
    {"socket: UDP", try_udp, EACH(A, D, A)},
    {"socket: AF_UNIX, stream", try_unix, EACH(A, D, A)},
    {"socket: AF_UNIX, datagram (sd_notify)", try_notify, ALL(A)},
    {"bind", try_bind, ALL(D)},
    {"listen", try_listen, ALL(D)},
    {"a socket's program (SO_ATTACH_FILTER)", try_attach, ALL(D)},
    {"connect: upstream's port", try_upstream4, EACH(A, D, A)},
    {"connect: upstream's port, IPv6", try_upstream6, EACH(A, D, A), .v6 = true},
    {"connect: another port", try_other4, ALL(D), .landlock = 4},
    {"connect: another port, IPv6", try_other6, ALL(D), .landlock = 4, .v6 = true},
    {"read: the configuration", read_conf, ALL(A)},
    {"read: the API description", read_api, EACH(A, D, D), .landlock = 1},
    {"read: the CA file", read_ca, EACH(A, D, A), .landlock = 1},
    {"read: keys.conf (of another folder)", read_keys, EACH(D, A, D), .landlock = 1},
    {"read: the audit log", read_audit, EACH(D, A, A), .landlock = 1},
    {"read: another file", read_other, ALL(D), .landlock = 1},
    {"read: another folder", list_other, ALL(D), .landlock = 1},
    {"read: /etc/passwd", read_passwd, ALL(A), .landlock = 1},
    {"read: a program", read_program, ALL(D), .landlock = 1},
    {"read: another process's memory", read_memory, ALL(D), .landlock = 1},
    {"write: the configuration", write_conf, ALL(D), .landlock = 1},
    /* Both may read /etc: there the file's permissions decide, and root has them all. */
    {"write: /etc/shadow", write_shadow, ALL(D), .landlock = 1},
    {"write: keys.conf", write_keys, ALL(D), .landlock = 1},
    {"write: another file", write_other, ALL(D), .landlock = 1},
    {"empty: another file", empty_other, ALL(D), .landlock = 3},
    {"make: a file elsewhere", make_other, ALL(D), .landlock = 1},
    {"make: a file beside the socket", make_run, ALL(D), .landlock = 1},
    {"make: a file of the audit log", make_audit, EACH(D, A, D)},
    {"make: a folder", make_folder, ALL(D)},
    {"make: a symbolic link", make_link, ALL(D)},
    {"remove: its own socket", remove_socket, ALL(A)},
    {"remove: the configuration", remove_conf, ALL(D), .landlock = 1},
    {"remove: another file", remove_other, ALL(D), .landlock = 1},
    {"remove: a file of the audit log", remove_audit, EACH(D, A, D), .landlock = 1},
    {"move: the audit log elsewhere", move_out, ALL(D), .landlock = 1},
    {"chmod", change_mode, ALL(D)},
    {"fchown", change_owner, ALL(D)},
    {"fchmod: set-user-id", set_suid, ALL(D)},
    {"fchmod", work_mode, EACH(D, A, D)},
    {"write and fdatasync", work_sync, EACH(D, A, D)},
    {"fallocate", work_allocate, EACH(D, A, D)},
    {"ftruncate", work_cut, EACH(D, A, D)},
    {"rename in the audit directory", work_rename, EACH(D, A, D)},
    {"link in the audit directory", work_link, EACH(D, A, D)},
    {"make: a cursor", make_cursor, EACH(D, D, A), .landlock = 1},
    {"put a cursor in its place", move_cursor, EACH(D, D, A), .landlock = 1},
    {"make: like a cursor, in the audit directory", make_cursor_there, EACH(D, A, D),
     .landlock = 1},
    {"make: like a cursor, elsewhere", make_cursor_elsewhere, ALL(D), .landlock = 1},
    {"move: a cursor over the audit log", move_over, EACH(D, D, D), .landlock = 1},
    {"write: the audit log", write_audit, EACH(D, A, D)},
    {"fdatasync of what is read", work_read_sync, EACH(D, A, A)},
    {"a thread as the C library makes it", work_thread, EACH(D, D, A)},
    {"memory, randomness, clocks", work_memory, ALL(A)},
    {"accept", work_accept, ALL(A)},
    {"setsockopt: TCP_NODELAY", work_nodelay, EACH(A, D, A)},
    {.name = NULL},
};
