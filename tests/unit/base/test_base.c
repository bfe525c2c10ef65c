/* The small ones of base: err, service and sandbox. */
#include "base/asan.h"
#include "base/err.h"
#include "base/process.h"
#include "base/service.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void err_is_cut_to_fit(void)
{
    struct err err = ERR_INIT;
    char much[2000];

    CU_ASSERT_EQUAL(err_set(&err, -EINVAL, "%s: %d", "x", 7), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "x: 7");
    (void)err_set(&err, -1, "is \"%s\", not good", "a\nb\x11\x7f\t\xc3\xa9");
    CU_ASSERT_STRING_EQUAL(err.text, "is \"a?b???\xc3\xa9\", not good");
    memset(much, 'a', sizeof(much) - 1);
    much[sizeof(much) - 1] = '\0';
    CU_ASSERT_EQUAL(err_set(&err, -1, "%s", much), -1);
    CU_ASSERT_EQUAL(strlen(err.text), sizeof(err.text) - 1);
}

static void without_a_manager_nothing_happens(void)
{
    struct service_socket sockets[SERVICE_SOCKETS_MAX];
    size_t n = 9;

    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("LISTEN_FDS");
    CU_ASSERT_EQUAL(service_sockets(sockets, &n), 0);
    CU_ASSERT_EQUAL(n, 0);
    service_ready("x");
    service_reloading();
    service_stopping();
}

static void the_manager_hears(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/test_base_XXXXXX", got[256] = "";
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s/n", folder);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    (void)setenv("NOTIFY_SOCKET", a.sun_path, 1);
    service_ready("serving");
    CU_ASSERT(recv(fd, got, sizeof(got) - 1, 0) > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(got, "READY=1"));
    memset(got, 0, sizeof(got));
    service_reloading();
    CU_ASSERT(recv(fd, got, sizeof(got) - 1, 0) > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(got, "RELOADING=1\nMONOTONIC_USEC="));
    service_stopping();
    CU_ASSERT(recv(fd, got, sizeof(got) - 1, 0) > 0);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)close(fd);
    (void)unlink(a.sun_path);
    (void)rmdir(folder);
}

/* In a child: it can't be undone. */
static void the_sandbox(void)
{
    int status = -1;
    pid_t pid = fork();

    CU_ASSERT_FATAL(pid >= 0);
    if (pid == 0) {
        struct err err = ERR_INIT;
        struct rlimit core;
        int bad = process_harden(&err) != 0;

        bad |= getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0;
        bad |= prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
#if !CENTION_ASAN
        bad |= prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0;
#endif
        _exit(bad);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT_EQUAL(status, 0);
}

static const struct unit_case CASES[] = {
    {"err is cut to fit", err_is_cut_to_fit},
    {"without a manager nothing happens", without_a_manager_nothing_happens},
    {"the manager hears", the_manager_hears},
    {"the sandbox", the_sandbox},
};
UNIT_MAIN("base", CASES)
