#include "proxy/front/process.h"
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void units(void)
{
    static const char *const CASES[][2] = {
        {"0::/system.slice/importer.service\n", "importer.service"},
        {"0::/system.slice/importer.service/worker/3\n", "importer.service"},
        {"0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"},
        {"0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-mail.scope\n",
         "user@1000.service/app-mail.scope"},
        {"0::/../../system.slice/a\\x2db.service\n", "a\\x2db.service"},
        {"12:pids:/x.scope\n1:name=systemd:/system.slice/old.service\n0::/\n", "old.service"},
        {"0::/a.service", "a.service"},
        {"0::/\n", ""},
        {"0::/.service\n", ""},
        {"0::/docker/0123\n", ""},
        {"4:cpu:/a.service\n", ""},
        {"0::/sp ace.service\n", ""},
        {"0::/caf\xc3\xa9.service\n", ""},
        {"0", ""},
        {"", ""}};
    char out[PROCESS_TEXT_MAX + 1], text[600];

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char *guarded = unit_guard(CASES[i][0], strlen(CASES[i][0]));

        process_unit(guarded, strlen(CASES[i][0]), out);
        CU_ASSERT_STRING_EQUAL(out, CASES[i][1]);
        unit_guard_free(guarded, strlen(CASES[i][0]));
    }
    memset(text, 'a', sizeof(text));
    memcpy(text, "0::/", 4);
    memcpy(text + 300, ".service\n", 9);
    process_unit(text, 309, out); /* longer than there is room for */
    CU_ASSERT_STRING_EQUAL(out, "");
    memcpy(text + 4 + PROCESS_TEXT_MAX - 9, ".service\n", 9);
    process_unit(text, 4 + PROCESS_TEXT_MAX, out); /* the longest that fits */
    CU_ASSERT_EQUAL(strlen(out), PROCESS_TEXT_MAX - 1);
}

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void ourselves(void)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    int pidfd = pidfd_of(getpid());
    struct process p;

    CU_ASSERT_FATAL(n > 0 && pidfd >= 0);
    exe[n <= PROCESS_TEXT_MAX ? n : 0] = '\0';
    process_describe(&p, (uint32_t)getpid(), pidfd, geteuid());
    CU_ASSERT_STRING_EQUAL(p.exe, exe);
    /* Without a descriptor of the process its owner must fit. */
    process_describe(&p, (uint32_t)getpid(), -1, geteuid());
    CU_ASSERT_STRING_EQUAL(p.exe, exe);
    process_describe(&p, (uint32_t)getpid(), -1, geteuid() + 1);
    CU_ASSERT_STRING_EQUAL(p.exe, "");
    CU_ASSERT_STRING_EQUAL(p.unit, "");
    process_describe(&p, 0, -1, geteuid());
    CU_ASSERT_STRING_EQUAL(p.exe, "");
    (void)close(pidfd);
}

/* The process that connected has gone, and its number is ours now. */
static void a_recycled_number(void)
{
    pid_t child = fork();
    struct process p;
    int pidfd;

    if (child == 0)
        _exit(0);
    pidfd = pidfd_of(child);
    CU_ASSERT_FATAL(pidfd >= 0);
    CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
    process_describe(&p, (uint32_t)getpid(), pidfd, geteuid());
    CU_ASSERT_STRING_EQUAL(p.exe, "");
    CU_ASSERT_STRING_EQUAL(p.unit, "");
    (void)close(pidfd);
}

static const struct unit_case CASES[] = {
    {"units", units},
    {"ourselves", ourselves},
    {"a recycled number", a_recycled_number},
};

UNIT_MAIN("process", CASES)
