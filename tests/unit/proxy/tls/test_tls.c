/* Handshakes in one process over a socket pair: our client against OpenSSL's own server. */
#include "proxy/tls/stream.h"
#include "proxy/tls/tls.h"
#include "unit/proxy/tls/tls_fixture.h"
#include "unit/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
};
UNIT_MAIN("tls", CASES)
