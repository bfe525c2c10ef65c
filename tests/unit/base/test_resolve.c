/* Names without a network; where the machine allows it, look-ups against a name server in here. */
#include "base/resolve.h"
#include "proxy/upstream/dial.h"
#include "unit/unit.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static time_t skew; /* seconds by which this program's clocks go ahead */

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ts);

    ts->tv_sec += skew;
    return r;
}

struct heard {
    struct loop *loop;
    int times;
    unsigned addresses;
    const char *why;
};

static void done(void *arg, const struct resolve_list *list, const char *why)
{
    struct heard *h = arg;

    h->times++;
    h->addresses = list ? list->n : 0;
    h->why = why;
    loop_stop(h->loop);
}

static void known(const char *host, unsigned n)
{
    struct loop *loop;
    struct resolve *r;
    struct resolve_wait wait = {.done = done};
    const struct resolve_list *list;

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(resolve_new(&r, loop, host, 443), 0);
    list = resolve_get(r, &wait);
    CU_ASSERT_PTR_NOT_NULL_FATAL(list);
    CU_ASSERT_EQUAL(list->n, n);
    CU_ASSERT_EQUAL(ntohs(list->address[0].in.sin_port), 443);
    resolve_free(r);
    loop_free(loop);
}

static void literals_and_localhost_at_once(void)
{
    known("127.0.0.1", 1);
    known("::1", 1);
    known("localhost", 2);
}

/* There is no such name and perhaps no name server: either way an answer comes, and no block. */
static void a_name_that_is_not_there(void)
{
    struct heard h = {0};
    struct resolve *r;
    struct resolve_wait wait = {.done = done, .arg = &h};
    struct loop_timer watchdog;

    CU_ASSERT_EQUAL_FATAL(loop_new(&h.loop), 0);
    CU_ASSERT_EQUAL_FATAL(resolve_new(&r, h.loop, "no-such-name.invalid", 443), 0);
    CU_ASSERT_PTR_NULL(resolve_get(r, &wait));
    loop_timer_init(&watchdog, h.loop, (void (*)(void *))loop_stop, h.loop);
    loop_timer_set(&watchdog, 1000000);
    CU_ASSERT_EQUAL(loop_run(h.loop), 0);
    CU_ASSERT(h.times <= 1);
    if (h.times)
        CU_ASSERT_EQUAL(h.addresses, 0);
    loop_timer_deinit(&watchdog);
    resolve_free(r);
    loop_free(h.loop);
}

static void a_cancelled_wait_hears_nothing(void)
{
    struct heard h = {0};
    struct resolve *r;
    struct resolve_wait wait = {.done = done, .arg = &h};

    CU_ASSERT_EQUAL_FATAL(loop_new(&h.loop), 0);
    CU_ASSERT_EQUAL_FATAL(resolve_new(&r, h.loop, "no-such-name.invalid", 443), 0);
    CU_ASSERT_PTR_NULL(resolve_get(r, &wait));
    resolve_cancel(&wait);
    resolve_cancel(&wait);
    resolve_free(r);
    loop_free(h.loop);
    CU_ASSERT_EQUAL(h.times, 0);
}

struct name_server {
    struct event readable;
    int fd;
    unsigned port, queries;
    bool mute, lost; /* says nothing; knows no name */
};

/* One address for A, none for AAAA (RFC 1035, 4.1). */
static void name_server_read(evutil_socket_t fd, short what, void *arg)
{
    static const unsigned char ADDRESS[] = {0xc0, 0x0c, 0, 1, 0,   1, 0, 0,
                                            0,    60,   0, 4, 127, 0, 0, 1};
    struct name_server *s = arg;
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    unsigned char m[512];
    ssize_t n = recvfrom(fd, m, sizeof(m) - sizeof(ADDRESS), 0, (struct sockaddr *)&from, &len);
    bool four;

    (void)what;
    if (n < 17)
        return;
    s->queries++;
    if (s->mute)
        return;
    four = m[n - 3] == 1 && !s->lost;
    m[2] |= 0x80;
    m[3] = s->lost ? 3 : 0;
    m[7] = four;
    memcpy(m + n, ADDRESS, sizeof(ADDRESS));
    (void)sendto(fd, m, (size_t)n + (four ? sizeof(ADDRESS) : 0), 0, (struct sockaddr *)&from, len);
}

/* Makes the resolver of this process ask it; false where that is not allowed. */
static bool name_server_open(struct name_server *s, struct loop *loop)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char path[] = "/tmp/test_resolve_XXXXXX", line[64];
    socklen_t len = sizeof(a);
    int fd = mkstemp(path), n;
    bool good;

    *s = (struct name_server){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)};
    CU_ASSERT_EQUAL_FATAL(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(s->fd, (struct sockaddr *)&a, &len), 0);
    n = snprintf(line, sizeof(line), "nameserver 127.0.0.1:%u\n", (unsigned)ntohs(a.sin_port));
    CU_ASSERT_EQUAL_FATAL(write(fd, line, (size_t)n), n);
    (void)close(fd);
    good = (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
           mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
    (void)unlink(path);
    (void)event_assign(&s->readable, loop_base(loop), s->fd, EV_READ | EV_PERSIST, name_server_read,
                       s);
    (void)event_add(&s->readable, NULL);
    return good;
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run(struct loop *loop, uint64_t us)
{
    struct loop_timer t;

    loop_timer_init(&t, loop, stop, loop);
    loop_timer_set(&t, us);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    loop_timer_deinit(&t);
}

static void heard_too(void *arg, const struct resolve_list *list, const char *why)
{
    struct heard *h = arg;

    h->times++;
    h->addresses = list ? list->n : 0;
    h->why = why;
}

static void dialed(void *arg, struct stream stream, const char *why)
{
    struct heard *h = arg;

    h->times++;
    h->addresses = stream.fd >= 0;
    h->why = why;
    stream_close(&stream);
    loop_stop(h->loop);
}

/* One look-up for all who wait; fresh for 30 s; old addresses when a later one fails. */
static void look_ups(struct loop *loop, struct resolve *r, struct name_server *s)
{
    struct heard h = {.loop = loop};
    struct resolve_wait one = {.done = heard_too, .arg = &h}, two = one;
    const struct resolve_list *list;

    CU_ASSERT_PTR_NULL(resolve_last(r));
    CU_ASSERT_PTR_NULL(resolve_get(r, &one));
    CU_ASSERT_PTR_NULL(resolve_get(r, &two));
    run(loop, 200000);
    CU_ASSERT_EQUAL(h.times, 2);
    CU_ASSERT_EQUAL(h.addresses, 1);
    CU_ASSERT_EQUAL(s->queries, 2); /* A and AAAA */
    skew += 29;
    list = resolve_get(r, &one);
    CU_ASSERT_PTR_NOT_NULL_FATAL(list);
    CU_ASSERT_EQUAL(list->address[0].in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    skew += 2;
    s->lost = true;
    CU_ASSERT_PTR_NULL(resolve_get(r, &one));
    run(loop, 200000);
    CU_ASSERT_EQUAL(h.times, 3);
    CU_ASSERT_EQUAL(h.addresses, 1);
    CU_ASSERT_STRING_EQUAL(h.why, "no such host api.example (asked 127.0.0.1)");
    CU_ASSERT(s->queries >= 4);
}

/* A name server that says nothing doesn't use up the time in which old addresses would do. */
static void dial_by_old_addresses(struct loop *loop, struct resolve *r, struct name_server *s)
{
    struct heard h = {.loop = loop};
    struct dial_conf conf = {.loop = loop, .resolve = r, .timeout_us = 400000};
    struct dial *dial;
    uint64_t began = loop_now();

    s->mute = true;
    CU_ASSERT_EQUAL_FATAL(dial_start(&dial, &conf, dialed, &h), 0);
    run(loop, 1000000);
    CU_ASSERT_EQUAL(h.times, 1);
    CU_ASSERT_EQUAL(h.addresses, 1); /* connected */
    CU_ASSERT(loop_now() - began < 400000);
}

/* Without old addresses the deadline is the dial's; a look-up under way is freed with its owner. */
static void too_late(struct loop *loop, unsigned port)
{
    struct heard h = {.loop = loop};
    struct dial_conf conf = {.loop = loop, .timeout_us = 100000};
    struct dial *dial;

    CU_ASSERT_EQUAL_FATAL(resolve_new(&conf.resolve, loop, "other.example", port), 0);
    CU_ASSERT_EQUAL_FATAL(dial_start(&dial, &conf, dialed, &h), 0);
    run(loop, 1000000);
    CU_ASSERT_EQUAL(h.times, 1);
    CU_ASSERT_EQUAL(h.addresses, 0);
    resolve_free(conf.resolve);
}

static void with_a_name_server(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t len = sizeof(a);
    struct name_server s;
    struct resolve *r;
    struct loop *loop;

    CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(listener, 8), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    if (name_server_open(&s, loop)) {
        CU_ASSERT_EQUAL_FATAL(resolve_new(&r, loop, "api.example", ntohs(a.sin_port)), 0);
        look_ups(loop, r, &s);
        dial_by_old_addresses(loop, r, &s);
        resolve_free(r);
        too_late(loop, ntohs(a.sin_port));
    } else {
        unit_skip("this machine allows no mount namespace, so /etc/resolv.conf can't be replaced");
    }
    (void)event_del(&s.readable);
    (void)close(s.fd);
    (void)close(listener);
    loop_free(loop);
}

static const struct unit_case CASES[] = {
    {"literals and localhost at once", literals_and_localhost_at_once},
    {"a name that is not there", a_name_that_is_not_there},
    {"a cancelled wait hears nothing", a_cancelled_wait_hears_nothing},
    {"with a name server", with_a_name_server}, /* last: it changes the process's mounts */
};
UNIT_MAIN("resolve", CASES)
