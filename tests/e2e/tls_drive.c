/*
 * Drives proxy/tls by itself:
 *
 *     tls_drive HOST PORT CA_FILE [READ_SECONDS]
 *
 * connects to that port of 127.0.0.1, shakes hands with the server as with HOST (an address or a
 * name), and reads for so long. Prints "done VERSION", or "failed WHY"; then the longest time that
 * one call of the room took: "longest MICROSECONDS".
 *
 *     tls_drive -k CERTIFICATE KEY
 *
 * is a server of TLS 1.3 that prints its port, takes one client, and sends KeyUpdates that ask for
 * another one (RFC 8446, 4.6.3) for as long as they are taken.
 */
#include "proxy/tls/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { KEY_UPDATES = 200000 };

static double longest;

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void note(double since)
{
    if (now() - since > longest)
        longest = now() - since;
}

static int say(const char *what, const char *why)
{
    (void)printf("%s %s\nlongest %.0f\n", what, why, longest);
    return 0;
}

static int connected(const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)},
                             .sin_port = htons((uint16_t)atoi(port))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return -1;
    return fd;
}

static void wait_for(int fd, short what, int ms)
{
    struct pollfd p = {fd, what, 0};

    (void)poll(&p, 1, ms);
}

/* True when the peer did nothing wrong for so long. */
static bool read_on(struct tls *tls, int fd, double seconds)
{
    double end = now() + seconds * 1e6;

    while (now() < end) {
        char data[4096];
        double since = now();
        ssize_t n = tls_read(tls, data, sizeof(data));

        note(since);
        if (n == TLS_FAILED)
            return false;
        if (n == TLS_CLOSED)
            break;
        if (n < 0)
            wait_for(fd, n == TLS_WANT_READ ? POLLIN : POLLOUT, 50);
    }
    return true;
}

static int client(char **argv, double seconds)
{
    struct in_addr in;
    bool literal = inet_pton(AF_INET, argv[1], &in) == 1;
    struct tls_context *context = NULL;
    struct tls *tls = NULL;
    struct err err = ERR_INIT;
    double end;
    int fd, r = TLS_WANT_READ;

    if (tls_context_new(&context, argv[1], literal, argv[3], &err) < 0)
        return say("refused", err.text);
    fd = connected(argv[2]);
    if (fd < 0 || tls_new(&tls, context, fd) < 0)
        return say("failed", "no connection");
    end = now() + 20e6;
    while (now() < end) {
        double since = now();

        r = tls_handshake(tls);
        note(since);
        if (r == 0 || r == TLS_FAILED)
            break;
        wait_for(fd, r == TLS_WANT_READ ? POLLIN : POLLOUT, 1000);
    }
    if (r == 0 && tls_read_ahead(tls) == 0 && (seconds <= 0 || read_on(tls, fd, seconds)))
        (void)say("done", "");
    else
        (void)say("failed", r == 0 || r == TLS_FAILED ? tls_error(tls) : "no end");
    tls_free(tls);
    tls_context_free(context);
    return 0;
}

static int key_updates(const char *certificate, const char *key)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(at);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd, sent = 0;
    SSL *ssl;

    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1 ||
        bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) < 0)
        return 1;
    (void)printf("%d\n", ntohs(at.sin_port));
    (void)fflush(stdout);
    fd = accept(listener, NULL, NULL);
    ssl = SSL_new(context);
    if (fd < 0 || !ssl || SSL_set_fd(ssl, fd) != 1 || SSL_accept(ssl) != 1)
        return 1;
    while (sent < KEY_UPDATES && SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
           SSL_do_handshake(ssl) == 1)
        sent++;
    (void)fprintf(stderr, "%d sent\n", sent);
    return 0;
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 4 && strcmp(argv[1], "-k") == 0)
        return key_updates(argv[2], argv[3]);
    if (argc != 4 && argc != 5) {
        (void)fputs("usage: tls_drive HOST PORT CA_FILE [READ_SECONDS] | -k CERTIFICATE KEY\n",
                    stderr);
        return 2;
    }
    return client(argv, argc == 5 ? atof(argv[4]) : 0);
}
