#include "keeper/command.h"

#include "base/log.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct end {
    struct loop *loop;
    int code;
    bool stopped;
};

static void on_end(void *arg, int code, bool stopped)
{
    struct end *e = arg;

    e->code = code;
    e->stopped = stopped;
    loop_stop(e->loop);
}

/* Runs `sh -c script`; stops it when `stop`. */
static struct end run_command(const char *script, bool stop)
{
    char *argv[] = {(char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)script,
                    NULL};
    struct command *c = NULL;
    struct err err = ERR_INIT;
    struct end e = {.code = -1};

    log_set_level(LOG_LEVEL_ERROR);
    CU_ASSERT_EQUAL_FATAL(loop_new(&e.loop), 0);
    CU_ASSERT_EQUAL_FATAL(command_start(&c, e.loop, argv, on_end, &e, &err), 0);
    if (stop)
        command_stop(c);
    CU_ASSERT_EQUAL(loop_run(e.loop), 0);
    command_free(c);
    loop_free(e.loop);
    return e;
}

static void test_command(void)
{
    char *missing[] = {(char *)(uintptr_t) "/none/program", NULL};
    struct command *c = NULL;
    struct err err = ERR_INIT;
    struct loop *loop = NULL;
    struct end e;
    int leak;

    e = run_command("exit 7", false);
    CU_ASSERT_EQUAL(e.code, 7);
    CU_ASSERT_FALSE(e.stopped);
    e = run_command("kill -9 $$", false);
    CU_ASSERT_EQUAL(e.code, 137);
    CU_ASSERT_FALSE(e.stopped);
    e = run_command("exec sleep 60", true);
    CU_ASSERT_EQUAL(e.code, 128 + SIGTERM);
    CU_ASSERT(e.stopped);
    /* A TERM that nobody here sent is the command's own end. */
    e = run_command("kill -TERM $$", false);
    CU_ASSERT_EQUAL(e.code, 128 + SIGTERM);
    CU_ASSERT_FALSE(e.stopped);
    /* Default signals, no descriptor of ours, no folder of secrets. */
    leak = dup2(STDIN_FILENO, 99);
    CU_ASSERT_EQUAL(leak, 99);
    signal(SIGPIPE, SIG_IGN);
    setenv("CREDENTIALS_DIRECTORY", "/x", 1);
    e = run_command("test -z \"$CREDENTIALS_DIRECTORY\" && "
                    "test ! -e /proc/$$/fd/99 && "
                    "grep -q '^SigIgn:.*0000000$' /proc/$$/status",
                    false);
    CU_ASSERT_EQUAL(e.code, 0);
    unsetenv("CREDENTIALS_DIRECTORY");
    signal(SIGPIPE, SIG_DFL);
    close(leak);

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL(command_start(&c, loop, missing, on_end, &e, &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/none/program: can't be started"));
    loop_free(loop);
    command_free(NULL);
}

static const struct unit_case CASES[] = {
    {"the command", test_command},
};

UNIT_MAIN("command", CASES)
