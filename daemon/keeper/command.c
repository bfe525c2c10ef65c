/*
 * posix_spawn(3) and not fork(2): no copy of the keeper's memory ever runs on, and a command that
 * can't be started is reported at once.
 */
#include "keeper/command.h"

#include "base/log.h"

#include <errno.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    COMMAND_GRACE_US =
        60000000, /* from SIGTERM to SIGKILL: longer than a proxy drains by default */
};

struct command {
    pid_t pid; /* 0 when it has ended */
    struct event *child;
    struct loop_timer grace;
    bool asked;
    void (*ended)(void *arg, int code, bool stopped);
    void *arg;
};

static void command_kill(void *arg)
{
    struct command *c = arg;

    log_warning("command_killed", "pid=%d why=\"it did not end in time\"", (int)c->pid);
    if (c->pid)
        (void)kill(c->pid, SIGKILL);
}

static void command_child(evutil_socket_t number, short what, void *arg)
{
    struct command *c = arg;
    int status, code;
    bool stopped;

    (void)number;
    (void)what;
    if (c->pid == 0 || waitpid(c->pid, &status, WNOHANG) != c->pid)
        return;
    stopped = c->asked && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
    code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    log_info("command_ended", "pid=%d code=%d", (int)c->pid, code);
    c->pid = 0;
    loop_timer_clear(&c->grace);
    c->ended(c->arg, code, stopped);
}

/* Our environment without the folder that the secrets may be in. The strings are not copied. */
static char **environment(void)
{
    size_t n = 0, k = 0;
    char **out;

    while (environ[n])
        n++;
    out = calloc(n + 1, sizeof(*out));
    for (size_t i = 0; out && i < n; i++)
        if (strncmp(environ[i], "CREDENTIALS_DIRECTORY=", 22) != 0)
            out[k++] = environ[i];
    return out;
}

static int spawn(pid_t *pid, char *const *argv)
{
    posix_spawnattr_t attr;
    sigset_t all, none;
    char **env = environment();
    int r;

    if (!env)
        return -ENOMEM;
    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    r = posix_spawnattr_init(&attr);
    if (r != 0) {
        free(env);
        return -r;
    }
    (void)posix_spawnattr_setsigdefault(&attr, &all);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    r = posix_spawnp(pid, argv[0], NULL, &attr, argv, env);
    (void)posix_spawnattr_destroy(&attr);
    free(env);
    return -r;
}

int command_start(struct command **out, struct loop *loop, char *const *argv,
                  void (*ended)(void *arg, int code, bool stopped), void *arg, struct err *err)
{
    struct command *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return err_set(err, -ENOMEM, "out of memory");
    c->ended = ended;
    c->arg = arg;
    loop_timer_init(&c->grace, loop, command_kill, c);
    c->child = evsignal_new(loop_base(loop), SIGCHLD, command_child, c);
    if (!c->child || event_add(c->child, NULL) < 0) {
        command_free(c);
        return err_set(err, -ENOMEM, "out of memory");
    }
    /* Ours are close-on-exec anyway; what we inherited ourselves may not be. */
    r = close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0 && errno != ENOSYS ? -errno : 0;
    if (r == 0)
        r = spawn(&c->pid, argv);
    if (r < 0) {
        c->pid = 0;
        command_free(c);
        return err_set(err, r, "%s: can't be started: %s", argv[0], strerror(-r));
    }
    log_info("command_started", "pid=%d", (int)c->pid);
    *out = c;
    return 0;
}

void command_stop(struct command *c)
{
    if (c->pid == 0)
        return;
    (void)kill(c->pid, SIGTERM);
    if (!c->asked)
        loop_timer_set(&c->grace, COMMAND_GRACE_US);
    c->asked = true;
}

pid_t command_pid(const struct command *c)
{
    return c->pid;
}

void command_free(struct command *c)
{
    if (!c)
        return;
    loop_timer_deinit(&c->grace);
    if (c->child)
        event_free(c->child);
    if (c->pid) {
        (void)kill(c->pid, SIGKILL);
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    free(c);
}
