/* Plain streams; TLS ones are in test_tls.c. */
#include "proxy/tls/stream.h"
#include "unit/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void plain(void)
{
    struct stream s = STREAM_CLOSED;
    char got[16];
    int fds[2];

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    s.fd = fds[0];
    CU_ASSERT_EQUAL(stream_written(&s), 0);
    CU_ASSERT_EQUAL(stream_read(&s, got, sizeof(got)), STREAM_WANT_READ);
    CU_ASSERT_EQUAL(stream_write(&s, "hello", 5), 5);
    CU_ASSERT_EQUAL(stream_written(&s), 5);
    CU_ASSERT_EQUAL(read(fds[1], got, sizeof(got)), 5);
    CU_ASSERT_EQUAL(write(fds[1], "you", 3), 3);
    CU_ASSERT_EQUAL(stream_read(&s, got, sizeof(got)), 3);
    CU_ASSERT_FALSE(stream_pending(&s));
    CU_ASSERT_FALSE(stream_h2(&s)); /* without TLS nothing is agreed on */
    CU_ASSERT_EQUAL(stream_read_ahead(&s), 0);
    (void)close(fds[1]);
    CU_ASSERT_EQUAL(stream_read(&s, got, sizeof(got)), 0);
    CU_ASSERT_EQUAL(stream_write(&s, "x", 1), STREAM_FAILED);
    CU_ASSERT_PTR_NOT_NULL(s.error);
    CU_ASSERT_EQUAL(stream_written(&s), 5);
    stream_close(&s);
    CU_ASSERT_EQUAL(s.fd, -1);
    stream_close(&s);
}

static void a_full_socket_wants_to_write(void)
{
    static char much[1 << 20];
    struct stream s = STREAM_CLOSED;
    uint64_t sum = 0;
    ssize_t n;
    int fds[2];

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    s.fd = fds[0];
    while ((n = stream_write(&s, much, sizeof(much))) > 0)
        sum += (uint64_t)n;
    CU_ASSERT_EQUAL(n, STREAM_WANT_WRITE);
    CU_ASSERT_EQUAL(stream_written(&s), sum);
    stream_close(&s);
    (void)close(fds[1]);
}

static const struct unit_case CASES[] = {
    {"plain", plain},
    {"a full socket wants to write", a_full_socket_wants_to_write},
};
UNIT_MAIN("stream", CASES)
