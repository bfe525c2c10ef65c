/*
 * Names are looked up beforehand: in the handler nothing but write(2) is safe. What the call was
 * answers as if the kernel had refused it, by the register of its result.
 */
#include "sandbox/trap.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    TRAP_CALLS = 512,
    TRAP_LINE = 96,
};

static char lines[TRAP_CALLS][TRAP_LINE];
static const char UNKNOWN[] = "level=error event=sandbox_denied syscall=unknown\n";

static void trapped(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    int number = info->si_syscall, before = errno;
    const char *line = number >= 0 && number < TRAP_CALLS ? lines[number] : UNKNOWN;

    (void)signal_number;
    if (write(STDERR_FILENO, line, strlen(line)) < 0) {
        /* nobody to tell */
    }
    errno = before;
#if defined(__x86_64__)
    u->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    u->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#else
#error "--enable-debug-sandbox: unknown architecture"
#endif
}

int trap_install(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};

    for (int i = 0; i < TRAP_CALLS; i++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);

        (void)snprintf(lines[i], sizeof(lines[i]),
                       "level=error event=sandbox_denied syscall=%s number=%d\n",
                       name ? name : "unknown", i);
        free(name);
    }
    action.sa_sigaction = trapped;
    return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}
