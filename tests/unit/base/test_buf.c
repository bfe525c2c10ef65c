#include "base/buf.h"
#include "unit/unit.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void grows_and_keeps_order(void)
{
    struct buf b = BUF_INIT(1 << 20);

    for (unsigned i = 0; i < 10000; i++)
        CU_ASSERT_EQUAL_FATAL(buf_append(&b, &i, sizeof(i)), 0);
    CU_ASSERT_EQUAL(buf_len(&b), 40000);
    for (unsigned i = 0; i < 10000; i++) {
        unsigned v;

        memcpy(&v, buf_slice(&b).data, sizeof(v));
        CU_ASSERT_EQUAL_FATAL(v, i);
        buf_consume(&b, sizeof(v));
    }
    CU_ASSERT_EQUAL(buf_len(&b), 0);
    buf_deinit(&b);
    buf_deinit(&b);
}

static void never_past_its_limit(void)
{
    struct buf b = BUF_INIT(1500);
    char data[1500] = {0};

    CU_ASSERT_EQUAL(buf_append(&b, data, 1500), 0);
    CU_ASSERT_EQUAL(buf_append(&b, data, 1), -ENOBUFS);
    CU_ASSERT_EQUAL(buf_reserve(&b, SIZE_MAX), -ENOBUFS);
    buf_consume(&b, 700);
    CU_ASSERT_EQUAL(buf_append(&b, data, 700), 0);
    CU_ASSERT_EQUAL(buf_append(&b, data, 1), -ENOBUFS);
    CU_ASSERT_EQUAL(buf_len(&b), 1500);
    CU_ASSERT(b.cap <= 1500);
    buf_deinit(&b);
}

static void moves_to_the_front(void)
{
    struct buf b = BUF_INIT(4096);
    char data[1024];

    memset(data, 'x', sizeof(data));
    CU_ASSERT_EQUAL(buf_append(&b, data, 1000), 0);
    buf_consume(&b, 990);
    CU_ASSERT_EQUAL(buf_append(&b, "0123456789", 10), 0);
    CU_ASSERT_EQUAL(buf_append(&b, data, 900), 0);
    CU_ASSERT_EQUAL(buf_len(&b), 920);
    CU_ASSERT_EQUAL(memcmp(buf_slice(&b).data + 10, "0123456789", 10), 0);
    buf_deinit(&b);
}

static void a_secret_is_wiped(void)
{
    struct buf b = BUF_INIT_SECRET(4096);

    CU_ASSERT_EQUAL(buf_append(&b, "secretsecret", 12), 0);
    buf_consume(&b, 6);
    CU_ASSERT_EQUAL(memcmp(b.data, "\0\0\0\0\0\0secret", 12), 0);
    buf_consume(&b, 100);
    CU_ASSERT_EQUAL(memcmp(b.data, "\0\0\0\0\0\0\0\0\0\0\0\0", 12), 0);
    buf_deinit(&b);
}

static void prints(void)
{
    struct buf b = BUF_INIT(64);

    CU_ASSERT_EQUAL(buf_printf(&b, "%s %d", "a", 7), 0);
    CU_ASSERT_EQUAL(buf_len(&b), 3);
    CU_ASSERT_EQUAL(buf_printf(&b, "%100d", 1), -ENOBUFS);
    CU_ASSERT_EQUAL(buf_len(&b), 3);
    buf_reset(&b, 0);
    CU_ASSERT_PTR_NULL(b.data);
    buf_deinit(&b);
}

static void over_a_socket(void)
{
    struct buf in = BUF_INIT(8), out = BUF_INIT(64);
    int fds[2];

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CU_ASSERT_EQUAL(buf_recv(&in, fds[0], 100), -EAGAIN);
    CU_ASSERT_EQUAL(buf_send(&out, fds[1]), 0);
    CU_ASSERT_EQUAL(buf_append(&out, "0123456789", 10), 0);
    CU_ASSERT_EQUAL(buf_send(&out, fds[1]), 10);
    CU_ASSERT_EQUAL(buf_recv(&in, fds[0], 100), 8);
    CU_ASSERT_EQUAL(buf_recv(&in, fds[0], 100), -ENOBUFS);
    buf_consume(&in, 8);
    CU_ASSERT_EQUAL(buf_recv(&in, fds[0], 1), 1);
    (void)close(fds[1]);
    CU_ASSERT_EQUAL(buf_recv(&in, fds[0], 1), 1);
    CU_ASSERT_EQUAL(buf_recv(&in, fds[0], 1), 0);
    CU_ASSERT_EQUAL(buf_append(&out, "x", 1), 0);
    CU_ASSERT_EQUAL(buf_send(&out, fds[0]), -EPIPE);
    (void)close(fds[0]);
    buf_deinit(&in);
    buf_deinit(&out);
}

static void numbers(void)
{
    struct buf b = BUF_INIT(30);

    CU_ASSERT_EQUAL(buf_append_number(&b, 0), 0);
    CU_ASSERT_EQUAL(buf_append_number(&b, 907), 0);
    CU_ASSERT_EQUAL(buf_append_number(&b, UINT64_MAX), 0);
    CU_ASSERT(slice_eq(buf_slice(&b), SLICE_LIT("090718446744073709551615")));
    CU_ASSERT_EQUAL(buf_append_number(&b, 1234567), -ENOBUFS);
    CU_ASSERT_EQUAL(buf_len(&b), 24);
    buf_deinit(&b);
}

static const struct unit_case CASES[] = {
    {"numbers", numbers},
    {"grows and keeps order", grows_and_keeps_order},
    {"never past its limit", never_past_its_limit},
    {"moves to the front", moves_to_the_front},
    {"a secret is wiped", a_secret_is_wiped},
    {"prints", prints},
    {"over a socket", over_a_socket},
};
UNIT_MAIN("buf", CASES)
