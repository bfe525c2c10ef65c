#include "ship/admin_socket.h"

#include "base/unix_listener.h"
#include "http/http_parse.h"
#include "http/http_reason.h"
#include "users/unix_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ADMIN_SOCKET_CALLERS = 16,
    ADMIN_SOCKET_HEAD = 4096,       /* bytes of a request */
    ADMIN_SOCKET_PAGE = 256 * 1024, /* of an answer */
    ADMIN_SOCKET_US = 5000000,      /* for all of it */
    ADMIN_SOCKET_MODE = 0660,
};

/* READING --a whole head, or a bad one--> WRITING --all of the answer is gone--> free */
struct caller {
    struct admin_socket *admin_socket;
    int fd; /* -1: the place is free */
    uint32_t uid;
    uint64_t began;
    struct event *event;
    struct loop_timer timer;
    struct http_progress progress;
    struct buf in, out;
    bool writing;
};

struct admin_socket {
    struct loop *loop;
    struct unix_listener *listener;
    int (*put)(void *arg, enum admin_socket_page page, struct buf *text);
    void *arg;
    struct caller callers[ADMIN_SOCKET_CALLERS];
};

static void hang_up(struct caller *c)
{
    if (c->fd < 0)
        return;
    loop_timer_deinit(&c->timer);
    if (c->event)
        event_free(c->event);
    (void)close(c->fd);
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    *c = (struct caller){.admin_socket = c->admin_socket, .fd = -1};
}

static void on_late(void *arg)
{
    hang_up(arg);
}

/* ---- answers ---- */

static int put_page(struct caller *c, struct slice target, struct buf *body, const char **type)
{
    static const char PROMETHEUS[] = "text/plain; version=0.0.4; charset=utf-8";
    struct admin_socket *d = c->admin_socket;

    if (slice_eq(target, SLICE_LIT("/healthz")))
        return buf_printf(body, "alive\n") < 0 ? 500 : 200;
    if (slice_eq(target, SLICE_LIT("/readyz")))
        return d->put(d->arg, ADMIN_SOCKET_READY, body);
    if (slice_eq(target, SLICE_LIT("/metrics"))) {
        *type = PROMETHEUS;
        return d->put(d->arg, ADMIN_SOCKET_METRICS, body);
    }
    return buf_printf(body, "here are /healthz, /readyz and /metrics\n") < 0 ? 500 : 404;
}

static int put_answer(struct caller *c, int status, const char *type, const struct buf *body)
{
    struct slice reason = http_reason((unsigned)status);
    int r = buf_printf(&c->out,
                       "HTTP/1.1 %d %.*s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                       "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                       status, (int)reason.len, reason.data, type, buf_len(body),
                       status == 405 ? "Allow: GET\r\n" : "");

    return r < 0 ? r : buf_append_slice(&c->out, buf_slice(body));
}

static int answer(struct caller *c, const struct http_head *head, const char *bad)
{
    const char *type = "text/plain; charset=utf-8";
    struct buf body = BUF_INIT(ADMIN_SOCKET_PAGE);
    int status, r;

    if (bad)
        status = buf_printf(&body, "%s\n", bad) < 0 ? 500 : 400;
    else if (!slice_eq(head->method, SLICE_LIT("GET")))
        status = buf_printf(&body, "only GET\n") < 0 ? 500 : 405;
    else
        status = put_page(c, head->target, &body, &type);
    if (status < 0) {
        buf_reset(&body, 0);
        status = 500;
    }
    r = put_answer(c, status, type, &body);
    buf_deinit(&body);
    return r;
}

/* ---- connections ---- */

static void on_event(evutil_socket_t fd, short what, void *arg);

static int watch(struct caller *c, short what)
{
    if (c->event)
        event_free(c->event);
    c->event = event_new(loop_base(c->admin_socket->loop), c->fd, what, on_event, c);
    return c->event && event_add(c->event, NULL) == 0 ? 0 : -ENOMEM;
}

static void write_on(struct caller *c)
{
    ssize_t n = buf_len(&c->out) ? buf_send(&c->out, c->fd) : 0;

    if (n == -EAGAIN || (n >= 0 && buf_len(&c->out)))
        n = watch(c, EV_WRITE);
    else if (n >= 0)
        n = -EPIPE; /* done */
    if (n < 0)
        hang_up(c);
}

static void read_on(struct caller *c)
{
    const char *bad = NULL;
    struct http_head head;
    enum http_result result;
    ssize_t n = buf_recv(&c->in, c->fd, ADMIN_SOCKET_HEAD);

    if (n == -EAGAIN)
        n = watch(c, EV_READ);
    else if (n == 0)
        n = -ECONNRESET;
    if (n < 0 && n != -ENOBUFS) {
        hang_up(c);
        return;
    }
    result = http_request_parse(buf_slice(&c->in).data, buf_len(&c->in), &c->progress, &head, &bad);
    if (n == -ENOBUFS && result == HTTP_PARTIAL) {
        result = HTTP_BAD;
        bad = "the head is too long";
    }
    if (result == HTTP_DONE && head.framing != HTTP_NO_BODY)
        bad = "no body is taken here";
    if (result == HTTP_PARTIAL) {
        if (watch(c, EV_READ) < 0)
            hang_up(c);
        return;
    }
    c->writing = true;
    if (answer(c, &head, bad) < 0)
        hang_up(c);
    else
        write_on(c);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct caller *c = arg;

    (void)fd;
    (void)what;
    if (c->writing)
        write_on(c);
    else
        read_on(c);
}

static unsigned count_of(const struct admin_socket *d, uint32_t uid)
{
    unsigned n = 0;

    for (unsigned i = 0; i < ADMIN_SOCKET_CALLERS; i++)
        n += d->callers[i].fd >= 0 && d->callers[i].uid == uid;
    return n;
}

/* A free place; else that of the oldest caller of the user who has the most. */
static struct caller *place_for(struct admin_socket *d)
{
    struct caller *goes = d->callers;
    unsigned most = 0;

    for (unsigned i = 0; i < ADMIN_SOCKET_CALLERS; i++) {
        struct caller *c = &d->callers[i];
        unsigned n;

        if (c->fd < 0)
            return c;
        n = count_of(d, c->uid);
        if (n > most || (n == most && c->began < goes->began)) {
            most = n;
            goes = c;
        }
    }
    hang_up(goes);
    return goes;
}

static void on_arrived(void *arg, int fd)
{
    struct admin_socket *d = arg;
    struct caller *c = place_for(d);
    struct ucred cred;

    unix_peer(fd, &cred);
    c->fd = fd;
    c->uid = cred.uid;
    c->began = loop_now();
    c->in = BUF_INIT(ADMIN_SOCKET_HEAD);
    c->out = BUF_INIT(ADMIN_SOCKET_PAGE + 1024);
    loop_timer_init(&c->timer, d->loop, on_late, c);
    loop_timer_set(&c->timer, ADMIN_SOCKET_US);
    if (watch(c, EV_READ) < 0)
        hang_up(c);
}

int admin_socket_open(struct admin_socket **out, struct loop *loop, const char *path,
                      int (*put)(void *arg, enum admin_socket_page page, struct buf *text),
                      void *arg, struct err *err)
{
    struct admin_socket *d = calloc(1, sizeof(*d));
    int r;

    if (!d)
        return err_set(err, -ENOMEM, "out of memory");
    *d = (struct admin_socket){.loop = loop, .put = put, .arg = arg};
    for (unsigned i = 0; i < ADMIN_SOCKET_CALLERS; i++)
        d->callers[i] = (struct caller){.admin_socket = d, .fd = -1};
    r = unix_listener_open(&d->listener, loop, path, ADMIN_SOCKET_MODE, on_arrived, d, err);
    if (r < 0)
        admin_socket_close(d);
    else
        *out = d;
    return r;
}

void admin_socket_close(struct admin_socket *d)
{
    if (!d)
        return;
    unix_listener_close(d->listener);
    for (unsigned i = 0; i < ADMIN_SOCKET_CALLERS; i++)
        hang_up(&d->callers[i]);
    free(d);
}
