#include "unit/scarce.h"

#include "unit/unit.h"

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__GLIBC__) && !defined(CENTION_SANITIZERS)

#include "e2e/preload/scarce_malloc.h"

enum {
    RIGHT = 30, /* exit codes that no library uses */
    REFUSED,
    WRONG,
    NOT_REACHED,
    PIECES_MAX = 100000,
};

static unsigned left; /* pieces until the first that is refused; 0: none is */
static bool all_after, reached;

static bool scarce(void)
{
    if (left == 0 || --left > 0)
        return false;
    reached = true;
    left = all_after; /* the next one, too */
    return true;
}

static void __attribute__((noreturn)) child(int (*attempt)(void), bool (*right)(void), unsigned n)
{
    struct rlimit none = {0, 0};
    int r;

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)fclose(stderr);
    left = n;
    r = attempt();
    left = 0;
    if (!reached)
        _exit(NOT_REACHED);
    _exit(r < 0 ? REFUSED : right() ? RIGHT : WRONG);
}

static void sweep(int (*attempt)(void), bool (*right)(void))
{
    unsigned counts[NOT_REACHED - RIGHT + 1] = {0}, ended = 0, n;

    (void)fflush(NULL);
    for (n = 1; n < PIECES_MAX && counts[NOT_REACHED - RIGHT] == 0; n++) {
        pid_t pid = fork();
        int status = 0;

        if (pid == 0)
            child(attempt, right, n);
        CU_ASSERT_FATAL(pid > 0 && waitpid(pid, &status, 0) == pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) >= RIGHT && WEXITSTATUS(status) <= NOT_REACHED)
            counts[WEXITSTATUS(status) - RIGHT]++;
        else
            ended++;
    }
    (void)printf("    %u pieces%s: refused %u, right all the same %u, ended by a library %u\n",
                 n - 2, all_after ? ", and all after" : "", counts[REFUSED - RIGHT], counts[0],
                 ended);
    CU_ASSERT_EQUAL(counts[WRONG - RIGHT], 0);
    CU_ASSERT(counts[REFUSED - RIGHT] > 0);
    CU_ASSERT_EQUAL(counts[NOT_REACHED - RIGHT], 1);
}

void scarce_sweep(int (*attempt)(void), bool (*right)(void))
{
    all_after = false;
    sweep(attempt, right);
    all_after = true;
    sweep(attempt, right);
}

#else

void scarce_sweep(int (*attempt)(void), bool (*right)(void))
{
    (void)attempt;
    (void)right;
    unit_skip("a malloc of its own is not possible in this build");
}

#endif
