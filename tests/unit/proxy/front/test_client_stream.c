/* The plain side of a channel; TLS is spoken end to end in tests/e2e/test_listen_tls.py. */
#include "proxy/front/client_stream.h"
#include "unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_plain(void)
{
    struct buf in = BUF_INIT(100), out = BUF_INIT(100);
    struct client_stream c;
    char bytes[8];
    int fds[2];

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CU_ASSERT_EQUAL(client_stream_open(&c, fds[0], NULL), 0);
    CU_ASSERT_FALSE(client_stream_pending(&c));
    CU_ASSERT_EQUAL(client_stream_recv(&c, &in, 50), -EAGAIN);
    CU_ASSERT_EQUAL(write(fds[1], "hello", 5), 5);
    CU_ASSERT_EQUAL(client_stream_recv(&c, &in, 3), 3);
    CU_ASSERT_EQUAL(client_stream_recv(&c, &in, 50), 2);
    CU_ASSERT(slice_eq(buf_slice(&in), SLICE_LIT("hello")));
    CU_ASSERT_EQUAL(buf_append(&out, "abc", 3), 0);
    CU_ASSERT_EQUAL(client_stream_send(&c, &out), 3);
    CU_ASSERT_EQUAL(read(fds[1], bytes, 8), 3);
    client_stream_finish(&c);
    CU_ASSERT_EQUAL(read(fds[1], bytes, 8), 0);
    CU_ASSERT_EQUAL(write(fds[1], "x", 1), 1);
    CU_ASSERT_EQUAL(client_stream_recv(&c, &in, 50), 1);
    close(fds[1]);
    CU_ASSERT_EQUAL(client_stream_recv(&c, &in, 50), 0);
    client_stream_close(&c);
    CU_ASSERT_EQUAL(c.fd, -1);
    client_stream_close(&c);
    buf_deinit(&in);
    buf_deinit(&out);
}

static const struct unit_case CASES[] = {
    {"plain", test_plain},
};

UNIT_MAIN("client_stream", CASES)
