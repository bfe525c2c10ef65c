/*
 * Handshakes in one process over a socket pair: our client against OpenSSL's own server; then the
 * whole room over TLS against a server in a child process.
 */
#include "tls/stream.h"
#include "tls/tls.h"
#include "unit/unit.h"
#include "upstream/upstream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct server {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

static EVP_PKEY *key;
static X509 *certificate; /* of itself */
static const char *names = "DNS:localhost,IP:127.0.0.1";
static char ca_file[64];

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static void make_certificate(void)
{
    FILE *f;
    int fd;

    if (certificate)
        return;
    (void)signal(SIGPIPE, SIG_IGN);
    key = EVP_EC_gen("P-256");
    certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    add_extension(certificate, NID_subject_alt_name, names);
    X509_sign(certificate, key, EVP_sha256());
    (void)snprintf(ca_file, sizeof(ca_file), "/tmp/test_tls_XXXXXX");
    fd = mkstemp(ca_file);
    f = fdopen(fd, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    PEM_write_X509(f, certificate);
    (void)fclose(f);
}

static void forget_certificate(void)
{
    if (certificate)
        (void)unlink(ca_file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    certificate = NULL;
    key = NULL;
}

static struct server serve(int fd, int max_version)
{
    struct server s = {.fd = fd};

    s.context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(s.context, certificate);
    SSL_CTX_use_PrivateKey(s.context, key);
    SSL_CTX_set_min_proto_version(s.context, TLS1_VERSION);
    SSL_CTX_set_security_level(s.context, 0);
    if (max_version)
        SSL_CTX_set_max_proto_version(s.context, max_version);
    return s;
}

static void server_accept(struct server *s)
{
    SSL_free(s->ssl);
    s->ssl = SSL_new(s->context);
    SSL_set_fd(s->ssl, s->fd);
    SSL_set_accept_state(s->ssl);
}

static void server_end(struct server *s)
{
    SSL_free(s->ssl);
    SSL_CTX_free(s->context);
    (void)close(s->fd);
}

static void pair(int fds[2])
{
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
}

/* Both sides in turn until the client is done: 0 or TLS_FAILED. */
static int shake(struct tls *t, struct server *s)
{
    for (int i = 0; i < 50; i++) {
        int r = tls_handshake(t);

        if (r == 0 || r == TLS_FAILED) {
            (void)SSL_do_handshake(s->ssl);
            return r;
        }
        (void)SSL_do_handshake(s->ssl);
    }
    return -1;
}

static struct tls_context *context(const char *host, bool literal)
{
    struct tls_context *c = NULL;
    struct err err = ERR_INIT;

    make_certificate();
    CU_ASSERT_EQUAL_FATAL(tls_context_new(&c, host, literal, ca_file, &err), 0);
    return c;
}

static void good(void)
{
    struct tls_context *c = context("localhost", false);
    struct tls *t;
    struct server s;
    uint64_t before;
    char got[8];
    int fds[2];

    pair(fds);
    s = serve(fds[1], 0);
    server_accept(&s);
    CU_ASSERT_EQUAL_FATAL(tls_new(&t, c, fds[0]), 0);
    CU_ASSERT_EQUAL_FATAL(shake(t, &s), 0);
    CU_ASSERT_FALSE(tls_resumed(t));
    CU_ASSERT_STRING_EQUAL(SSL_get_servername(s.ssl, TLSEXT_NAMETYPE_host_name), "localhost");
    before = tls_written(t);
    CU_ASSERT(before > 0);
    CU_ASSERT_EQUAL(tls_read(t, got, sizeof(got)), TLS_WANT_READ);
    CU_ASSERT_EQUAL(tls_written(t), before); /* reading wrote nothing */
    CU_ASSERT_EQUAL(tls_write(t, "abc", 3), 3);
    CU_ASSERT(tls_written(t) > before);
    CU_ASSERT_EQUAL(SSL_read(s.ssl, got, 8), 3);
    CU_ASSERT_EQUAL(SSL_write(s.ssl, "xyz12", 5), 5);
    CU_ASSERT_EQUAL(tls_read(t, got, 2), 2);
    CU_ASSERT_TRUE(tls_pending(t));
    CU_ASSERT_EQUAL(tls_read(t, got, 8), 3);
    CU_ASSERT_FALSE(tls_pending(t));
    /* Many records come with one call to the kernel: after it the socket has nothing more. */
    CU_ASSERT_EQUAL_FATAL(tls_read_ahead(t), 0);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(SSL_write(s.ssl, "rec", 3), 3);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(tls_read(t, got, 8), 3);
        CU_ASSERT_EQUAL(tls_pending(t), i < 2);
        CU_ASSERT_EQUAL(recv(fds[0], got, 1, MSG_PEEK | MSG_DONTWAIT), -1);
    }
    CU_ASSERT_EQUAL(tls_read(t, got, 8), TLS_WANT_READ);
    CU_ASSERT_EQUAL(tls_write(t, "abc", 3), 3);
    CU_ASSERT_EQUAL(SSL_read(s.ssl, got, 8), 3);
    (void)SSL_shutdown(s.ssl);
    CU_ASSERT_EQUAL(tls_read(t, got, 8), TLS_CLOSED);
    tls_goodbye(t);
    tls_free(t);
    (void)close(fds[0]);
    server_end(&s);
    tls_context_free(c);
}

static void an_unannounced_end_is_a_failure(void)
{
    struct tls_context *c = context("localhost", false);
    struct tls *t;
    struct server s;
    char got[8];
    int fds[2];

    pair(fds);
    s = serve(fds[1], 0);
    server_accept(&s);
    CU_ASSERT_EQUAL_FATAL(tls_new(&t, c, fds[0]), 0);
    CU_ASSERT_EQUAL_FATAL(shake(t, &s), 0);
    (void)shutdown(fds[1], SHUT_RDWR);
    CU_ASSERT_EQUAL(tls_read(t, got, 8), TLS_FAILED);
    CU_ASSERT_NOT_EQUAL(tls_error(t)[0], '\0');
    tls_free(t);
    (void)close(fds[0]);
    server_end(&s);
    tls_context_free(c);
}

static void refused(struct tls_context *c, int max_version)
{
    struct tls *t;
    struct server s;
    int fds[2];

    pair(fds);
    s = serve(fds[1], max_version);
    server_accept(&s);
    CU_ASSERT_EQUAL_FATAL(tls_new(&t, c, fds[0]), 0);
    CU_ASSERT_EQUAL(shake(t, &s), TLS_FAILED);
    CU_ASSERT_NOT_EQUAL(tls_error(t)[0], '\0');
    tls_free(t);
    (void)close(fds[0]);
    server_end(&s);
    tls_context_free(c);
}

static void wrong_names_and_addresses(void)
{
    refused(context("api.cention.com", false), 0);
    refused(context("127.0.0.2", true), 0);
}

static void old_versions(void)
{
    refused(context("localhost", false), TLS1_1_VERSION);
}

static void an_untrusted_ca(void)
{
    struct tls_context *c = NULL;
    struct err err = ERR_INIT;

    make_certificate();
    CU_ASSERT_EQUAL_FATAL(tls_context_new(&c, "localhost", false, "", &err), 0);
    refused(c, 0);
}

static void addresses_have_no_server_name(void)
{
    struct tls_context *c = context("127.0.0.1", true);
    struct tls *t;
    struct server s;
    int fds[2];

    pair(fds);
    s = serve(fds[1], 0);
    server_accept(&s);
    CU_ASSERT_EQUAL_FATAL(tls_new(&t, c, fds[0]), 0);
    CU_ASSERT_EQUAL(shake(t, &s), 0);
    CU_ASSERT_PTR_NULL(SSL_get_servername(s.ssl, TLSEXT_NAMETYPE_host_name));
    tls_free(t);
    (void)close(fds[0]);
    server_end(&s);
    tls_context_free(c);
}

static void resumed(int version)
{
    struct tls_context *c = context("localhost", false);
    struct server s = {0};
    char got[8];

    for (int i = 0; i < 3; i++) {
        struct tls *t;
        int fds[2];

        pair(fds);
        if (i == 0)
            s = serve(fds[1], version);
        s.fd = fds[1];
        server_accept(&s);
        CU_ASSERT_EQUAL_FATAL(tls_new(&t, c, fds[0]), 0);
        CU_ASSERT_EQUAL_FATAL(shake(t, &s), 0);
        CU_ASSERT_EQUAL(tls_resumed(t), i > 0);
        CU_ASSERT_EQUAL(tls_read(t, got, 8), TLS_WANT_READ); /* takes the tickets in */
        tls_goodbye(t);
        tls_free(t);
        (void)close(fds[0]);
        if (i < 2)
            (void)close(fds[1]);
    }
    server_end(&s);
    tls_context_free(c);
}

static void sessions_are_resumed(void)
{
    resumed(TLS1_2_VERSION);
    resumed(TLS1_3_VERSION);
}

static void bad_ca_files(void)
{
    struct tls_context *c = NULL;
    struct err err = ERR_INIT;

    CU_ASSERT(tls_context_new(&c, "h", false, "/nowhere/ca.pem", &err) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/nowhere/ca.pem"));
    err = ERR_INIT;
    CU_ASSERT(tls_context_new(&c, "h", false, "/dev/null", &err) < 0);
    CU_ASSERT_NOT_EQUAL(err.text[0], '\0');
}

/* The stream above it says the same in its own words. */
static void as_a_stream(void)
{
    struct tls_context *c = context("localhost", false);
    struct stream stream;
    struct server s;
    char got[8];
    int fds[2];

    pair(fds);
    s = serve(fds[1], 0);
    server_accept(&s);
    stream = (struct stream){.fd = fds[0]};
    CU_ASSERT_EQUAL_FATAL(tls_new(&stream.tls, c, fds[0]), 0);
    CU_ASSERT_EQUAL_FATAL(shake(stream.tls, &s), 0);
    CU_ASSERT_EQUAL(stream_read(&stream, got, 8), STREAM_WANT_READ);
    CU_ASSERT_EQUAL(stream_write(&stream, "abc", 3), 3);
    CU_ASSERT_EQUAL(stream_written(&stream), tls_written(stream.tls));
    (void)SSL_shutdown(s.ssl);
    CU_ASSERT_EQUAL(stream_read(&stream, got, 8), 0);
    stream_close(&stream);
    CU_ASSERT_EQUAL(stream.fd, -1);
    server_end(&s);
    tls_context_free(c);
}

/* ---- the whole room over TLS ---- */

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
    CU_ASSERT_EQUAL_FATAL(upstream_call(w->upstream, &request, &EVENTS, w, &w->call), 0);
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
    CU_ASSERT_EQUAL(w.failed, UPSTREAM_BROKEN + 1);
    CU_ASSERT_EQUAL(w.sent, WIRE_SENT_ALL);
    finish(&w);
    forget_certificate();
}

static const struct unit_case CASES[] = {
    {"good", good},
    {"an unannounced end is a failure", an_unannounced_end_is_a_failure},
    {"wrong names and addresses", wrong_names_and_addresses},
    {"old versions", old_versions},
    {"an untrusted CA", an_untrusted_ca},
    {"addresses have no server name", addresses_have_no_server_name},
    {"sessions are resumed", sessions_are_resumed},
    {"bad CA files", bad_ca_files},
    {"as a stream", as_a_stream},
    {"one connection serves many", one_connection_serves_many},
    {"connections that end are made again", connections_that_end_are_made_again},
    {"another server's certificate", another_servers_certificate},
    {"closed after the request", closed_after_the_request},
    {"closed within the request", closed_within_the_request},
    {"a large answer", a_large_answer},
    {"a truncated body", a_truncated_body},
};
UNIT_MAIN("tls", CASES)
