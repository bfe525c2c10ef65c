/* From an address to a stream, against listeners of the test's own; TLS is tested end to end. */
#include "proxy/upstream/dial.h"
#include "unit/unit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct resolve *resolve;
    struct dial_conf conf;
    struct dial *dial;
    int listener;
    unsigned port, done;
    struct stream stream;
    char why[400];
};

static void on_done(void *arg, struct stream stream, const char *why)
{
    struct world *w = arg;

    w->done++;
    w->stream = stream;
    (void)snprintf(w->why, sizeof(w->why), "%s", why ? why : "");
    loop_stop(w->loop);
}

static void begin(struct world *w, const char *host)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    (void)signal(SIGPIPE, SIG_IGN);
    *w = (struct world){.stream = STREAM_CLOSED};
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CU_ASSERT_EQUAL_FATAL(bind(w->listener, (struct sockaddr *)&a, sizeof(a)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(w->listener, 8), 0);
    CU_ASSERT_EQUAL(getsockname(w->listener, (struct sockaddr *)&a, &len), 0);
    w->port = ntohs(a.sin_port);
    CU_ASSERT_EQUAL_FATAL(resolve_new(&w->resolve, w->loop, host, w->port), 0);
    w->conf = (struct dial_conf){.loop = w->loop, .resolve = w->resolve, .timeout_us = 300000};
}

static void start(struct world *w)
{
    CU_ASSERT_EQUAL_FATAL(dial_start(&w->dial, &w->conf, on_done, w), 0);
    CU_ASSERT_EQUAL(w->done, 0); /* never from within the call */
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run(struct world *w, uint64_t us)
{
    struct loop_timer t;

    loop_timer_init(&t, w->loop, stop, w->loop);
    loop_timer_set(&t, us);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&t);
}

static void finish(struct world *w)
{
    stream_close(&w->stream);
    if (w->listener >= 0)
        (void)close(w->listener);
    resolve_free(w->resolve);
    loop_free(w->loop);
}

static void straight(void)
{
    struct world w;

    begin(&w, "127.0.0.1");
    start(&w);
    run(&w, 1000000);
    CU_ASSERT_EQUAL(w.done, 1);
    CU_ASSERT(w.stream.fd >= 0);
    CU_ASSERT_PTR_NULL(w.stream.tls);
    finish(&w);
}

/* localhost is 127.0.0.1 and ::1; each that fails is named. */
static void every_address_is_tried(void)
{
    struct world w;

    begin(&w, "localhost");
    (void)close(w.listener);
    w.listener = -1;
    start(&w);
    run(&w, 1000000);
    CU_ASSERT_EQUAL(w.stream.fd, -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.why, "connect 127.0.0.1:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w.why, "connect [::1]:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w.why, "refused"));
    finish(&w);
}

static void ask_a_proxy(const char *answer, bool good, const char *why)
{
    struct url to = {.tls = true, .host = "api.example", .port = 443};
    char got[512] = "";
    struct world w;
    int peer;

    begin(&w, "127.0.0.1");
    w.conf.through = &to;
    w.conf.proxy = "p.example";
    start(&w);
    run(&w, 20000);
    peer = accept(w.listener, NULL, NULL);
    CU_ASSERT_FATAL(peer >= 0);
    CU_ASSERT(recv(peer, got, sizeof(got) - 1, 0) > 0);
    CU_ASSERT_STRING_EQUAL(got,
                           "CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n");
    if (answer) {
        CU_ASSERT_EQUAL(write(peer, answer, strlen(answer)), (ssize_t)strlen(answer));
    } else {
        (void)close(peer);
    }
    run(&w, 1000000);
    CU_ASSERT_EQUAL(w.done, 1);
    CU_ASSERT_EQUAL(w.stream.fd >= 0, good);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.why, why));
    if (answer)
        (void)close(peer);
    finish(&w);
}

static void through_a_proxy(void)
{
    ask_a_proxy("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n", true, "");
    ask_a_proxy("HTTP/1.1 204 No Content\r\n\r\n", false,
                "the proxy p.example answered 204 to CONNECT");
    ask_a_proxy("HTTP/1.1 403 No\r\n\r\n", false, "the proxy p.example answered 403 to CONNECT");
    ask_a_proxy("HTTP/1.1 200 OK\r\n\r\nsurplus", false, "more than its answer");
    ask_a_proxy("nonsense\r\n\r\n", false, "proxy 127.0.0.1");
    ask_a_proxy(NULL, false, "it closed the connection");
    ask_a_proxy("HTTP/1.1 2", false, "no answer in time");
}

static void cancelled(void)
{
    struct world w;

    begin(&w, "127.0.0.1");
    start(&w);
    dial_cancel(w.dial);
    start(&w);
    w.conf.through = &(struct url){.host = "h", .port = 1};
    w.conf.proxy = "p.example";
    dial_cancel(w.dial);
    start(&w);
    run(&w, 20000);
    dial_cancel(w.dial); /* while it waits for the proxy's answer */
    dial_cancel(NULL);
    run(&w, 5000);
    CU_ASSERT_EQUAL(w.done, 0);
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"straight", straight},
    {"every address is tried", every_address_is_tried},
    {"through a proxy", through_a_proxy},
    {"cancelled", cancelled},
};
UNIT_MAIN("dial", CASES)
