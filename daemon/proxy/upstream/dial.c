/*
 * Every address gets a fair share of the time that is left, and every failure its own words. Until
 * `done` nothing but CONNECT and a handshake was written, so a failure here is always `not-sent`.
 */
#include "proxy/upstream/dial.h"

#include "base/buf.h"
#include "http/http_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum dial_step {
    DIAL_RESOLVE,
    DIAL_TCP,  /* waits until the socket is connected */
    DIAL_ASK,  /* sends CONNECT */
    DIAL_HEAR, /* waits for the proxy's answer */
    DIAL_TLS,
};

enum {
    DIAL_PROXY_HEAD = 8192, /* bytes of the proxy's answer */
};

struct dial {
    struct dial_conf conf;
    dial_done done;
    void *arg;
    enum dial_step step;
    struct resolve_wait wait;
    struct resolve_list list;
    unsigned next; /* address to try */
    uint64_t deadline;
    struct stream stream;
    struct event event;
    struct loop_timer timer;
    struct loop_hook begin;
    struct buf io; /* to and from the proxy */
    char why[512];
};

static void dial_event(evutil_socket_t fd, short what, void *arg);
static void dial_resolved(void *arg, const struct resolve_list *list, const char *why);

static void dial_release(struct dial *d)
{
    resolve_cancel(&d->wait);
    loop_timer_deinit(&d->timer);
    loop_cancel(d->conf.loop, &d->begin);
    if (d->stream.fd >= 0)
        (void)event_del(&d->event);
    buf_deinit(&d->io);
}

static void dial_finish(struct dial *d, bool good)
{
    struct stream stream = d->stream;
    char why[sizeof(d->why)];
    dial_done done = d->done;
    void *arg = d->arg;

    dial_release(d);
    if (!good)
        stream_close(&stream);
    memcpy(why, d->why, sizeof(why));
    free(d);
    done(arg, stream, good ? NULL : why);
}

static void dial_wait(struct dial *d, short what)
{
    (void)event_del(&d->event);
    (void)event_assign(&d->event, loop_base(d->conf.loop), d->stream.fd, what, dial_event, d);
    (void)event_add(&d->event, NULL);
}

static void dial_drop(struct dial *d)
{
    if (d->stream.fd >= 0)
        (void)event_del(&d->event);
    stream_close(&d->stream);
}

/* Adds "connect 127.0.0.1:443: " and the reason; through a proxy, TLS is with the upstream. */
static void dial_blame(struct dial *d, const char *what, const char *reason)
{
    char host[INET6_ADDRSTRLEN] = "?";
    unsigned i = d->next ? d->next - 1 : 0;
    size_t len = strlen(d->why);
    bool six = d->list.address[i].any.sa_family == AF_INET6;
    unsigned port = ntohs(six ? d->list.address[i].in6.sin6_port : d->list.address[i].in.sin_port);

    if (six)
        (void)inet_ntop(AF_INET6, &d->list.address[i].in6.sin6_addr, host, sizeof(host));
    else
        (void)inet_ntop(AF_INET, &d->list.address[i].in.sin_addr, host, sizeof(host));
    if (d->conf.through && d->step == DIAL_TLS) {
        (void)snprintf(d->why + len, sizeof(d->why) - len,
                       "%s%s %s through the proxy %s%s%s:%u: %s", len ? "; " : "", what,
                       d->conf.through->authority, six ? "[" : "", host, six ? "]" : "", port,
                       reason);
        return;
    }
    /* Every address has its own reason, and the first is often the one that matters. */
    (void)snprintf(d->why + len, sizeof(d->why) - len, "%s%s %s%s%s:%u: %s", len ? "; " : "", what,
                   six ? "[" : "", host, six ? "]" : "", port, reason);
}

static bool dial_open(struct dial *d)
{
    unsigned i = d->next++;
    int fd =
        socket(d->list.address[i].any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0) {
        dial_blame(d, "connect", strerror(errno));
        return false;
    }
    d->stream = (struct stream){.fd = fd};
    (void)event_assign(&d->event, loop_base(d->conf.loop), fd, EV_WRITE, dial_event, d);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (connect(fd, &d->list.address[i].any, d->list.address[i].len) < 0 && errno != EINPROGRESS) {
        dial_blame(d, "connect", strerror(errno));
        dial_drop(d);
        return false;
    }
    d->step = DIAL_TCP;
    dial_wait(d, EV_WRITE);
    return true;
}

/* The next address, with its share of the time that is left; or the end. */
static void dial_next(struct dial *d)
{
    while (d->next < d->list.n) {
        uint64_t now = loop_now();

        if (now >= d->deadline) {
            if (d->next == 0)
                (void)snprintf(d->why, sizeof(d->why), "no time was left to connect");
            break;
        }
        loop_timer_set(&d->timer, (d->deadline - now) / (d->list.n - d->next));
        if (dial_open(d))
            return;
    }
    dial_finish(d, false);
}

static void dial_failed(struct dial *d, const char *what, const char *reason)
{
    dial_blame(d, what, reason);
    dial_drop(d);
    dial_next(d);
}

static void dial_late(void *arg)
{
    struct dial *d = arg;

    if (d->step == DIAL_RESOLVE) {
        const struct resolve_list *old = resolve_last(d->conf.resolve);

        if (old && loop_now() < d->deadline) {
            resolve_cancel(&d->wait);
            dial_resolved(d, old, NULL);
            return;
        }
        (void)snprintf(d->why, sizeof(d->why), "the host's name could not be looked up in time");
        dial_finish(d, false);
        return;
    }
    dial_failed(d, d->step == DIAL_TLS ? "TLS with" : "connect", "no answer in time");
}

static void dial_tls(struct dial *d)
{
    switch (tls_handshake(d->stream.tls)) {
    case 0:
        dial_finish(d, true);
        break;
    case TLS_WANT_READ:
        dial_wait(d, EV_READ);
        break;
    case TLS_WANT_WRITE:
        dial_wait(d, EV_WRITE);
        break;
    default: {
        char reason[384];

        (void)snprintf(reason, sizeof(reason), "%s", tls_error(d->stream.tls));
        dial_failed(d, "TLS with", reason);
    }
    }
}

static void dial_secure(struct dial *d)
{
    if (!d->conf.tls) {
        dial_finish(d, true);
        return;
    }
    if (tls_new(&d->stream.tls, d->conf.tls, d->stream.fd) < 0) {
        dial_failed(d, "TLS with", "out of memory");
        return;
    }
    d->step = DIAL_TLS;
    dial_tls(d);
}

static void dial_hear(struct dial *d)
{
    ssize_t n = buf_recv(&d->io, d->stream.fd, 1024);
    struct http_progress progress = {0};
    struct http_head head;
    const char *why = NULL;
    char text[320];

    if (n == -EAGAIN) {
        dial_wait(d, EV_READ);
        return;
    }
    if (n <= 0) {
        dial_failed(d, "proxy", n == 0 ? "it closed the connection" : strerror((int)-n));
        return;
    }
    switch (
        http_answer_parse(buf_slice(&d->io).data, buf_len(&d->io), true, &progress, &head, &why)) {
    case HTTP_PARTIAL:
        dial_wait(d, EV_READ);
        break;
    case HTTP_BAD:
        dial_failed(d, "proxy", why);
        break;
    case HTTP_DONE:
        (void)snprintf(text, sizeof(text), "the proxy %.255s answered %u to CONNECT", d->conf.proxy,
                       head.status);
        if (head.status != 200)
            dial_failed(d, "proxy", text);
        else if (buf_len(&d->io) > head.head_len)
            dial_failed(d, "proxy", "it sent more than its answer");
        else
            dial_secure(d);
        break;
    }
}

static void dial_ask(struct dial *d)
{
    ssize_t n = buf_send(&d->io, d->stream.fd);

    if (n < 0 && n != -EAGAIN) {
        dial_failed(d, "proxy", strerror((int)-n));
        return;
    }
    if (buf_len(&d->io)) {
        dial_wait(d, EV_WRITE);
        return;
    }
    d->step = DIAL_HEAR;
    dial_wait(d, EV_READ);
}

static void dial_connected(struct dial *d)
{
    const struct url *to = d->conf.through;
    bool six;
    int e = 0;
    socklen_t len = sizeof(e);

    if (getsockopt(d->stream.fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0 || e) {
        dial_failed(d, "connect", strerror(e ? e : errno));
        return;
    }
    if (!to) {
        dial_secure(d);
        return;
    }
    six = strchr(to->host, ':') != NULL;
    buf_reset(&d->io, DIAL_PROXY_HEAD);
    if (buf_printf(&d->io, "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n\r\n", six ? "[" : "",
                   to->host, six ? "]" : "", to->port, six ? "[" : "", to->host, six ? "]" : "",
                   to->port) < 0) {
        dial_failed(d, "proxy", "out of memory");
        return;
    }
    d->step = DIAL_ASK;
    dial_ask(d);
}

static void dial_event(evutil_socket_t fd, short what, void *arg)
{
    struct dial *d = arg;

    (void)fd;
    (void)what;
    switch (d->step) {
    case DIAL_RESOLVE:
        break;
    case DIAL_TCP:
        dial_connected(d);
        break;
    case DIAL_ASK:
        dial_ask(d);
        break;
    case DIAL_HEAR:
        dial_hear(d);
        break;
    case DIAL_TLS:
        dial_tls(d);
        break;
    }
}

static void dial_resolved(void *arg, const struct resolve_list *list, const char *why)
{
    struct dial *d = arg;

    if (!list) {
        /* cppcheck-suppress nullPointer ; without a list there is a reason */
        (void)snprintf(d->why, sizeof(d->why), "look-up: %s", why);
        dial_finish(d, false);
        return;
    }
    d->list = *list;
    dial_next(d);
}

static void dial_begin(void *arg)
{
    struct dial *d = arg;
    const struct resolve_list *list = resolve_get(d->conf.resolve, &d->wait);

    if (list)
        dial_resolved(d, list, NULL);
    else if (resolve_last(d->conf.resolve)) /* old addresses get the second half of the time */
        loop_timer_set(&d->timer, d->conf.timeout_us / 2);
}

int dial_start(struct dial **out, const struct dial_conf *conf, dial_done done, void *arg)
{
    struct dial *d = calloc(1, sizeof(*d));

    if (!d)
        return -ENOMEM;
    d->conf = *conf;
    d->done = done;
    d->arg = arg;
    d->stream = STREAM_CLOSED;
    d->io = BUF_INIT(DIAL_PROXY_HEAD);
    d->deadline = loop_now() + conf->timeout_us;
    d->wait = (struct resolve_wait){.done = dial_resolved, .arg = d};
    d->begin = (struct loop_hook){.run = dial_begin, .arg = d};
    loop_timer_init(&d->timer, conf->loop, dial_late, d);
    loop_timer_set(&d->timer, conf->timeout_us);
    loop_defer(conf->loop, &d->begin);
    *out = d;
    return 0;
}

void dial_cancel(struct dial *d)
{
    if (!d)
        return;
    dial_release(d);
    stream_close(&d->stream);
    free(d);
}
