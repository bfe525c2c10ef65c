#include "ship/admin_socket.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct loop *loop;
static struct admin_socket *admin_socket;
static char folder[] = "/tmp/test_desk.XXXXXX", path[64];
static int put_status;
static size_t put_bytes;

static int put(void *arg, enum admin_socket_page page, struct buf *text)
{
    (void)arg;
    for (size_t i = 0; i < put_bytes; i++)
        if (buf_append(text, "x", 1) < 0)
            return -ENOBUFS;
    return buf_printf(text, page == ADMIN_SOCKET_READY ? "R\n" : "M\n") < 0 ? -ENOBUFS : put_status;
}

static void setup(void)
{
    struct err err = ERR_INIT;
    struct stat st;

    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/admin.sock", folder);
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(admin_socket_open(&admin_socket, loop, path, put, NULL, &err), 0);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0660);
    put_status = 200;
    put_bytes = 0;
}

static void cleanup(void)
{
    admin_socket_close(admin_socket);
    CU_ASSERT(access(path, F_OK) < 0);
    loop_free(loop);
    unit_remove(folder);
}

static int dial(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

/* The peer's end is read turn by turn, until it closes or half a second has passed. */
static bool listen_to(int fd, char *out, size_t room)
{
    uint64_t most = loop_now() + 500000;
    size_t n = 0;

    while (loop_now() < most && n < room - 1) {
        ssize_t got;

        (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
        got = recv(fd, out + n, room - 1 - n, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            out[n] = '\0';
            return true;
        }
        n += got > 0 ? (size_t)got : 0;
    }
    out[n] = '\0';
    return false;
}

static char answer[1024 * 1024];

static void ask(const char *request, const char *status, const char *body)
{
    int fd = dial();
    const char *end;

    CU_ASSERT_EQUAL(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    CU_ASSERT(listen_to(fd, answer, sizeof(answer)));
    CU_ASSERT(strncmp(answer, "HTTP/1.1 ", 9) == 0 &&
              strncmp(answer + 9, status, strlen(status)) == 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\r\nConnection: close\r\n"));
    end = strstr(answer, "\r\n\r\n");
    CU_ASSERT(end && strstr(end + 4, body));
    close(fd);
}

#define HOST " HTTP/1.1\r\nHost: localhost\r\n"

static void its_pages(void)
{
    setup();
    ask("GET /healthz" HOST "\r\n", "200 OK", "alive\n");
    ask("GET /readyz" HOST "\r\n", "200 OK", "R\n");
    ask("GET /metrics" HOST "\r\n", "200 OK", "M\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "version=0.0.4"));
    put_status = 503;
    ask("GET /readyz" HOST "\r\n", "503 ", "R\n");
    ask("GET /" HOST "\r\n", "404 ", "/healthz");
    put_bytes = 200 * 1024; /* more than a socket takes at once */
    ask("GET /metrics" HOST "\r\n", "503 ", "xM\n");
    put_bytes = 1024 * 1024; /* more than an answer may have */
    ask("GET /metrics" HOST "\r\n", "500 ", "");
    cleanup();
}

static void nothing_else(void)
{
    char head[6000] = "GET /healthz" HOST "X: ";

    setup();
    ask("POST /readyz" HOST "Content-Length: 0\r\n\r\n", "405 ", "only GET");
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "\r\nAllow: GET\r\n"));
    ask("DELETE /healthz" HOST "\r\n", "405 ", "");
    ask("GET /healthz" HOST "Content-Length: 5\r\n\r\n", "400 ", "no body");
    ask("GET /healthz HTTP/1.1\r\n\r\n", "400 ", "");
    ask("hello\r\n\r\n", "400 ", "");
    memset(head + strlen(head), 'x', 4100);
    ask(head, "400 ", "too long");
    cleanup();
}

static void byte_by_byte(void)
{
    static const char REQUEST[] = "GET /healthz" HOST "\r\n";
    int fd;

    setup();
    fd = dial();
    for (size_t i = 0; i < sizeof(REQUEST) - 1; i++) {
        CU_ASSERT_EQUAL(send(fd, REQUEST + i, 1, MSG_NOSIGNAL), 1);
        for (int k = 0; k < 3; k++)
            (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
    }
    CU_ASSERT(listen_to(fd, answer, sizeof(answer)));
    CU_ASSERT_PTR_NOT_NULL(strstr(answer, "200 OK"));
    close(fd);
    /* One that goes in the middle. */
    fd = dial();
    CU_ASSERT_EQUAL(send(fd, "GET", 3, MSG_NOSIGNAL), 3);
    (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
    close(fd);
    ask(REQUEST, "200 ", "alive");
    cleanup();
}

static void turns(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
}

/* The oldest goes for a newcomer of the same user. */
static void a_few_at_a_time(void)
{
    int fds[16];

    setup();
    for (int i = 0; i < 16; i++) {
        fds[i] = dial();
        turns(2);
    }
    ask("GET /healthz" HOST "\r\n", "200 ", "alive");
    CU_ASSERT(listen_to(fds[0], answer, sizeof(answer)));
    CU_ASSERT_STRING_EQUAL(answer, "");
    CU_ASSERT_EQUAL(recv(fds[1], answer, 1, MSG_DONTWAIT), -1);
    for (int i = 0; i < 16; i++)
        close(fds[i]);
    cleanup();
}

/* One user's many connections cost another nothing. */
static void another_user(void)
{
    int fds[40], mine;

    if (geteuid() != 0) {
        unit_skip("only root can become another user");
        return;
    }
    setup();
    CU_ASSERT_EQUAL(chmod(folder, 0755), 0);
    CU_ASSERT_EQUAL(chmod(path, 0666), 0);
    mine = dial();
    turns(2);
    CU_ASSERT_EQUAL(seteuid(12345), 0);
    for (int i = 0; i < 40; i++) {
        fds[i] = dial();
        turns(2);
    }
    CU_ASSERT_EQUAL(seteuid(0), 0);
    CU_ASSERT_EQUAL(recv(mine, answer, 1, MSG_DONTWAIT), -1); /* it is still there */
    ask("GET /healthz" HOST "\r\n", "200 ", "alive");
    CU_ASSERT_EQUAL(recv(mine, answer, 1, MSG_DONTWAIT), -1);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    close(mine);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"its pages", its_pages},       {"nothing else", nothing_else},
    {"byte by byte", byte_by_byte}, {"a few at a time", a_few_at_a_time},
    {"another user", another_user},
};

UNIT_MAIN("admin_socket", CASES)
