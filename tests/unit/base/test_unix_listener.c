#include "base/unix_listener.h"

#include "base/log.h"
#include "unit/keeper/keeper_fixture.h"

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

static void arrived(void *arg, int fd)
{
    ++*(unsigned *)arg;
    close(fd);
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    strcpy(address.sun_path, path);
    r = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    close(fd);
    return r;
}

static void test_door(void)
{
    struct unix_listener *a = NULL, *b = NULL;
    struct err err = ERR_INIT;
    struct fixture f;
    unsigned n = 0;
    char path[128];
    struct stat st;

    setup(&f);
    strcpy(path, in_folder(&f, "sock"));
    CU_ASSERT_EQUAL_FATAL(unix_listener_open(&a, f.loop, path, 0640, arrived, &n, &err), 0);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
    CU_ASSERT_EQUAL(connect_to(path), 0);
    turn(&f);
    CU_ASSERT_EQUAL(n, 1);
    /* One that answers is left alone. */
    CU_ASSERT_EQUAL(unix_listener_open(&b, f.loop, path, 0600, arrived, &n, &err), -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "another daemon"));
    /* One that doesn't is replaced; the first one then keeps its hands off the second's. */
    CU_ASSERT_EQUAL(rename(path, in_folder(&f, "moved")), 0);
    CU_ASSERT_EQUAL_FATAL(unix_listener_open(&b, f.loop, path, 0600, arrived, &n, &err), 0);
    unix_listener_close(a);
    CU_ASSERT_EQUAL(connect_to(path), 0);
    CU_ASSERT_EQUAL(rename(in_folder(&f, "moved"), path), 0);
    CU_ASSERT_EQUAL(connect_to(path), -ECONNREFUSED);
    unix_listener_close(b);
    CU_ASSERT_EQUAL_FATAL(unix_listener_open(&a, f.loop, path, 0600, arrived, &n, &err), 0);
    CU_ASSERT_EQUAL(connect_to(path), 0);
    unix_listener_close(a);
    CU_ASSERT_EQUAL(access(path, F_OK), -1);
    unix_listener_close(NULL);
    /* Not a socket; no folder; too long. */
    CU_ASSERT_EQUAL(unix_listener_open(&a, f.loop, in_folder(&f, "keys"), 0600, arrived, &n, &err),
                    -EEXIST);
    CU_ASSERT_EQUAL(unix_listener_open(&a, f.loop, in_folder(&f, "no/x"), 0600, arrived, &n, &err),
                    -ENOENT);
    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    CU_ASSERT_EQUAL(unix_listener_open(&a, f.loop, path, 0600, arrived, &n, &err), -ENAMETOOLONG);
    cleanup(&f);
}

static const struct unit_case CASES[] = {
    {"the door", test_door},
};

UNIT_MAIN("unix_listener", CASES)
