/* The upstream's whole room over TLS, against a server in a child process. */
#include "proxy/upstream/upstream.h"
#include "unit/proxy/tls/tls_fixture.h"
#include "unit/unit.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LARGE = 3 << 20 };

enum manner {
    KEEPS,         /* answers, and waits for the next request */
    SAYS_GOODBYE,  /* ends the session after each answer */
    JUST_CLOSES,   /* closes after each answer, unannounced */
    BREAKS_OFF,    /* reads the request and closes */
    STOPS_READING, /* reads a little of the request and closes */
    LARGE_ANSWER,
    TRUNCATES, /* a body until close, cut without a goodbye */
};

static void answer(SSL *ssl, enum manner manner)
{
    static const char SMALL[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    static const char OPEN[] = "HTTP/1.1 200 OK\r\n\r\nhalf";
    static char large[LARGE];

    if (manner == LARGE_ANSWER) {
        (void)SSL_write(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 3145728\r\n\r\n", 44);
        (void)SSL_write(ssl, large, LARGE);
    } else if (manner == TRUNCATES) {
        (void)SSL_write(ssl, OPEN, sizeof(OPEN) - 1);
    } else if (manner != BREAKS_OFF) {
        (void)SSL_write(ssl, SMALL, sizeof(SMALL) - 1);
    }
}

static void speak(SSL *ssl, enum manner manner)
{
    char got[2048];
    int n, len = 0;

    while ((n = SSL_read(ssl, got + len, (int)sizeof(got) - 1 - len)) > 0) {
        if (manner == STOPS_READING)
            return;
        len += n;
        got[len] = '\0';
        if (!strstr(got, "\r\n\r\n"))
            continue;
        len = 0;
        answer(ssl, manner);
        if (manner == SAYS_GOODBYE)
            (void)SSL_shutdown(ssl);
        if (manner != KEEPS && manner != LARGE_ANSWER)
            return;
    }
}

static void child(int listener, enum manner manner)
{
    struct server s = serve(-1, 0);

    for (;;) {
        s.fd = accept(listener, NULL, NULL);
        server_accept(&s);
        if (SSL_do_handshake(s.ssl) == 1)
            speak(s.ssl, manner);
        (void)close(s.fd);
    }
}

struct world {
    struct loop *loop;
    struct upstream *upstream;
    struct upstream_call *call;
    pid_t server;
    unsigned ends;
    int failed; /* enum upstream_failure + 1 */
    enum wire_sent sent;
    size_t body;
    bool pauses;
    char text[400];
};

static void on_head(void *arg, const struct http_head *head)
{
    (void)arg;
    CU_ASSERT_EQUAL(head->status, 200);
}

static void on_body(void *arg, const char *data, size_t len)
{
    struct world *w = arg;

    (void)data;
    w->body += len;
    if (w->pauses) {
        upstream_pause(w->call);
        upstream_resume(w->call);
    }
}

static void on_end(void *arg)
{
    struct world *w = arg;

    w->ends++;
    loop_stop(w->loop);
}

static void on_failed(void *arg, enum upstream_failure why, enum wire_sent sent, const char *text)
{
    struct world *w = arg;

    w->failed = (int)why + 1;
    w->sent = sent;
    (void)snprintf(w->text, sizeof(w->text), "%s", text);
    loop_stop(w->loop);
}

static void begin(struct world *w, enum manner manner, const char *host)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct upstream_conf conf = {.ca_file = ca_file,
                                 .proxy = "",
                                 .connect_timeout_us = 5000000,
                                 .response_timeout_us = 5000000,
                                 .queue_timeout_us = 5000000,
                                 .idle_timeout_us = 5000000,
                                 .max_connections = 2,
                                 .queue = 4,
                                 .head_bytes = 4096};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(a);
    struct err err = ERR_INIT;
    char url[64];

    make_certificate();
    *w = (struct world){0};
    CU_ASSERT_EQUAL_FATAL(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(listener, 8), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    w->server = fork();
    if (w->server == 0)
        child(listener, manner);
    CU_ASSERT_FATAL(w->server > 0);
    (void)close(listener);
    (void)snprintf(url, sizeof(url), "https://%s:%u", host, (unsigned)ntohs(a.sin_port));
    conf.url = url;
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    CU_ASSERT_EQUAL_FATAL(upstream_new(&w->upstream, w->loop, &conf, &err), 0);
}

/* One call to its end; `pad` bytes of a body make it large. */
static void call(struct world *w, size_t pad)
{
    static const struct upstream_events EVENTS = {on_head, on_body, on_end, on_failed};
    struct buf request = BUF_INIT_SECRET(1 << 24);

    CU_ASSERT_EQUAL_FATAL(
        buf_printf(&request, "PUT /x HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", pad), 0);
    CU_ASSERT_EQUAL_FATAL(buf_reserve(&request, pad), 0);
    memset(buf_space(&request), 'x', pad);
    buf_commit(&request, pad);
    CU_ASSERT_EQUAL_FATAL(upstream_call(w->upstream, &request, 0, &EVENTS, w, &w->call), 0);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
}

static void finish(struct world *w)
{
    upstream_free(w->upstream);
    loop_free(w->loop);
    (void)kill(w->server, SIGKILL);
    CU_ASSERT_EQUAL(waitpid(w->server, NULL, 0), w->server);
}

/* The tickets that TLS 1.3 sends after the handshake are no dirt on an idle connection. */
static void one_connection_serves_many(void)
{
    struct upstream_counters n;
    struct world w;

    begin(&w, KEEPS, "localhost");
    for (unsigned i = 0; i < 5; i++)
        call(&w, 0);
    upstream_counters(w.upstream, &n);
    CU_ASSERT_EQUAL(w.ends, 5);
    CU_ASSERT_EQUAL(n.connections, 1);
    CU_ASSERT_EQUAL(n.handshakes, 1);
    CU_ASSERT_EQUAL(n.reused, 4);
    finish(&w);
}

static void connections_that_end_are_made_again(void)
{
    static const enum manner MANNERS[] = {SAYS_GOODBYE, JUST_CLOSES};

    for (size_t i = 0; i < 2; i++) {
        struct upstream_counters n;
        struct world w;

        begin(&w, MANNERS[i], "127.0.0.1");
        for (unsigned j = 0; j < 4; j++) {
            call(&w, 0);
            (void)usleep(20000); /* the end arrives while the loop is not looking */
        }
        upstream_counters(w.upstream, &n);
        CU_ASSERT_EQUAL(w.ends, 4);
        CU_ASSERT_EQUAL(w.failed, 0);
        CU_ASSERT_EQUAL(n.connections, 4);
        CU_ASSERT_EQUAL(n.resumed, 3);
        finish(&w);
    }
}

static void another_servers_certificate(void)
{
    struct upstream_counters n;
    struct world w;

    forget_certificate();
    names = "DNS:elsewhere.example,IP:127.0.0.9";
    begin(&w, KEEPS, "localhost");
    call(&w, 0);
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_UNREACHABLE + 1);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_NONE);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.text, "TLS with 127.0.0.1:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(w.text, "ostname mismatch"));
    upstream_counters(w.upstream, &n);
    CU_ASSERT_EQUAL(n.connections, 0);
    finish(&w);
    begin(&w, KEEPS, "127.0.0.1");
    call(&w, 0);
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_UNREACHABLE + 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(w.text, "IP address mismatch"));
    finish(&w);
    forget_certificate();
    names = "DNS:localhost,IP:127.0.0.1";
}

static void closed_after_the_request(void)
{
    struct world w;

    begin(&w, BREAKS_OFF, "localhost");
    call(&w, 0);
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_ALL);
    finish(&w);
}

static void closed_within_the_request(void)
{
    struct upstream_counters n;
    struct world w;

    begin(&w, STOPS_READING, "localhost");
    call(&w, 12 << 20);
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_PARTIAL);
    upstream_counters(w.upstream, &n);
    CU_ASSERT_EQUAL(n.connections, 1); /* never a second time */
    CU_ASSERT_EQUAL(n.retries, 0);
    finish(&w);
}

static void a_large_answer(void)
{
    struct world w;

    begin(&w, LARGE_ANSWER, "localhost");
    for (unsigned i = 0; i < 2; i++) {
        w.body = 0;
        w.pauses = i == 1;
        call(&w, 0);
        CU_ASSERT_EQUAL(w.ends, i + 1);
        CU_ASSERT_EQUAL(w.body, LARGE);
    }
    finish(&w);
}

/* Without the peer's goodbye nobody knows whether a body until close is whole. */
static void a_truncated_body(void)
{
    struct world w;

    begin(&w, TRUNCATES, "localhost");
    call(&w, 0);
    CU_ASSERT_EQUAL(w.ends, 0);
    CU_ASSERT_EQUAL(w.body, 4);
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_UNENDED + 1);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_ALL);
    finish(&w);
    forget_certificate();
}

static const struct unit_case CASES[] = {
    {"one connection serves many", one_connection_serves_many},
    {"connections that end are made again", connections_that_end_are_made_again},
    {"another server's certificate", another_servers_certificate},
    {"closed after the request", closed_after_the_request},
    {"closed within the request", closed_within_the_request},
    {"a large answer", a_large_answer},
    {"a truncated body", a_truncated_body},
};
UNIT_MAIN("tls_upstream", CASES)
