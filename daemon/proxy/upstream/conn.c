/*
 * One call at a time on one connection: the request goes out as the socket takes it, the answer
 * comes in a bounded share a turn and is handed on as it comes. Nothing of a call is ever written
 * twice, and whatever the peer does ends in one of four calls to the owner.
 */
#include "proxy/upstream/conn.h"

#include "base/log.h"
#include "http/http_chunked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum conn_state {
    CONN_IDLE,
    CONN_HEAD, /* writes the request, waits for the answer's head */
    CONN_BODY, /* hands on the answer's body; may still be writing */
    CONN_DEAD,
};

enum {
    CONN_READ = 16 * 1024,   /* bytes of one read; never below what a TLS record holds */
    CONN_TURN = 64 * 1024,   /* bytes of one turn */
    CONN_KEEP = 32 * 1024,   /* block that an idle connection may hold */
    CONN_WRITE = 256 * 1024, /* bytes of one turn */
    CONN_1XX_MAX = 8,
};

struct conn {
    struct loop *loop;
    struct stream stream;
    struct conn_limits limits;
    struct conn_owner owner;
    struct conn_link link;
    enum conn_state state;
    struct upstream_call *call;
    struct buf in;
    struct event readable, writable;
    struct loop_hook work; /* goes on after a pause, from the loop */
    struct loop_hook bury; /* frees a dead one */
    struct loop_timer timer;
    uint64_t written_before; /* stream_written when the call began */
    struct http_progress progress;
    struct http_chunked chunked;
    enum http_framing framing;
    uint64_t left; /* of a body by length */
    unsigned n_1xx;
    bool used, reading, reuse, write_failed;
};

static void conn_reading(struct conn *c, bool on)
{
    if (c->reading == on)
        return;
    c->reading = on;
    if (on)
        (void)event_add(&c->readable, NULL);
    else
        (void)event_del(&c->readable);
}

static void conn_bury(void *arg)
{
    struct conn *c = arg;

    loop_timer_deinit(&c->timer);
    buf_deinit(&c->in);
    free(c);
}

/* Closes and lets the owner forget it; the call, if any, was taken away before. */
static void conn_die(struct conn *c, const char *why)
{
    if (c->state == CONN_DEAD)
        return;
    log_debug("upstream_closed", "state=%d used=%d why=\"%s\"", (int)c->state, c->used, why);
    c->state = CONN_DEAD;
    conn_reading(c, false);
    (void)event_del(&c->writable);
    loop_cancel(c->loop, &c->work);
    loop_timer_clear(&c->timer);
    stream_close(&c->stream);
    loop_defer(c->loop, &c->bury);
    c->owner.gone(c->owner.arg, c);
}

static void conn_note_sent(struct conn *c)
{
    if (buf_len(&c->call->request) == 0)
        c->call->sent = WIRE_SENT_ALL;
    else if (stream_written(&c->stream) != c->written_before)
        c->call->sent = WIRE_SENT_PARTIAL;
}

/* The call ends here without (the rest of) an answer. */
static void conn_fail(struct conn *c, enum upstream_failure why, const char *text)
{
    struct upstream_call *call = c->call;
    char copy[256];
    bool untouched;

    conn_note_sent(c);
    untouched = why == UPSTREAM_BROKEN && call->sent == WIRE_SENT_NONE && c->state == CONN_HEAD &&
                c->n_1xx == 0 && buf_len(&c->in) == 0;
    (void)snprintf(copy, sizeof(copy), "%s", text);
    c->call = NULL;
    call->conn = NULL;
    conn_die(c, copy);
    if (untouched) {
        c->owner.unsent(c->owner.arg, call);
        return;
    }
    c->owner.ended(c->owner.arg, call, false);
    call->events->failed(call->arg, why, call->sent, copy);
    upstream_call_free(call);
}

static void conn_idle(struct conn *c)
{
    c->state = CONN_IDLE;
    c->call = NULL;
    buf_reset(&c->in, CONN_KEEP);
    loop_timer_set(&c->timer, c->limits.idle_timeout_us);
    conn_reading(c, true);
}

static void conn_end(struct conn *c)
{
    struct upstream_call *call = c->call;
    bool reuse = c->reuse && buf_len(&call->request) == 0 && buf_len(&c->in) == 0 &&
                 !stream_pending(&c->stream);

    c->call = NULL;
    call->conn = NULL;
    if (reuse)
        conn_idle(c);
    else
        conn_die(c, "the answer is the last one");
    c->owner.ended(c->owner.arg, call, true);
    call->events->end(call->arg);
    upstream_call_free(call);
    if (c->state == CONN_IDLE)
        c->owner.idle(c->owner.arg, c);
}

/* Hands a piece over. False when the call is no longer this connection's, or is paused. */
static bool conn_piece(struct conn *c, size_t len)
{
    struct upstream_call *call = c->call;

    if (len)
        call->events->body(call->arg, c->in.data + c->in.head, len);
    if (c->state == CONN_DEAD || c->call != call)
        return false;
    buf_consume(&c->in, len);
    return !call->paused;
}

static void conn_chunks(struct conn *c)
{
    size_t len = buf_len(&c->in), surplus = 0;
    const char *why = NULL;
    enum http_result r;

    if (len == 0)
        return;
    r = http_chunked_decode(&c->chunked, c->in.data + c->in.head, &len, &surplus, &why);
    if (r == HTTP_BAD) {
        conn_fail(c, UPSTREAM_BROKEN, why);
        return;
    }
    if (r == HTTP_DONE) {
        c->framing = HTTP_NO_BODY; /* all that is left is the decoded content */
        c->left = len;
        c->reuse = c->reuse && surplus == 0;
        /* Surplus ends the connection; it is dropped here. */
    } else {
        c->left = UINT64_MAX;
    }
    c->in.tail = c->in.head + len;
    if (!conn_piece(c, len))
        return;
    if (r == HTTP_DONE)
        conn_end(c);
}

/* Hands on what is here, as far as the call takes it. */
static void conn_body(struct conn *c)
{
    size_t len = buf_len(&c->in);

    if (c->call->paused)
        return;
    switch (c->framing) {
    case HTTP_NO_BODY:
        conn_end(c);
        break;
    case HTTP_CHUNKED:
        conn_chunks(c);
        break;
    case HTTP_UNTIL_CLOSE:
        (void)conn_piece(c, len);
        break;
    case HTTP_LENGTH:
        if (len > c->left)
            len = (size_t)c->left;
        c->left -= len;
        if (c->left == 0)
            c->framing = HTTP_NO_BODY;
        if (conn_piece(c, len) && c->framing == HTTP_NO_BODY)
            conn_end(c);
        break;
    }
}

static void conn_head(struct conn *c)
{
    struct upstream_call *call = c->call;
    struct http_head head;
    const char *why = NULL;
    enum http_result r = http_answer_parse(c->in.data + c->in.head, buf_len(&c->in), false,
                                           &c->progress, &head, &why);

    if (r == HTTP_BAD) {
        conn_fail(c, UPSTREAM_BROKEN, why);
        return;
    }
    if (r == HTTP_PARTIAL || head.head_len > c->limits.head_bytes) {
        if (buf_len(&c->in) >= c->limits.head_bytes)
            conn_fail(c, UPSTREAM_BROKEN, "the answer's head is too large");
        return;
    }
    c->progress = (struct http_progress){0};
    if (head.status < 200) {
        buf_consume(&c->in, head.head_len);
        if (head.status == 101 || ++c->n_1xx > CONN_1XX_MAX)
            conn_fail(c, UPSTREAM_BROKEN,
                      head.status == 101 ? "the upstream switched protocols"
                                         : "too many interim answers");
        else if (buf_len(&c->in))
            conn_head(c);
        return;
    }
    c->state = CONN_BODY;
    c->framing = head.framing;
    c->left = head.content_length;
    c->chunked = (struct http_chunked){.extensions = true};
    c->reuse = head.keep_alive && head.framing != HTTP_UNTIL_CLOSE;
    conn_note_sent(c);
    call->events->head(call->arg, &head);
    if (c->state == CONN_DEAD || c->call != call)
        return;
    buf_consume(&c->in, head.head_len);
    conn_body(c);
}

static void conn_feed(struct conn *c)
{
    if (c->state == CONN_HEAD)
        conn_head(c);
    else if (c->state == CONN_BODY)
        conn_body(c);
}

/* An idle connection has nothing to say; TLS tickets are read and vanish in WANT_READ. */
static bool conn_idle_read(struct conn *c)
{
    char byte;
    ssize_t n = stream_read(&c->stream, &byte, 1);

    if (n == STREAM_WANT_READ)
        return true;
    conn_die(c, n > 0 ? "data out of turn" : "closed by the upstream");
    return false;
}

static void conn_ended_early(struct conn *c, ssize_t n)
{
    struct upstream_call *call = c->call;
    const char *why = n == 0 ? "the upstream closed the connection before the end of its answer"
                             : c->stream.error;

    if (n == 0 && c->state == CONN_BODY && c->framing == HTTP_UNTIL_CLOSE) {
        c->framing = HTTP_NO_BODY;
        conn_reading(c, false);
        if (!call->paused)
            conn_end(c);
        return;
    }
    conn_fail(c,
              c->state == CONN_BODY && c->framing == HTTP_UNTIL_CLOSE && stream_cut(&c->stream)
                  ? UPSTREAM_UNENDED
                  : UPSTREAM_BROKEN,
              why);
}

/* Reads until there is nothing, the turn's share is used, or the call pauses. */
static void conn_read(struct conn *c)
{
    /* The rest is another turn's, but for decrypted bytes: no event tells of those. */
    for (size_t done = 0; done < CONN_TURN || stream_pending(&c->stream);) {
        ssize_t n;

        if (c->state == CONN_DEAD || !c->call || c->call->paused)
            return;
        if (buf_reserve(&c->in, CONN_READ) < 0) {
            conn_fail(c, UPSTREAM_BROKEN, "out of memory");
            return;
        }
        n = stream_read(&c->stream, buf_space(&c->in), CONN_READ);
        if (n == STREAM_WANT_READ)
            return;
        if (n == STREAM_WANT_WRITE) {
            (void)event_add(&c->writable, NULL);
            return;
        }
        if (n <= 0) {
            conn_ended_early(c, n);
            return;
        }
        buf_commit(&c->in, (size_t)n);
        done += (size_t)n;
        conn_feed(c);
        /* The head has to be there in time as a whole; a body's time is from read to read. */
        if (c->state == CONN_BODY && !c->call->paused)
            loop_timer_set(&c->timer, c->limits.response_timeout_us);
    }
}

static void conn_write(struct conn *c)
{
    struct upstream_call *call = c->call;

    for (size_t done = 0; done < CONN_WRITE && buf_len(&call->request) && !c->write_failed;) {
        struct slice s = buf_slice(&call->request);
        ssize_t n = stream_write(&c->stream, s.data, s.len);

        if (n == STREAM_WANT_WRITE || n == STREAM_WANT_READ) {
            if (n == STREAM_WANT_WRITE)
                (void)event_add(&c->writable, NULL);
            conn_note_sent(c);
            return;
        }
        if (n < 0) {
            conn_note_sent(c);
            if (call->sent == WIRE_SENT_NONE) {
                conn_fail(c, UPSTREAM_BROKEN, c->stream.error);
                return;
            }
            /* The upstream may have answered before it stopped reading. */
            c->write_failed = true;
            c->reuse = false;
            conn_read(c);
            return;
        }
        buf_consume(&call->request, (size_t)n);
        done += (size_t)n;
        if (!call->paused)
            loop_timer_set(&c->timer, c->limits.response_timeout_us);
    }
    conn_note_sent(c);
    if (buf_len(&call->request))
        (void)event_add(&c->writable, NULL);
    else
        buf_deinit(&call->request);
}

static void conn_work(void *arg)
{
    struct conn *c = arg;

    if (c->state == CONN_DEAD || !c->call || c->call->paused)
        return;
    /* First what is here, then what the socket has. */
    conn_feed(c);
    if (c->state != CONN_DEAD && c->call && !c->call->paused) {
        loop_timer_set(&c->timer, c->limits.response_timeout_us);
        conn_reading(c, true);
        conn_read(c);
    }
}

static void conn_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    (void)what;
    if (c->call && c->call->paused) {
        conn_reading(c, false);
        return;
    }
    if (c->work.queued)
        return; /* what is here goes first, then this end of the socket */
    if (c->state == CONN_IDLE)
        (void)conn_idle_read(c);
    else
        conn_read(c);
    /* TLS may have had to read before it could write. */
    if (c->call && buf_len(&c->call->request) && !event_pending(&c->writable, EV_WRITE, NULL))
        conn_write(c);
}

static void conn_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    (void)what;
    if (c->call && buf_len(&c->call->request) && !c->write_failed)
        conn_write(c);
    else if (c->call)
        conn_read(c); /* TLS had to write before it could read */
}

/* What has come while this process was stopped is read before it is called late: true when that was
 * it. */
static bool conn_catch_up(struct conn *c)
{
    struct upstream_call *call = c->call;
    enum conn_state state = c->state;

    conn_read(c);
    return c->state != state || c->call != call || loop_timer_armed(&c->timer);
}

static void conn_late(void *arg)
{
    struct conn *c = arg;

    if (c->call && conn_catch_up(c))
        return;
    if (c->call)
        conn_fail(c, UPSTREAM_TIMEOUT,
                  c->state == CONN_HEAD ? "no answer in time" : "the answer stopped coming");
    else
        conn_die(c, "idle");
}

int conn_new(struct conn **out, struct loop *loop, struct stream stream,
             const struct conn_limits *limits, const struct conn_owner *owner)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (!c || stream_read_ahead(&stream) < 0) {
        stream_close(&stream);
        free(c);
        return -ENOMEM;
    }
    c->loop = loop;
    c->stream = stream;
    c->limits = *limits;
    c->owner = *owner;
    c->link.conn = c;
    c->in = BUF_INIT(limits->head_bytes + CONN_TURN + CONN_READ);
    c->work = (struct loop_hook){.run = conn_work, .arg = c};
    c->bury = (struct loop_hook){.run = conn_bury, .arg = c};
    loop_timer_init(&c->timer, loop, conn_late, c);
    (void)event_assign(&c->readable, loop_base(loop), stream.fd, EV_READ | EV_PERSIST,
                       conn_readable, c);
    (void)event_assign(&c->writable, loop_base(loop), stream.fd, EV_WRITE, conn_writable, c);
    conn_idle(c);
    *out = c;
    return 0;
}

void conn_free(struct conn *c)
{
    if (!c || c->state == CONN_DEAD)
        return;
    c->call = NULL;
    conn_die(c, "freed");
}

bool conn_clean(struct conn *c)
{
    return c->state == CONN_IDLE && conn_idle_read(c);
}

bool conn_used(const struct conn *c)
{
    return c->used;
}

void conn_carry(struct conn *c, struct upstream_call *call)
{
    c->used = true;
    c->state = CONN_HEAD;
    c->call = call;
    call->conn = c;
    c->written_before = stream_written(&c->stream);
    c->progress = (struct http_progress){0};
    c->n_1xx = 0;
    c->reuse = true;
    c->write_failed = false;
    loop_timer_set(&c->timer, c->limits.response_timeout_us);
    conn_write(c);
}

void conn_update(struct conn *c)
{
    if (c->state == CONN_DEAD)
        return;
    if (!c->call->paused) {
        loop_defer(c->loop, &c->work);
        return;
    }
    /* As a rule it goes on before more comes: the event is taken away only when more does. */
    loop_timer_clear(&c->timer);
}

void conn_drop_call(struct conn *c)
{
    struct upstream_call *call = c->call;

    if (!call)
        return;
    c->call = NULL;
    call->conn = NULL;
    conn_die(c, "the call was cancelled");
}

struct conn_link *conn_link(struct conn *c)
{
    return &c->link;
}

struct upstream_call *conn_call(const struct conn *c)
{
    return c->call;
}
