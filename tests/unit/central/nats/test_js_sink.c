/*
 * The sink without a server: what it refuses, that it tells of each attempt that fails, and that
 * its end is clean at any time. With one: tests/e2e/test_js.py.
 */
#include "central/nats/js_sink.h"

#include "unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct seen {
    struct loop *loop;
    struct sink *sink;
    unsigned lost, until;
    bool free_inside;
    char why[SHIP_WHY];
};

static void on_ready(void *arg, const struct ship_place *head)
{
    (void)arg;
    (void)head;
    CU_FAIL("ready without a server");
}

static void on_acknowledged(void *arg, uint64_t seq)
{
    (void)arg;
    (void)seq;
    CU_FAIL("acknowledged without a server");
}

static void on_conflict(void *arg, const struct ship_place *here, const struct ship_place *there)
{
    (void)arg;
    (void)here;
    (void)there;
    CU_FAIL("a conflict without a server");
}

static void on_lost(void *arg, const char *why)
{
    struct seen *seen = arg;

    (void)snprintf(seen->why, sizeof(seen->why), "%s", why);
    if (++seen->lost < seen->until)
        return;
    if (seen->free_inside) {
        seen->sink->kind->free(seen->sink);
        seen->sink = NULL;
    }
    loop_stop(seen->loop);
}

static const struct sink_events EVENTS = {
    .ready = on_ready,
    .acknowledged = on_acknowledged,
    .conflict = on_conflict,
    .lost = on_lost,
};

static struct sink *made(const char *url)
{
    struct err err = ERR_INIT;
    struct sink *sink = NULL;

    CU_ASSERT_EQUAL_FATAL(
        js_sink_new(&sink, &(struct js_sink_options){.url = url, .stream = "S", .replicas = 1},
                    &err),
        0);
    return sink;
}

static void start(struct seen *seen, const char *url)
{
    static const struct seal_key LOG = {{1, 2, 3}};

    CU_ASSERT_EQUAL_FATAL(loop_new(&seen->loop), 0);
    seen->sink = made(url);
    CU_ASSERT_EQUAL_FATAL(
        seen->sink->kind->start(seen->sink, seen->loop, &LOG, "host", &EVENTS, seen), 0);
}

static void end(struct seen *seen)
{
    if (seen->sink)
        seen->sink->kind->free(seen->sink);
    loop_free(seen->loop);
}

static void test_options(void)
{
    struct js_sink_options options = {.url = "nats://a", .stream = "S", .replicas = 3};
    struct err err = ERR_INIT;
    struct sink *sink;

    CU_ASSERT_EQUAL(js_sink_new(&sink, &options, &err), 0);
    CU_ASSERT_STRING_EQUAL(sink->kind->name, "nats");
    sink->kind->free(sink); /* never started */
    options.replicas = 0;
    CU_ASSERT_EQUAL(js_sink_new(&sink, &options, &err), -EINVAL);
    options.replicas = JS_REPLICAS_MAX + 1;
    CU_ASSERT_EQUAL(js_sink_new(&sink, &options, &err), -EINVAL);
    options.replicas = 1;
    options.stream = "a.b";
    CU_ASSERT_EQUAL(js_sink_new(&sink, &options, &err), -EINVAL);
    options.stream = "S";
    options.url = "http://a";
    CU_ASSERT_EQUAL(js_sink_new(&sink, &options, &err), -EINVAL);
}

/* A port of loopback that is bound, and listens only when asked to. */
static int a_port(char url[64], bool listens)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CU_ASSERT_TRUE_FATAL(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
                         getsockname(fd, (struct sockaddr *)&a, &len) == 0);
    CU_ASSERT_TRUE_FATAL(!listens || listen(fd, 16) == 0);
    (void)snprintf(url, 64, "nats://user:s3cret@127.0.0.1:%d", ntohs(a.sin_port));
    return fd;
}

static void test_refused(void)
{
    struct seen seen = {.until = 3};
    char url[64];
    int fd = a_port(url, false);

    start(&seen, url);
    CU_ASSERT_EQUAL(loop_run(seen.loop), 0);
    CU_ASSERT_EQUAL(seen.lost, 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(seen.why, "127.0.0.1:"));
    CU_ASSERT_PTR_NULL(strstr(seen.why, "s3cret"));
    end(&seen);
    (void)close(fd);
}

static void test_freed_inside(void)
{
    struct seen seen = {.until = 1, .free_inside = true};
    char url[64];
    int fd = a_port(url, false);

    start(&seen, url);
    CU_ASSERT_EQUAL(loop_run(seen.loop), 0);
    CU_ASSERT_EQUAL(seen.lost, 1);
    end(&seen);
    (void)close(fd);
}

/* While it connects to a server that says nothing, and before the loop ran at all: with work that
 * nobody will take. */
static void test_freed_at_once(void)
{
    static const struct ship_record RECORD = {.place = {.epoch = 1, .seq = 1}, .line = {"abc", 3}};
    static const struct ship_alarm ALARM = {.kind = SHIP_BEHIND, .why = "because"};
    struct seen seen = {.until = 1};
    char url[64];
    int fd = a_port(url, true);
    uint64_t began = loop_now();

    start(&seen, url);
    CU_ASSERT_EQUAL(seen.sink->kind->ship(
                        seen.sink, &(struct ship_batch){.records = &RECORD, .n = 1, .bytes = 3}),
                    0);
    for (int i = 0; i < 16; i++)
        CU_ASSERT_EQUAL(seen.sink->kind->alarm(seen.sink, &ALARM), 0);
    CU_ASSERT_EQUAL(seen.sink->kind->alarm(seen.sink, &ALARM), -ENOBUFS);
    end(&seen);
    CU_ASSERT_TRUE(loop_now() - began < 10 * 1000 * 1000);
    (void)close(fd);
}

/* Two in one process, one of which goes while the other stays. */
static void test_two(void)
{
    struct seen one = {.until = 2}, two = {.until = 2};
    char url[64];
    int fd = a_port(url, false);

    start(&one, url);
    start(&two, url);
    CU_ASSERT_EQUAL(loop_run(one.loop), 0);
    end(&one);
    CU_ASSERT_EQUAL(loop_run(two.loop), 0);
    CU_ASSERT_EQUAL(two.lost, 2);
    end(&two);
    (void)close(fd);
}

static const struct unit_case CASES[] = {
    {"options", test_options},
    {"refused", test_refused},
    {"freed inside", test_freed_inside},
    {"freed at once", test_freed_at_once},
    {"two", test_two},
};

UNIT_MAIN("js_sink", CASES)
