/*
 * The buffer `out` is either empty or was offered to the stream as a whole, so a frame that was
 * collected is one that may be on its way: there is no third state of a call.
 */
#include "proxy/upstream/h2_conn_parts.h"

#include "base/log.h"

enum {
    H2_CONN_READ = 16 * 1024,  /* bytes of one read; what a TLS record holds */
    H2_CONN_TURN = 256 * 1024, /* bytes of one turn, read or written */
};

/* True while it lives. */
static bool h2_conn_heard(struct h2_conn *m)
{
    if (m->state == H2_CONN_OPENING && h2_session_settled(m->session)) {
        m->state = H2_CONN_OPEN;
        m->opened = true;
        m->owner.changed(m->owner.arg, m);
    }
    if (m->state == H2_CONN_OPEN && h2_session_leaving(m->session)) {
        log_debug("upstream_leaving", "requests=%u running=%u", m->n_requests, m->n_calls);
        m->state = H2_CONN_DRAINING;
        m->owner.changed(m->owner.arg, m);
    }
    if (h2_session_wants_fill(m->session))
        loop_defer(m->loop, &m->work);
    return !h2_conn_closed(m);
}

void h2_conn_read(struct h2_conn *m, bool to_the_end)
{
    char data[H2_CONN_READ];

    for (size_t done = 0; done < H2_CONN_TURN;) {
        ssize_t n = stream_read(&m->stream, data, sizeof(data));

        if (n == STREAM_WANT_WRITE)
            (void)event_add(&m->writable, NULL);
        if (n == STREAM_WANT_READ || n == STREAM_WANT_WRITE)
            return;
        if (n <= 0) {
            if (n < 0)
                h2_conn_die(m, m->stream.error);
            else
                h2_conn_die(m, m->n_calls ? "the upstream closed the connection before the end of "
                                            "its answer"
                                          : "the upstream closed the connection");
            return;
        }
        m->heard = loop_time(m->loop);
        done += (size_t)n;
        if (!h2_session_feed(m->session, data, (size_t)n) && !h2_conn_closed(m))
            h2_conn_die(m, h2_session_why(m->session));
        if (h2_conn_closed(m) || !h2_conn_heard(m))
            return;
        if (!to_the_end && (size_t)n < sizeof(data) && !stream_pending(&m->stream))
            return;
    }
    /* The rest is another turn's; no event tells of what TLS holds already. */
    loop_timer_set(&m->more, 0);
}

/* Takes one waiting call. False when there is none or no room. */
static bool h2_conn_take(struct h2_conn *m)
{
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
    call->body = BUF_INIT(2 * H2_STREAM_WINDOW);
    call->deadline = loop_time(m->loop) + m->limits.response_timeout_us;
    call_ring_add(call->paused ? &m->paused : &m->waiting, call);
    m->n_calls++;
    m->n_requests++;
    if (!call_parts(call, &head, &body) ||
        h2_session_submit(m->session, &call->stream, &head, body) < 0)
        h2_conn_fail_call(m, call, UPSTREAM_BROKEN, "out of memory");
    return !h2_conn_closed(m);
}

void h2_conn_last_words(struct h2_conn *m)
{
    struct slice rest = buf_slice(&m->out);

    if (rest.len && !m->failed_write && stream_write(&m->stream, rest.data, rest.len) < 0)
        log_debug("upstream_goodbye_unsent", "%s", "");
}

/* Fills the empty buffer: what the session has to say, and as many waiting calls as go in. */
static bool h2_conn_fill(struct h2_conn *m)
{
    do {
        bool going = h2_session_fill(m->session, &m->out, H2_FILL);

        if (h2_conn_closed(m))
            return false;
        if (!going) {
            h2_conn_last_words(m);
            h2_conn_die(m, h2_session_why(m->session));
            return false;
        }
    } while (buf_len(&m->out) < H2_FILL && h2_conn_take(m));
    return !h2_conn_closed(m);
}

void h2_conn_write(struct h2_conn *m)
{
    for (size_t done = 0; done < H2_CONN_TURN && !m->failed_write;) {
        struct slice s;
        ssize_t n;

        if (buf_len(&m->out) == 0 && !h2_conn_fill(m))
            return;
        s = buf_slice(&m->out);
        if (s.len == 0)
            return;
        n = stream_write(&m->stream, s.data, s.len);
        if (n == STREAM_WANT_WRITE)
            (void)event_add(&m->writable, NULL);
        if (n == STREAM_WANT_WRITE || n == STREAM_WANT_READ)
            return;
        if (n < 0) {
            /* The upstream may have answered before it stopped reading; what comes next ends it. */
            m->failed_write = true;
            h2_conn_read(m, true);
            if (!h2_conn_closed(m))
                h2_conn_die(m, "the upstream stopped reading");
            return;
        }
        buf_consume(&m->out, (size_t)n);
        m->written += (uint64_t)n;
        done += (size_t)n;
    }
    if (!m->failed_write)
        (void)event_add(&m->writable, NULL);
}
