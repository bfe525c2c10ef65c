/*
 * One hook at the end of a turn does its work: it hands on bodies that were held back, reads the
 * socket, takes waiting calls, and writes everything.
 */
#include "proxy/upstream/h2_conn.h"

#include "base/log.h"
#include "proxy/upstream/h2_io.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    /*
     * Servers end a connection after a number of requests or a time (nginx: 1,000 and an hour), and
     * requests that arrive after that are lost. So this side ends it first.
     */
    H2_CONN_REQUESTS = 900,
    H2_CONN_AGE_US = 1800000000,
};

/* Drawn in h2_conn.h. */
enum h2_conn_state {
    H2_CONN_OPENING,
    H2_CONN_OPEN,
    H2_CONN_DRAINING,
    H2_CONN_LANDED,
    H2_CONN_DEAD,
};

struct h2_conn {
    struct loop *loop;
    struct h2_io io;
    struct h2_conn_limits limits;
    struct h2_conn_owner owner;
    struct h2_conn_link link;
    enum h2_conn_state state;
    struct upstream_call waiting;  /* ring, by deadline; only next and prev are used */
    struct upstream_call paused;   /* ring */
    struct upstream_call resumed;  /* ring; go on in this turn's end */
    struct upstream_call *telling; /* NULL when the callback that runs has ended its call */
    unsigned n_calls, n_requests;
    uint64_t born, heard; /* monotonic microseconds; when the last bytes came */
    struct event readable, writable;
    struct loop_hook work, bury;
    struct loop_timer timer, more;
    bool opened, landed, idle;
    bool woken; /* calls wait at the owner, as far as is known */
};

/* There is no connection any more. */
static bool h2_conn_closed(const struct h2_conn *m)
{
    return m->state >= H2_CONN_LANDED;
}

/* One of its calls; those whose whole answer is here only if `ended`. NULL: there is none. */
static struct upstream_call *any_call(struct h2_conn *m, bool ended)
{
    struct upstream_call *rings[] = {&m->waiting, &m->paused, &m->resumed};

    for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++)
        for (struct upstream_call *call = rings[i]->next; call != rings[i]; call = call->next)
            if (ended || !call->ended)
                return call;
    return NULL;
}

static struct upstream_call *call_of(struct h2_stream *stream)
{
    return (struct upstream_call *)((char *)stream - offsetof(struct upstream_call, stream));
}

/* All have the same time, so the one whose time begins last is the last. */
static void call_wait(struct h2_conn *m, struct upstream_call *call)
{
    call_ring_leave(call);
    /* cppcheck-suppress nullPointerRedundantCheck ; `telling` is asked again behind a callback */
    call->deadline = loop_time(m->loop) + m->limits.response_timeout_us;
    call_ring_add(&m->waiting, call);
}

static void h2_conn_arm(struct h2_conn *m)
{
    struct upstream_call *first = call_ring_first(&m->waiting);
    uint64_t now;

    if (h2_conn_closed(m) || m->state == H2_CONN_OPENING)
        return;
    if (m->n_calls == 0) {
        if (!m->idle)
            loop_timer_set(&m->timer, m->limits.idle_timeout_us);
        m->idle = true;
        return;
    }
    m->idle = false;
    if (first) {
        now = loop_time(m->loop);
        loop_timer_set(&m->timer, first->deadline > now ? first->deadline - now : 0);
    } else {
        loop_timer_clear(&m->timer);
    }
}

/* ---- how calls end ---- */

enum wire_sent h2_conn_sent(const struct upstream_call *call)
{
    if (!call->stream.begun)
        return WIRE_SENT_NONE;
    if (call->stream.whole_at && call->stream.whole_at <= call->h2_conn->io.written)
        return WIRE_SENT_ALL;
    return WIRE_SENT_PARTIAL;
}

static void h2_conn_bury(void *arg)
{
    struct h2_conn *m = arg;

    loop_timer_deinit(&m->timer);
    loop_timer_deinit(&m->more);
    h2_session_free(m->io.session);
    buf_deinit(&m->io.out);
    free(m);
}

static void h2_conn_dead(struct h2_conn *m, const char *why)
{
    m->state = H2_CONN_DEAD;
    loop_cancel(m->loop, &m->work);
    loop_defer(m->loop, &m->bury);
    m->owner.gone(m->owner.arg, m, m->opened, why);
}

/* It is no longer this connection's. */
static void call_out(struct h2_conn *m, struct upstream_call *call)
{
    call->sent = h2_conn_sent(call);
    if (m->telling == call)
        m->telling = NULL;
    call_ring_leave(call);
    call->h2_conn = NULL;
    m->n_calls--;
    if (m->state == H2_CONN_OPEN)
        m->owner.changed(m->owner.arg, m);
    else if (m->state == H2_CONN_LANDED && m->n_calls == 0)
        h2_conn_dead(m, "closed");
}

/* Resets the call's stream, tells the owner and the call, and frees it. */
static void h2_conn_fail_call(struct h2_conn *m, struct upstream_call *call,
                              enum upstream_failure why, const char *text)
{
    h2_session_reset(m->io.session, &call->stream);
    call_out(m, call);
    m->owner.ended(m->owner.arg, call, false);
    call->events->failed(call->arg, why, call->sent, text);
    upstream_call_free(call);
}

static void call_end(struct h2_conn *m, struct upstream_call *call)
{
    call_out(m, call);
    m->owner.ended(m->owner.arg, call, true);
    call->events->end(call->arg);
    upstream_call_free(call);
}

/*
 * The one way it ends. What runs on it fails, but for calls whose whole answer is here; what waits
 * at the owner's does not.
 */
static void h2_conn_die(struct h2_conn *m, const char *text)
{
    char why[256];

    if (h2_conn_closed(m))
        return;
    (void)snprintf(why, sizeof(why), "%s", text);
    log_debug("upstream_closed", "protocol=h2 requests=%u running=%u why=%s", m->n_requests,
              m->n_calls, log_quote(slice_str(why)).text);
    h2_session_stop(m->io.session);
    (void)event_del(&m->readable);
    (void)event_del(&m->writable);
    loop_timer_clear(&m->timer);
    loop_timer_clear(&m->more);
    stream_close(&m->io.stream);
    m->state = H2_CONN_LANDED;
    m->io.closed = true;
    if (m->n_calls == 0) {
        h2_conn_dead(m, why);
        return;
    }
    m->landed = true;
    m->owner.landed(m->owner.arg, m);
    for (struct upstream_call *call = any_call(m, false); call; call = any_call(m, false))
        h2_conn_fail_call(m, call, UPSTREAM_BROKEN, why);
    if (call_ring_first(&m->resumed))
        loop_defer(m->loop, &m->work);
}

static void h2_conn_part(struct h2_conn *m, const char *why)
{
    if (h2_conn_closed(m))
        return;
    h2_session_goodbye(m->io.session);
    if (!h2_session_fill(m->io.session, &m->io.out, H2_OUT_MAX / 2))
        h2_io_last_words(&m->io);
    h2_conn_die(m, why);
}

void h2_conn_drain(struct h2_conn *m)
{
    if (m->state == H2_CONN_OPENING || m->n_calls == 0) {
        h2_conn_part(m, "no longer needed");
    } else if (m->state == H2_CONN_OPEN) {
        m->state = H2_CONN_DRAINING;
        m->owner.changed(m->owner.arg, m);
    }
}

/* ---- what the session tells ---- */

static void on_head(void *arg, struct h2_stream *stream, const struct http_head *head)
{
    struct h2_conn *m = arg;
    struct upstream_call *call = call_of(stream);

    call->headed = true;
    if (!call->paused)
        call_wait(m, call);
    call->events->head(call->arg, head);
}

static void on_body(void *arg, struct h2_stream *stream, const char *data, size_t len)
{
    struct h2_conn *m = arg;
    struct upstream_call *call = call_of(stream);

    if (call->paused || buf_len(&call->body)) {
        /* Not more than the stream's window: the room comes back when it is handed on. */
        if (buf_append(&call->body, data, len) < 0)
            h2_conn_fail_call(m, call, UPSTREAM_BROKEN, "out of memory");
        return;
    }
    call_wait(m, call);
    m->telling = call;
    call->events->body(call->arg, data, len);
    if (m->telling)
        h2_session_consumed(m->io.session, stream, len);
    m->telling = NULL;
}

static void on_end(void *arg, struct h2_stream *stream)
{
    struct h2_conn *m = arg;
    struct upstream_call *call = call_of(stream);

    if (call->paused || buf_len(&call->body))
        call->ended = true;
    else
        call_end(m, call);
}

static void on_failed(void *arg, struct h2_stream *stream, const char *why)
{
    h2_conn_fail_call(arg, call_of(stream), UPSTREAM_BROKEN, why);
}

static void on_progress(void *arg, struct h2_stream *stream)
{
    struct upstream_call *call = call_of(stream);

    if (!call->headed && !call->paused)
        call_wait(arg, call);
    if (stream->body.len == 0)
        buf_deinit(&call->request);
}

/* Hands on what was held back. */
static void call_resume(struct h2_conn *m, struct upstream_call *call)
{
    size_t len = buf_len(&call->body);

    call_wait(m, call);
    if (len) {
        m->telling = call;
        call->events->body(call->arg, buf_slice(&call->body).data, len);
        if (!m->telling)
            return;
        m->telling = NULL;
        h2_session_consumed(m->io.session, &call->stream, len);
        buf_deinit(&call->body);
    }
    if (call->ended && !call->paused)
        call_end(m, call);
}

/* ---- bytes in and out ---- */

/* A piece was read. True while it lives. */
static bool on_heard(void *arg, bool sound)
{
    struct h2_conn *m = arg;

    m->heard = loop_time(m->loop);
    if (!sound)
        h2_conn_die(m, h2_session_why(m->io.session));
    if (h2_conn_closed(m))
        return false;
    if (m->state == H2_CONN_OPENING && h2_session_settled(m->io.session)) {
        m->state = H2_CONN_OPEN;
        m->opened = true;
        m->owner.changed(m->owner.arg, m);
    }
    if (m->state == H2_CONN_OPEN && h2_session_leaving(m->io.session)) {
        log_debug("upstream_leaving", "requests=%u running=%u", m->n_requests, m->n_calls);
        m->state = H2_CONN_DRAINING;
        m->owner.changed(m->owner.arg, m);
    }
    if (h2_session_wants_fill(m->io.session))
        loop_defer(m->loop, &m->work);
    return !h2_conn_closed(m);
}

/* Takes one waiting call. False when there is none or no room. */
static bool on_more(void *arg)
{
    struct h2_conn *m = arg;
    struct upstream_call *call;
    struct http_head head;
    struct slice body;

    if (!m->woken || h2_conn_room(m) == 0)
        return false;
    call = m->owner.next(m->owner.arg, m);
    if (!call) {
        m->woken = false;
        return false;
    }
    call->h2_conn = m;
    call->body = BUF_INIT((size_t)2 * H2_STREAM_WINDOW);
    call->deadline = loop_time(m->loop) + m->limits.response_timeout_us;
    call_ring_add(call->paused ? &m->paused : &m->waiting, call);
    m->n_calls++;
    m->n_requests++;
    if (!call_parts(call, &head, &body) ||
        h2_session_submit(m->io.session, &call->stream, &head, body) < 0)
        h2_conn_fail_call(m, call, UPSTREAM_BROKEN, "out of memory");
    return !h2_conn_closed(m);
}

/* Waits for the socket to take more, if the stream wants that. */
static void h2_conn_want(struct h2_conn *m)
{
    if (m->io.wants_write && !h2_conn_closed(m))
        (void)event_add(&m->writable, NULL);
    m->io.wants_write = false;
}

static void h2_conn_read(struct h2_conn *m, bool to_the_end)
{
    enum h2_io_result r = h2_io_read(&m->io, to_the_end);

    if (r == H2_IO_FAILED)
        h2_conn_die(m, m->io.stream.error);
    else if (r == H2_IO_CLOSED)
        h2_conn_die(m, m->n_calls ? "the upstream closed the connection before the end of its "
                                    "answer"
                                  : "the upstream closed the connection");
    else if (r == H2_IO_SHARE)
        loop_timer_set(&m->more, 0);
    h2_conn_want(m);
}

static void h2_conn_write(struct h2_conn *m)
{
    enum h2_io_result r = h2_io_write(&m->io);

    h2_conn_want(m);
    if (r != H2_IO_FAILED)
        return;
    if (!m->io.failed_write) {
        h2_conn_die(m, h2_session_why(m->io.session));
        return;
    }
    /* The upstream may have answered before it stopped reading; what comes next ends it. */
    h2_conn_read(m, true);
    if (!h2_conn_closed(m))
        h2_conn_die(m, "the upstream stopped reading");
}

/* ---- the turn and its time ---- */

static void h2_conn_settle(struct h2_conn *m)
{
    if (m->state == H2_CONN_DRAINING && m->n_calls == 0 && buf_len(&m->io.out) == 0)
        h2_conn_part(m, "its last answer is here");
    h2_conn_arm(m);
}

static void h2_conn_work(void *arg)
{
    struct h2_conn *m = arg;
    struct upstream_call *call;

    while (m->state != H2_CONN_DEAD && (call = call_ring_first(&m->resumed)))
        call_resume(m, call);
    if (h2_conn_closed(m))
        return;
    /* Before new requests go out: is the peer still there, and does it want them? */
    if (m->woken && h2_conn_room(m) && buf_len(&m->io.out) == 0)
        h2_conn_read(m, true);
    if (!h2_conn_closed(m) && !event_pending(&m->writable, EV_WRITE, NULL))
        h2_conn_write(m);
    if (!h2_conn_closed(m)) {
        loop_cancel(m->loop, &m->work); /* what the read above asked for is done */
        h2_conn_settle(m);
    }
}

static void h2_conn_readable(evutil_socket_t fd, short what, void *arg)
{
    struct h2_conn *m = arg;

    (void)fd;
    (void)what;
    h2_conn_read(m, false);
    if (h2_conn_closed(m))
        return;
    /* TLS may have had to read before it could write. */
    if (buf_len(&m->io.out))
        loop_defer(m->loop, &m->work);
    h2_conn_settle(m);
}

static void h2_conn_more(void *arg)
{
    h2_conn_readable(-1, EV_READ, arg);
}

static void h2_conn_writable(evutil_socket_t fd, short what, void *arg)
{
    struct h2_conn *m = arg;

    (void)fd;
    (void)what;
    h2_conn_read(m, false); /* TLS may have had to write before it could read */
    if (!h2_conn_closed(m))
        h2_conn_work(m);
}

static void h2_conn_late(void *arg)
{
    struct h2_conn *m = arg;
    struct upstream_call *call;
    uint64_t now = loop_now();

    if (m->n_calls) {
        /* What has come while this process was stopped is read before it is called late. */
        h2_conn_read(m, false);
        if (h2_conn_closed(m))
            return;
        loop_defer(m->loop, &m->work);
        if (m->n_calls == 0) {
            h2_conn_arm(m);
            return;
        }
    }
    if (m->state == H2_CONN_OPENING) {
        h2_conn_die(m, "no HTTP/2 settings came in time");
        return;
    }
    if (m->n_calls == 0) {
        h2_conn_part(m, "idle");
        return;
    }
    while (!h2_conn_closed(m) && (call = call_ring_first(&m->waiting)) && now >= call->deadline) {
        /* A silent peer may be dead: new calls go to another connection. */
        if (m->state == H2_CONN_OPEN && m->heard + m->limits.response_timeout_us / 2 <= now) {
            m->state = H2_CONN_DRAINING;
            m->owner.changed(m->owner.arg, m);
        }
        h2_conn_fail_call(m, call, UPSTREAM_TIMEOUT,
                          call->headed ? "the answer stopped coming" : "no answer in time");
    }
    if (h2_conn_closed(m))
        return;
    loop_defer(m->loop, &m->work);
    h2_conn_arm(m);
}

/* ---- for the owner ---- */

int h2_conn_new(struct h2_conn **out, struct loop *loop, struct stream stream,
                const struct h2_conn_limits *limits, const struct h2_conn_owner *owner)
{
    struct h2_conn *m = calloc(1, sizeof(*m));
    struct h2_events events = {on_head, on_body, on_end, on_failed, on_progress, m};

    if (!m || stream_read_ahead(&stream) < 0 ||
        h2_session_new(&m->io.session, &events, limits->head_bytes) < 0) {
        stream_close(&stream);
        free(m);
        return -ENOMEM;
    }
    m->loop = loop;
    m->io.stream = stream;
    m->io.heard = on_heard;
    m->io.more = on_more;
    m->io.arg = m;
    m->limits = *limits;
    m->owner = *owner;
    m->link.h2_conn = m;
    m->io.out = BUF_INIT_SECRET(H2_OUT_MAX);
    m->born = m->heard = loop_now();
    call_ring_init(&m->waiting);
    call_ring_init(&m->paused);
    call_ring_init(&m->resumed);
    m->work = (struct loop_hook){.run = h2_conn_work, .arg = m};
    m->bury = (struct loop_hook){.run = h2_conn_bury, .arg = m};
    loop_timer_init(&m->timer, loop, h2_conn_late, m);
    loop_timer_set(&m->timer, limits->open_timeout_us);
    loop_timer_init(&m->more, loop, h2_conn_more, m);
    (void)event_assign(&m->readable, loop_base(loop), stream.fd, EV_READ | EV_PERSIST,
                       h2_conn_readable, m);
    (void)event_assign(&m->writable, loop_base(loop), stream.fd, EV_WRITE, h2_conn_writable, m);
    (void)event_add(&m->readable, NULL);
    loop_defer(loop, &m->work);
    *out = m;
    return 0;
}

void h2_conn_free(struct h2_conn *m)
{
    for (struct upstream_call *call = any_call(m, true); call; call = any_call(m, true)) {
        h2_conn_drop_call(call);
        upstream_call_free(call);
    }
    h2_conn_die(m, "freed");
}

unsigned h2_conn_room(const struct h2_conn *m)
{
    unsigned left = H2_CONN_REQUESTS - m->n_requests, room;

    if (m->state != H2_CONN_OPEN)
        return 0;
    room = h2_session_room(m->io.session);
    return room < left ? room : left;
}

unsigned h2_conn_streams(const struct h2_conn *m)
{
    return h2_session_streams(m->io.session);
}

bool h2_conn_opening(const struct h2_conn *m)
{
    return m->state == H2_CONN_OPENING ||
           (m->state == H2_CONN_OPEN && m->n_calls == 0 && h2_session_streams(m->io.session) == 0);
}

unsigned h2_conn_calls(const struct h2_conn *m)
{
    return m->n_calls;
}

bool h2_conn_used(const struct h2_conn *m)
{
    return m->n_requests > 0;
}

bool h2_conn_landed(const struct h2_conn *m)
{
    return m->landed;
}

unsigned h2_conn_wake(struct h2_conn *m)
{
    unsigned room;

    if (m->state == H2_CONN_OPEN &&
        (m->n_requests >= H2_CONN_REQUESTS || loop_time(m->loop) - m->born >= H2_CONN_AGE_US))
        h2_conn_drain(m);
    room = h2_conn_room(m);
    if (room) {
        m->woken = true;
        loop_defer(m->loop, &m->work);
    }
    return room;
}

void h2_conn_update(struct upstream_call *call)
{
    struct h2_conn *m = call->h2_conn;

    if (m->state == H2_CONN_DEAD)
        return;
    call_ring_leave(call);
    call_ring_add(call->paused ? &m->paused : &m->resumed, call);
    if (!call->paused)
        loop_defer(m->loop, &m->work);
}

void h2_conn_drop_call(struct upstream_call *call)
{
    struct h2_conn *m = call->h2_conn;

    h2_session_reset(m->io.session, &call->stream);
    call_out(m, call);
    if (m->state != H2_CONN_DEAD)
        loop_defer(m->loop, &m->work);
}

struct h2_conn_link *h2_conn_link(struct h2_conn *m)
{
    return &m->link;
}
