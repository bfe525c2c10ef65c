/*
 * All progress is made from the event loop or from an end-of-turn hook, never from within the
 * handler's calls, so that nothing is re-entered.
 */
#include "proxy/front/client.h"

#include "base/log.h"
#include "proxy/front/client_stream.h"
#include "proxy/front/origin.h"
#include "proxy/front/request_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CLIENT_READ = 16 * 1024,      /* bytes of one read */
    CLIENT_READ_BODY = 64 * 1024, /* the same inside a body */
    CLIENT_AHEAD = 64 * 1024,     /* pipelined bytes that may wait behind a request */
    CLIENT_KEEP = 32 * 1024,      /* block that an idle connection may hold */
    LINGER_US = 2000000,
    LINGER_BYTES = 4 * 1024 * 1024,
};

enum client_state {
    CLIENT_SHAKE,  /* waits for the rest of a TLS handshake */
    CLIENT_IDLE,   /* waits for the first byte of a request */
    CLIENT_HEAD,   /* waits for the rest of a head */
    CLIENT_BODY,   /* waits for the rest of a body */
    CLIENT_BUSY,   /* waits for the answer */
    CLIENT_LINGER, /* waits for the peer to close, so that the answer isn't lost */
};

struct client {
    struct loop *loop;
    struct client_stream stream;
    enum client_state state;
    struct client_peer peer;
    struct client_limits limits;
    const struct client_handler *handler;
    void *arg;
    struct client_owner owner;
    struct client_link link;
    void *exchange;
    struct buf in, out;
    struct request_reader request; /* the running one, at the beginning of `in` */
    size_t lingered;
    bool eof, close_after, answered, congested, reading;
    bool reset;      /* the connection's end must not look like the answer's */
    bool identified; /* uid_now is the peer's, of this turn */
    uint32_t uid_now;
    struct arrival arrival;
    struct turn turn; /* while the whole request waits to be taken in */
    struct upload upload;
    struct event readable, writable;
    struct loop_hook hook;
    struct loop_timer timer;       /* of the state */
    struct loop_timer write_timer; /* while output waits */
};

/* The running request's bytes are gone. */
static void client_upload_ends(struct client *c)
{
    if (c->owner.uploads)
        uploads_give(c->owner.uploads, &c->upload, buf_len(&c->in) ? c->in.cap : 0);
}

static void client_reading(struct client *c, bool on)
{
    if (c->reading == on)
        return;
    c->reading = on;
    if (on) {
        (void)event_add(&c->readable, NULL);
        if (client_stream_pending(&c->stream))
            event_active(&c->readable, EV_READ, 0);
    } else
        (void)event_del(&c->readable);
}

/* Tells the owner who has to act next: the client, or the daemon. */
static void client_waits(struct client *c, bool for_client)
{
    if (c->owner.waits)
        c->owner.waits(c->owner.arg, c, for_client);
}

/* Enters a state: sets its timer, and tells the owner who has to act next. */
static void client_set(struct client *c, enum client_state state)
{
    c->state = state;
    if (state == CLIENT_SHAKE || state == CLIENT_IDLE || state == CLIENT_BUSY ||
        state == CLIENT_LINGER)
        client_waits(c, state != CLIENT_BUSY);
    switch (state) {
    case CLIENT_IDLE:
        loop_timer_set(&c->timer, c->limits.idle_timeout_us);
        break;
    case CLIENT_SHAKE:
    case CLIENT_HEAD:
        loop_timer_set(&c->timer, c->limits.header_timeout_us);
        break;
    case CLIENT_BODY:
        loop_timer_set(&c->timer, c->limits.body_timeout_us);
        break;
    case CLIENT_BUSY:
        loop_timer_clear(&c->timer);
        break;
    case CLIENT_LINGER:
        loop_timer_set(&c->timer, LINGER_US);
        break;
    }
}

/* The one way a connection ends. */
static void client_end(struct client *c, const char *why)
{
    log_debug("client_closed", "address=%s state=%d why=\"%s\"", c->peer.address, c->state, why);
    client_free(c);
}

/* ---- from bytes to requests ---- */

/* Hands the running request over as refused; the connection closes after the answer. */
static void client_refuse(struct client *c, const struct http_head *head, const struct refusal *why)
{
    c->close_after = true;
    client_set(c, CLIENT_BUSY);
    c->handler->refused(c->arg, c, head, why);
}

/* The same in the middle of a body. */
static void client_refuse_body(struct client *c, const struct refusal *why)
{
    struct http_head head;

    client_refuse(c, request_reader_head_again(&c->request, &c->in, &head) ? &head : NULL, why);
}

/* A whole request whose turn it is. Its bytes may have moved since its head was parsed. */
static void client_turn(void *arg)
{
    struct client *c = arg;
    struct http_head head;

    if (request_reader_head_again(&c->request, &c->in, &head))
        c->handler->request(c->arg, c, &head, client_body(c));
    else
        client_end(c, "a head changed under way");
}

/* The keeper doesn't read for now: the request waits, if its user hasn't its share waiting. */
static void client_wait(struct client *c, const struct http_head *head)
{
    struct refusal no;

    if (turns_wait(c->owner.turns, &c->turn, client_user(c, client_uid(c)), c->request.len) == 0)
        return;
    refuse(&no, 503, "overloaded",
           "too many requests of this user wait for the keeper; try again later");
    c->handler->refused(c->arg, c, head, &no);
}

static void client_deliver(struct client *c, const struct http_head *head)
{
    client_set(c, CLIENT_BUSY);
    if (!head->keep_alive)
        c->close_after = true;
    if (c->owner.turns && !turns_pass(c->owner.turns))
        client_wait(c, head);
    else
        c->handler->request(c->arg, c, head, client_body(c));
}

/* Goes on with the body, with all that was read. `parsed` is its head, if the bytes have not moved
 * since it was parsed. */
static void client_try_body(struct client *c, const struct http_head *parsed)
{
    struct http_head again;
    struct refusal no;

    switch (request_reader_body(&c->request, &c->in, c->limits.body_bytes, &no)) {
    case REQUEST_REFUSED:
        client_refuse_body(c, &no);
        break;
    case REQUEST_WHOLE:
        if (!parsed && !request_reader_head_again(&c->request, &c->in, &again))
            client_end(c, "a head changed under way");
        else
            client_deliver(c, parsed ? parsed : &again);
        break;
    default:
        break;
    }
}

static void client_continue(struct client *c)
{
    static const char GO[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (buf_append(&c->out, GO, sizeof(GO) - 1) == 0)
        client_push(c);
}

/* The head is complete and well formed: look at it, then at its body. */
static void client_accept_head(struct client *c, const struct http_head *head)
{
    struct refusal no;
    bool whole;

    if (!origin_check(c->owner.hosts, c->peer.port, head, &no) ||
        !request_reader_begin_body(&c->request, head, c->limits.body_bytes, &no)) {
        client_refuse(c, head, &no);
        return;
    }
    whole = request_reader_has_body(&c->request, &c->in);
    if (!c->handler->check(c->arg, head, &no)) {
        /* A body that is still to come would be read as the next request: close then. */
        if (!whole || !head->keep_alive) {
            client_refuse(c, head, &no);
            return;
        }
        request_reader_skip_body(&c->request);
        client_set(c, CLIENT_BUSY);
        c->handler->refused(c->arg, c, head, &no);
        return;
    }
    client_set(c, CLIENT_BODY);
    if (!whole && head->expect_continue && buf_len(&c->in) == c->request.head_len)
        client_continue(c);
    client_try_body(c, head);
}

static void client_try_head(struct client *c)
{
    struct http_head head;
    struct refusal no;

    if (c->state == CLIENT_IDLE)
        client_set(c, CLIENT_HEAD);
    switch (request_reader_head(&c->request, &c->in, c->limits.header_bytes, &head, &no)) {
    case REQUEST_REFUSED:
        client_refuse(c, NULL, &no);
        break;
    case REQUEST_HEAD:
        client_accept_head(c, &head);
        break;
    default:
        break;
    }
}

/* ---- its life ---- */

/* The running request and its answer are over: on to the next, or to the end. */
static void client_next(struct client *c)
{
    c->answered = false;
    if (c->close_after) {
        if (c->reset) {
            client_stream_reset(&c->stream);
            client_end(c, "its answer was cut off");
            return;
        }
        if (c->eof) {
            client_end(c, "answered after its half-close");
            return;
        }
        client_stream_finish(&c->stream);
        buf_reset(&c->in, 0);
        client_upload_ends(c);
        client_set(c, CLIENT_LINGER);
        client_reading(c, true);
        return;
    }
    buf_consume(&c->in, c->request.len);
    c->request = (struct request_reader){0};
    client_set(c, CLIENT_IDLE);
    if (buf_len(&c->in) == 0) {
        buf_reset(&c->in, CLIENT_KEEP);
        client_upload_ends(c);
        buf_reset(&c->out, CLIENT_KEEP);
        if (c->eof) {
            client_end(c, "closed between requests");
            return;
        }
        client_reading(c, true);
        return;
    }
    client_reading(c, !c->eof);
    client_try_head(c);
    if (c->eof && c->state != CLIENT_BUSY)
        client_end(c, "closed within a request");
}

/* End of the turn: write what there is, then go on if the answer is through. */
static void client_advance(struct client *c)
{
    while (buf_len(&c->out)) {
        ssize_t n = client_stream_send(&c->stream, &c->out);

        if (n == -EAGAIN) {
            (void)event_add(&c->writable, NULL);
            if (!loop_timer_armed(&c->write_timer)) {
                loop_timer_set(&c->write_timer, c->limits.write_timeout_us);
                client_waits(c, true);
            }
            break;
        }
        if (n < 0) {
            client_end(c, "writing failed");
            return;
        }
        if (loop_timer_armed(&c->write_timer)) {
            loop_timer_clear(&c->write_timer);
            client_waits(c, c->state != CLIENT_BUSY);
        }
    }
    if (c->congested && buf_len(&c->out) <= CLIENT_OUT_LOW) {
        c->congested = false;
        if (c->exchange)
            c->handler->room(c->exchange);
    }
    if (c->answered && buf_len(&c->out) == 0)
        client_next(c);
}

static void client_hook(void *arg)
{
    client_advance(arg);
}

static void client_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    client_advance(arg);
}

static void client_on_eof(struct client *c)
{
    c->eof = true;
    client_reading(c, false);
    if (client_arrived(c))
        return;
    if (c->state == CLIENT_BUSY) {
        c->close_after = c->close_after || buf_len(&c->in) <= c->request.len;
        return;
    }
    client_end(c, c->state == CLIENT_IDLE     ? "closed between requests"
                  : c->state == CLIENT_LINGER ? "closed after its answer"
                                              : "closed within a request");
}

/* A request has begun. At the turn's end, when all that have are known and identified. */
static void client_go(void *arg, uint32_t uid)
{
    struct client *c = arg;

    c->uid_now = uid;
    c->identified = true;
    client_try_head(c);
    c->identified = false;
    if (c->eof)
        client_on_eof(c);
}

/* What the buffer will have after another read; false: the read has to wait. */
static bool client_may_read(struct client *c, size_t most)
{
    if (!c->owner.uploads || (buf_len(&c->in) + most <= UPLOAD_FREE && c->upload.held == 0) ||
        uploads_take(c->owner.uploads, &c->upload, buf_cap_for(&c->in, most)))
        return true;
    client_reading(c, false);
    return false;
}

static void client_upload_goes(void *arg)
{
    struct client *c = arg;

    client_reading(c, !c->eof);
}

static void client_upload_given_up(void *arg)
{
    struct client *c = arg;
    struct refusal no;

    refuse(&no, 503, "overloaded",
           "the bodies that are under way use up limits.memory; try again later");
    if (c->state == CLIENT_BODY)
        client_refuse_body(c, &no);
    else
        client_end(c, "its bytes used up the memory for bodies");
}

/* What is read while lingering is thrown away. */
static void client_discard(struct client *c)
{
    c->lingered += buf_len(&c->in);
    buf_reset(&c->in, CLIENT_KEEP);
    if (c->lingered > LINGER_BYTES)
        client_end(c, "kept sending after its answer");
}

/* True when the client has shown who it is. */
static bool client_shake(struct client *c)
{
    int r = client_stream_shake(&c->stream);

    if (r == 0 && tls_peer_name(c->stream.tls, c->peer.certificate, sizeof(c->peer.certificate))) {
        client_set(c, CLIENT_IDLE);
        return true;
    }
    if (r == -EAGAIN)
        return false;
    log_info("tls_refused", "address=%s why=\"%s\"", c->peer.address,
             r == 0 ? "the client's certificate has no usable name"
                    : client_stream_error(&c->stream));
    client_end(c, "no handshake");
    return false;
}

static void client_readable(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    size_t most = c->state == CLIENT_BODY ? CLIENT_READ_BODY : CLIENT_READ;
    ssize_t n;

    (void)fd;
    (void)what;
    if (c->state == CLIENT_SHAKE && !client_shake(c))
        return;
    if (!client_may_read(c, most))
        return;
    n = client_stream_recv(&c->stream, &c->in, most);
    if (n == -EAGAIN)
        return;
    /* Before anything else, because what follows may end the connection. */
    if (n > 0 && client_stream_pending(&c->stream))
        event_active(&c->readable, EV_READ, 0);
    if (n == 0) {
        client_on_eof(c);
        return;
    }
    if (n < 0) {
        client_end(c, n == -ENOBUFS ? "sent too much" : "reading failed");
        return;
    }
    switch (c->state) {
    case CLIENT_IDLE:
        if (c->owner.arrivals) {
            arrivals_add(c->owner.arrivals, &c->arrival, &c->peer, c->stream.fd);
            break;
        }
        client_try_head(c);
        break;
    case CLIENT_HEAD:
        client_try_head(c);
        break;
    case CLIENT_BODY:
        client_try_body(c, NULL);
        break;
    case CLIENT_BUSY:
        if (buf_len(&c->in) - c->request.len >= CLIENT_AHEAD)
            client_reading(c, false);
        break;
    case CLIENT_LINGER:
        client_discard(c);
        break;
    case CLIENT_SHAKE:
        break;
    }
}

static void client_late(void *arg)
{
    struct client *c = arg;
    struct refusal no;

    if (client_arrived(c))
        return; /* just in time; the next state has a timer of its own */
    if (c->state == CLIENT_HEAD) {
        refuse(&no, 408, "timeout", "the head did not arrive within %g s",
               (double)c->limits.header_timeout_us / 1e6);
        client_refuse(c, NULL, &no);
    } else if (c->state == CLIENT_BODY) {
        refuse(&no, 408, "timeout", "the body did not arrive within %g s",
               (double)c->limits.body_timeout_us / 1e6);
        client_refuse_body(c, &no);
    } else {
        client_end(c, c->state == CLIENT_IDLE    ? "idle"
                      : c->state == CLIENT_SHAKE ? "the handshake took too long"
                                                 : "lingered");
    }
}

static void client_stuck(void *arg)
{
    client_end(arg, "the client doesn't read its answer");
}

int client_new(struct client **out, struct loop *loop, int fd, const struct client_peer *peer,
               const struct client_limits *limits, const struct client_handler *handler, void *arg,
               const struct client_owner *owner)
{
    struct client *c = calloc(1, sizeof(*c));

    if (!c) {
        (void)close(fd);
        return -ENOMEM;
    }
    *c = (struct client){.loop = loop,
                         .peer = *peer,
                         .limits = *limits,
                         .handler = handler,
                         .arg = arg,
                         .owner = *owner,
                         .in = BUF_INIT_SECRET(limits->header_bytes + limits->body_bytes +
                                               CLIENT_AHEAD + CLIENT_READ_BODY),
                         .out = BUF_INIT(CLIENT_OUT_MAX)};
    if (client_stream_open(&c->stream, fd, peer->tls) < 0) {
        free(c);
        return -ENOMEM;
    }
    c->peer.tls = NULL;
    c->link.client = c;
    c->arrival = (struct arrival){.go = client_go, .arg = c};
    c->turn = (struct turn){.go = client_turn, .arg = c};
    c->upload =
        (struct upload){.go = client_upload_goes, .give_up = client_upload_given_up, .arg = c};
    c->hook = (struct loop_hook){.run = client_hook, .arg = c};
    loop_timer_init(&c->timer, loop, client_late, c);
    loop_timer_init(&c->write_timer, loop, client_stuck, c);
    (void)event_assign(&c->readable, loop_base(loop), fd, EV_READ | EV_PERSIST, client_readable, c);
    (void)event_assign(&c->writable, loop_base(loop), fd, EV_WRITE, client_writable, c);
    client_reading(c, true);
    client_set(c, c->stream.tls ? CLIENT_SHAKE : CLIENT_IDLE);
    *out = c;
    return 0;
}

void client_free(struct client *c)
{
    void *exchange;

    if (!c)
        return;
    exchange = c->exchange;
    c->exchange = NULL;
    if (exchange)
        c->handler->gone(exchange);
    c->owner.closed(c->owner.arg, c);
    (void)event_del(&c->readable);
    (void)event_del(&c->writable);
    loop_cancel(c->loop, &c->hook);
    arrivals_drop(&c->arrival);
    if (c->owner.turns)
        turns_drop(c->owner.turns, &c->turn);
    if (c->owner.uploads)
        uploads_give(c->owner.uploads, &c->upload, 0);
    loop_timer_deinit(&c->timer);
    loop_timer_deinit(&c->write_timer);
    client_stream_close(&c->stream);
    buf_deinit(&c->in);
    buf_deinit(&c->out);
    free(c);
}

void client_turn_away(struct client *c, const struct refusal *why)
{
    if (c->state == CLIENT_SHAKE) {
        client_end(c, "one too many");
        return;
    }
    client_reading(c, false);
    client_refuse(c, NULL, why);
}

void client_drain(struct client *c)
{
    c->close_after = true;
    if (client_arrived(c))
        return;
    if (c->state == CLIENT_IDLE || c->state == CLIENT_SHAKE)
        client_end(c, "draining");
}

bool client_arrived(const struct client *c)
{
    return arrivals_has(&c->arrival);
}

struct client_link *client_link(struct client *c)
{
    return &c->link;
}

void client_attach(struct client *c, void *exchange)
{
    c->exchange = exchange;
}

const struct client_peer *client_peer(const struct client *c)
{
    return &c->peer;
}

uint32_t client_uid(struct client *c)
{
    return c->identified ? c->uid_now : peer_uid(&c->peer, c->stream.fd);
}

int client_unix_socket(const struct client *c)
{
    return strcmp(c->peer.via, "unix") == 0 ? c->stream.fd : -1;
}

struct slice client_body(const struct client *c)
{
    if (c->request.body_len == 0)
        return SLICE_NULL;
    return slice_of(c->in.data + c->in.head + c->request.head_len, c->request.body_len);
}

bool client_closing(const struct client *c)
{
    return c->close_after;
}

struct buf *client_out(struct client *c)
{
    return &c->out;
}

void client_push(struct client *c)
{
    if (buf_len(&c->out) >= CLIENT_OUT_HIGH)
        c->congested = true;
    /* A full socket has its own event; asking again before it fires would be a wasted call. */
    if (!event_pending(&c->writable, EV_WRITE, NULL))
        loop_defer(c->loop, &c->hook);
}

bool client_congested(const struct client *c)
{
    return c->congested;
}

void client_cut(struct client *c)
{
    c->reset = true;
    client_answered(c, false);
}

void client_answered(struct client *c, bool keep_alive)
{
    c->exchange = NULL;
    c->answered = true;
    if (!keep_alive)
        c->close_after = true;
    if (!event_pending(&c->writable, EV_WRITE, NULL))
        loop_defer(c->loop, &c->hook);
}
