/*
 * The public functions of the room. Connections are made for calls that wait, never in advance; the
 * idle one that was used last is used first, so that the others grow old and close.
 */
#include "base/log.h"
#include "proxy/upstream/call_queue.h"
#include "proxy/upstream/conn.h"
#include "proxy/upstream/dial.h"
#include "proxy/upstream/h2_pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    STREAMS_UNKNOWN = 100, /* what RFC 9113, 6.5.2, wants to be the least */
    TRIES_MAX = 2,         /* dead connections before a call gets a fresh one; the next ends it */
};

struct dialing {
    struct upstream *upstream;
    struct dial *dial;
    struct dialing *next, *prev;
};

/* What the last handshake agreed on. */
enum speaks {
    SPEAKS_UNKNOWN, /* one connection is made first, and all calls wait for it */
    SPEAKS_H1,
    SPEAKS_H2,
};

struct upstream {
    struct loop *loop;
    struct upstream_conf conf;
    struct url url, proxy;
    bool has_proxy, closing;
    struct tls_context *tls;
    struct resolve *resolve;
    struct conn_limits limits;
    struct conn_owner owner;
    struct h2_conn_limits h2_conn_limits;
    struct h2_conn_owner h2_conn_owner;
    enum speaks speaks;
    unsigned streams;            /* calls that one HTTP/2 connection takes, as far as is known */
    struct conn_link idle, busy; /* rings */
    struct h2_pool h2_pool;      /* in HTTP/2 */
    struct h2_pool landed;       /* closed, but answers on them wait to be taken */
    struct dialing dialing;      /* ring */
    struct call_queue queue;
    unsigned n_idle, n_busy, n_dialing;
    struct upstream_counters counters;
    struct loop_hook serve;
    struct loop_hook bury; /* frees it after upstream_free */
    struct loop_timer queue_timer;
};

static void upstream_serve(void *arg);

static void ring_leave(struct upstream *u, struct conn_link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    *(l->idle ? &u->n_idle : &u->n_busy) -= 1;
}

static void ring_enter(struct upstream *u, struct conn_link *l, bool idle)
{
    struct conn_link *ring = idle ? &u->idle : &u->busy;

    l->idle = idle;
    l->next = ring->next;
    l->prev = ring;
    ring->next->prev = l;
    ring->next = l;
    *(idle ? &u->n_idle : &u->n_busy) += 1;
}

/* In its user's turn; one that is tried again goes to the front. */
static void queue_in(struct upstream *u, struct upstream_call *call, bool front)
{
    if (front)
        call_queue_add_first(&u->queue, call);
    else
        call_queue_add(&u->queue, call);
    if (!loop_timer_armed(&u->queue_timer))
        loop_timer_set(&u->queue_timer, u->conf.queue_timeout_us);
    loop_defer(u->loop, &u->serve);
}

static void call_fail(struct upstream *u, struct upstream_call *call, enum upstream_failure why,
                      const char *text)
{
    call_queue_leave(&u->queue, call);
    u->counters.failures++;
    call->events->failed(call->arg, why, WIRE_SENT_NONE, text);
    upstream_call_free(call);
}

/* ---- connections ---- */

static void on_idle(void *arg, struct conn *c)
{
    struct upstream *u = arg;

    ring_leave(u, conn_link(c));
    ring_enter(u, conn_link(c), true);
    if (u->closing)
        conn_free(c);
    else if (u->queue.n)
        loop_defer(u->loop, &u->serve);
}

static void on_gone(void *arg, struct conn *c)
{
    struct upstream *u = arg;

    ring_leave(u, conn_link(c));
    if (u->queue.n)
        loop_defer(u->loop, &u->serve);
}

/* A connection ended before a byte of this call was sent on it. */
static void call_retry(struct upstream *u, struct upstream_call *call)
{
    u->counters.retries++;
    if (++call->tries > TRIES_MAX)
        call_fail(u, call, UPSTREAM_UNREACHABLE, "every connection was closed before it was used");
}

static void close_idle(struct upstream *u)
{
    while (u->idle.next != &u->idle)
        conn_free(u->idle.next->conn);
}

static void on_unsent(void *arg, struct upstream_call *call)
{
    struct upstream *u = arg;

    queue_in(u, call, true);
    /* Two dead connections in a row: the other idle ones are not trusted either. */
    if (call->tries + 1 == TRIES_MAX)
        close_idle(u);
    call_retry(u, call);
}

static void on_ended(void *arg, struct upstream_call *call, bool well)
{
    struct upstream *u = arg;

    (void)call;
    u->counters.failures += !well;
}

static void dialing_end(struct dialing *d)
{
    d->prev->next = d->next;
    d->next->prev = d->prev;
    d->upstream->n_dialing--;
    free(d);
}

/* Connections that are being made; for those in HTTP/2 the peer's settings belong to it. */
static unsigned count_coming(const struct upstream *u)
{
    return u->n_dialing + h2_pool_opening(&u->h2_pool);
}

/* How many calls a connection that is made now will take. */
static unsigned per_connection(const struct upstream *u)
{
    return u->speaks == SPEAKS_H2 ? u->streams : 1;
}

/* A connection can't be made: calls that no other connection will come free for learn it now. */
static void fail_waiting(struct upstream *u, const char *why)
{
    unsigned hopeful = count_coming(u) * per_connection(u) + u->n_busy +
                       h2_pool_calls(&u->h2_pool) + h2_pool_room(&u->h2_pool);
    unsigned n = u->queue.n;
    char text[400];

    (void)snprintf(text, sizeof(text), "%s: %s", u->url.authority, why);
    log_warning("upstream_unreachable", "why=%s", log_quote(slice_str(text)).text);
    /* Counted before: a call that comes from within `failed` has not tried yet. */
    for (; n > hopeful && u->queue.n; n--)
        call_fail(u, call_queue_last(&u->queue), UPSTREAM_UNREACHABLE, text);
}

/* ---- HTTP/2 ---- */

static struct upstream_call *on_next(void *arg, struct h2_conn *m)
{
    struct upstream *u = arg;
    struct upstream_call *call = call_queue_first(&u->queue);

    if (!call || u->closing)
        return NULL;
    call_queue_leave(&u->queue, call);
    u->counters.reused += h2_conn_used(m);
    return call;
}

static void on_changed(void *arg, struct h2_conn *m)
{
    struct upstream *u = arg;

    if (!h2_conn_opening(m) && h2_conn_streams(m))
        u->streams = h2_conn_streams(m);
    if (u->queue.n)
        loop_defer(u->loop, &u->serve);
}

static void on_landed(void *arg, struct h2_conn *m)
{
    struct upstream *u = arg;

    h2_pool_remove(&u->h2_pool, m);
    h2_pool_add(&u->landed, m);
    if (u->queue.n)
        loop_defer(u->loop, &u->serve);
}

static void on_h2_conn_gone(void *arg, struct h2_conn *m, bool opened, const char *why)
{
    struct upstream *u = arg;

    h2_pool_remove(h2_conn_landed(m) ? &u->landed : &u->h2_pool, m);
    if (u->closing || u->queue.n == 0)
        return;
    if (!opened)
        fail_waiting(u, why);
    else if (!h2_conn_used(m))
        call_retry(u, call_queue_first(&u->queue));
    loop_defer(u->loop, &u->serve);
}

/* ---- making connections ---- */

static void on_dialed(void *arg, struct stream stream, const char *why)
{
    struct dialing *d = arg;
    struct upstream *u = d->upstream;
    struct h2_conn *m = NULL;
    struct conn *c = NULL;

    dialing_end(d);
    if (stream.fd < 0) {
        fail_waiting(u, why);
        return;
    }
    u->counters.connections++;
    if (stream.tls) {
        u->counters.handshakes++;
        u->counters.resumed += tls_resumed(stream.tls);
    }
    if (u->tls)
        u->speaks = stream_h2(&stream) ? SPEAKS_H2 : SPEAKS_H1;
    log_debug("upstream_connected", "protocol=%s resumed=%d",
              u->speaks == SPEAKS_H2 ? "h2" : "http/1.1", stream.tls && tls_resumed(stream.tls));
    if (u->speaks == SPEAKS_H2) {
        if (h2_conn_new(&m, u->loop, stream, &u->h2_conn_limits, &u->h2_conn_owner) < 0)
            fail_waiting(u, "out of memory");
        else
            h2_pool_add(&u->h2_pool, m);
        upstream_serve(u);
        return;
    }
    if (conn_new(&c, u->loop, stream, &u->limits, &u->owner) < 0) {
        fail_waiting(u, "out of memory");
        return;
    }
    ring_enter(u, conn_link(c), true);
    if (!conn_clean(c) && u->queue.n)
        call_retry(u, call_queue_first(&u->queue));
    upstream_serve(u);
}

static void upstream_dial(struct upstream *u)
{
    struct dial_conf conf = {.loop = u->loop,
                             .resolve = u->resolve,
                             .proxy = u->has_proxy ? u->proxy.host : NULL,
                             .tls = u->tls,
                             .through = u->has_proxy ? &u->url : NULL,
                             .timeout_us = u->conf.connect_timeout_us};
    struct dialing *d = calloc(1, sizeof(*d));

    if (!d)
        return;
    d->upstream = u;
    if (dial_start(&d->dial, &conf, on_dialed, d) < 0) {
        free(d);
        return;
    }
    d->next = &u->dialing;
    d->prev = u->dialing.prev;
    d->prev->next = d;
    u->dialing.prev = d;
    u->n_dialing++;
}

static struct conn *take_idle(struct upstream *u)
{
    while (u->idle.next != &u->idle) {
        struct conn *c = u->idle.next->conn;

        if (!conn_clean(c))
            continue;
        ring_leave(u, conn_link(c));
        ring_enter(u, conn_link(c), false);
        u->counters.reused += conn_used(c);
        return c;
    }
    return NULL;
}

/* Connections that are being made for the calls that wait, and those that may be. */
static unsigned wanted_dials(const struct upstream *u, unsigned unserved)
{
    unsigned coming = count_coming(u), each = per_connection(u);
    unsigned wanted = unserved / each + (unserved % each != 0);

    if (u->speaks == SPEAKS_UNKNOWN && wanted > 1)
        wanted = 1;
    return wanted > coming ? wanted - coming : 0;
}

/* Those that are last and have no place in the queue beside calls that wait for a dial. */
static void fail_surplus(struct upstream *u, unsigned served)
{
    /* Until it is known whether the upstream speaks HTTP/2, calls wait for one dial instead of
     * many. */
    size_t dials = u->speaks == SPEAKS_UNKNOWN ? u->conf.max_connections : count_coming(u);
    size_t places = served + dials * per_connection(u) + u->conf.queue;

    for (unsigned n = u->queue.n; n > places && u->queue.n; n--)
        call_fail(u, call_queue_last(&u->queue), UPSTREAM_OVERLOADED,
                  "too many requests wait for the upstream");
}

static void fail_closing(struct upstream *u)
{
    for (unsigned n = u->queue.n; n > 0 && u->queue.n; n--)
        call_fail(u, call_queue_first(&u->queue), UPSTREAM_CLOSING, "the proxy is shutting down");
}

/* Gives waiting calls the idle connections, and dials for the rest as far as the limit goes. */
static void upstream_serve(void *arg)
{
    struct upstream *u = arg;
    unsigned room;

    if (u->closing) {
        fail_closing(u);
        h2_pool_drain(&u->h2_pool);
        return;
    }
    room = h2_pool_wake(&u->h2_pool, u->queue.n);
    while (u->queue.n > room) {
        struct upstream_call *call = call_queue_first(&u->queue);
        struct conn *c = take_idle(u);

        if (!c)
            break;
        call_queue_leave(&u->queue, call);
        conn_carry(c, call);
    }
    while (u->queue.n > room && wanted_dials(u, u->queue.n - room) &&
           u->n_idle + u->n_busy + u->h2_pool.n + u->n_dialing < u->conf.max_connections) {
        unsigned before = u->n_dialing;

        upstream_dial(u);
        if (u->n_dialing == before) {
            fail_waiting(u, "out of memory");
            return;
        }
    }
    fail_surplus(u, room);
}

static void queue_late(void *arg)
{
    struct upstream *u = arg;
    struct upstream_call late, *call;
    uint64_t now = loop_now(), timeout = u->conf.queue_timeout_us, oldest;

    /* Who waits for the first connection has the connect timeout's time. */
    if (count_coming(u) && u->conf.connect_timeout_us > timeout &&
        u->n_busy + u->n_idle + u->h2_pool.n == count_coming(u) - u->n_dialing)
        timeout = u->conf.connect_timeout_us;
    call_ring_init(&late);
    oldest = call_queue_late(&u->queue, now > timeout ? now - timeout : 0, &late);
    while ((call = call_ring_first(&late)))
        call_fail(u, call, UPSTREAM_OVERLOADED,
                  "no connection to the upstream became free in time");
    if (u->queue.n && oldest != UINT64_MAX)
        loop_timer_set(&u->queue_timer, oldest + timeout - now);
}

/* ---- the public functions ---- */

static int upstream_init(struct upstream *u, struct err *err)
{
    const struct url *first = &u->url;
    int r = url_parse(&u->url, u->conf.url, false, err);

    if (r == 0 && u->conf.proxy && *u->conf.proxy) {
        r = url_parse(&u->proxy, u->conf.proxy, true, err);
        u->has_proxy = true;
        first = &u->proxy;
        if (r == 0 && !u->url.tls)
            r = err_set(err, -EINVAL,
                        "a proxy is for https:// only; through it, \"%.128s\" would take "
                        "signatures off this machine in plain text",
                        u->conf.url);
    }
    u->speaks = u->url.tls && u->conf.http2 ? SPEAKS_UNKNOWN : SPEAKS_H1;
    if (r == 0 && u->url.tls)
        r = tls_context_new(&u->tls, u->url.host, u->url.literal,
                            u->conf.ca_file ? u->conf.ca_file : "", err);
    if (r == 0 && u->url.tls && u->conf.http2 && (r = tls_context_offer_h2(u->tls)) < 0)
        (void)err_set(err, r, "out of memory");
    if (r == 0 && (r = resolve_new(&u->resolve, u->loop, first->host, first->port)) < 0)
        (void)err_set(err, r, "out of memory");
    return r;
}

static void upstream_bury(void *arg)
{
    free(arg);
}

int upstream_new(struct upstream **out, struct loop *loop, const struct upstream_conf *conf,
                 struct err *err)
{
    struct upstream *u = calloc(1, sizeof(*u));
    int r;

    if (!u)
        return err_set(err, -ENOMEM, "out of memory");
    u->loop = loop;
    u->conf = *conf;
    u->idle.next = u->idle.prev = &u->idle;
    u->busy.next = u->busy.prev = &u->busy;
    h2_pool_init(&u->h2_pool);
    h2_pool_init(&u->landed);
    u->dialing.next = u->dialing.prev = &u->dialing;
    call_queue_init(&u->queue);
    u->limits =
        (struct conn_limits){conf->response_timeout_us, conf->idle_timeout_us, conf->head_bytes};
    u->owner = (struct conn_owner){on_idle, on_gone, on_unsent, on_ended, u};
    u->h2_conn_limits = (struct h2_conn_limits){conf->connect_timeout_us, conf->response_timeout_us,
                                                conf->idle_timeout_us, conf->head_bytes};
    u->h2_conn_owner =
        (struct h2_conn_owner){on_next, on_changed, on_landed, on_h2_conn_gone, on_ended, u};
    u->streams = STREAMS_UNKNOWN;
    u->serve = (struct loop_hook){.run = upstream_serve, .arg = u};
    u->bury = (struct loop_hook){.run = upstream_bury, .arg = u};
    loop_timer_init(&u->queue_timer, loop, queue_late, u);
    r = upstream_init(u, err);
    if (r < 0) {
        upstream_free(u);
        return r;
    }
    *out = u;
    return 0;
}

static void cancel_dials(struct upstream *u)
{
    while (u->dialing.next != &u->dialing) {
        struct dialing *d = u->dialing.next;

        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): dialing_end takes it off the ring */
        dial_cancel(d->dial);
        dialing_end(d);
    }
}

void upstream_close(struct upstream *u)
{
    u->closing = true;
    cancel_dials(u);
    close_idle(u);
    h2_pool_drain(&u->h2_pool);
    fail_closing(u);
}

/* The struct itself stays until the turn's end: a callback may have been in the middle of it. */
void upstream_free(struct upstream *u)
{
    if (!u)
        return;
    while (u->queue.n) {
        struct upstream_call *call = call_queue_first(&u->queue);

        call_queue_leave(&u->queue, call);
        upstream_call_free(call);
    }
    u->closing = true;
    cancel_dials(u);
    close_idle(u);
    while (u->busy.next != &u->busy) {
        struct conn *c = u->busy.next->conn;
        struct upstream_call *call = conn_call(c);

        conn_free(c);
        if (call)
            upstream_call_free(call);
    }
    h2_pool_free(&u->h2_pool);
    h2_pool_free(&u->landed);
    resolve_free(u->resolve);
    tls_context_free(u->tls);
    loop_cancel(u->loop, &u->serve);
    loop_timer_deinit(&u->queue_timer);
    loop_defer(u->loop, &u->bury);
}

struct slice upstream_host(const struct upstream *u)
{
    return slice_str(u->url.authority);
}

int upstream_call(struct upstream *u, struct buf *request, uint64_t user,
                  const struct upstream_events *events, void *arg, struct upstream_call **out)
{
    struct upstream_call *call = calloc(1, sizeof(*call));

    if (!call)
        return -ENOMEM;
    call->upstream = u;
    call->user = user;
    call->events = events;
    call->arg = arg;
    call->request = *request;
    call->request.secret = true;
    *request = BUF_INIT_SECRET(request->max);
    call->queued = loop_time(u->loop);
    queue_in(u, call, false);
    *out = call;
    return 0;
}

bool upstream_full(const struct upstream *u, uint64_t user)
{
    size_t more = u->conf.max_connections - u->n_busy - u->h2_pool.n;

    more = (more + h2_pool_opening(&u->h2_pool)) * per_connection(u);
    return u->queue.n >= u->conf.queue + more + h2_pool_room(&u->h2_pool) &&
           call_queue_is_last(&u->queue, user);
}

static void call_update(struct upstream_call *call)
{
    if (call->conn)
        conn_update(call->conn);
    else if (call->h2_conn)
        h2_conn_update(call);
}

void upstream_pause(struct upstream_call *call)
{
    if (call->paused)
        return;
    call->paused = true;
    call_update(call);
}

void upstream_resume(struct upstream_call *call)
{
    if (!call->paused)
        return;
    call->paused = false;
    call_update(call);
}

enum wire_sent upstream_sent(const struct upstream_call *call)
{
    return call->h2_conn ? h2_conn_sent(call) : call->sent;
}

void upstream_cancel(struct upstream_call *call)
{
    if (call->conn)
        conn_drop_call(call->conn);
    else if (call->h2_conn)
        h2_conn_drop_call(call);
    else if (call->next)
        call_queue_leave(&call->upstream->queue, call);
    upstream_call_free(call);
}

void upstream_counters(const struct upstream *u, struct upstream_counters *out)
{
    *out = u->counters;
    out->open = u->n_idle + u->n_busy + u->h2_pool.n;
    out->idle = u->n_idle + h2_pool_idle(&u->h2_pool);
    out->queued = u->queue.n;
}
