/*
 * The head is parsed when it becomes complete, for the framing, and once more when the body is
 * complete, because the bytes may have moved meanwhile; a request that came in one piece, as
 * nearly all do, is parsed once.
 */
#include "proxy/front/client_parts.h"

void client_refuse(struct client *c, const struct http_head *head, const struct refusal *why)
{
    c->close_after = true;
    client_set(c, CLIENT_BUSY);
    c->handler->refused(c->arg, c, head, why);
}

/* The head that stands complete at the start of the input, parsed again. */
static bool client_head_again(struct client *c, struct http_head *head)
{
    struct http_progress progress = {0};
    const char *why;

    return http_request_parse(c->in.data + c->in.head, c->head_len, &progress, head, &why) ==
           HTTP_DONE;
}

void client_refuse_body(struct client *c, const struct refusal *why)
{
    struct http_head head;

    client_refuse(c, client_head_again(c, &head) ? &head : NULL, why);
}

/* True when the body is complete; request_len is set then. Refuses by itself. */
static bool client_read_body(struct client *c)
{
    size_t have = buf_len(&c->in), at = c->head_len + c->body_len, fresh, surplus = 0;
    struct refusal no;
    const char *why = NULL;
    enum http_result r;

    if (c->framing != HTTP_CHUNKED) {
        c->body_len = c->wanted;
        c->request_len = c->head_len + c->wanted;
        return have >= c->request_len;
    }
    fresh = have - at;
    r = http_chunked_decode(&c->chunked, c->in.data + c->in.head + at, &fresh, &surplus, &why);
    c->body_len += fresh;
    if (r == HTTP_BAD) {
        refuse(&no, 400, "bad_request", "the chunked body is malformed: %s", why);
    } else if (c->body_len > c->limits.body_bytes) {
        refuse(&no, 413, "too_large", "the body is larger than the limit of %zu bytes",
               c->limits.body_bytes);
    } else {
        c->request_len = r == HTTP_DONE ? have - surplus : 0;
        if (r == HTTP_PARTIAL)
            c->in.tail = c->in.head + c->head_len + c->body_len;
        return r == HTTP_DONE;
    }
    client_refuse_body(c, &no);
    return false;
}

static void client_deliver(struct client *c, const struct http_head *head)
{
    client_set(c, CLIENT_BUSY);
    if (!head->keep_alive)
        c->close_after = true;
    c->handler->request(c->arg, c, head, client_body(c));
}

static void client_go_on(struct client *c, const struct http_head *parsed)
{
    struct http_head again;

    if (!client_read_body(c))
        return;
    if (!parsed) {
        if (!client_head_again(c, &again)) {
            client_end(c, "a head changed under way");
            return;
        }
        parsed = &again;
    }
    client_deliver(c, parsed);
}

void client_try_body(struct client *c)
{
    client_go_on(c, NULL);
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
    bool whole = head->framing == HTTP_NO_BODY;
    struct refusal no;

    if (!origin_check(c->owner.hosts, c->peer.port, head, &no)) {
        client_refuse(c, head, &no);
        return;
    }
    c->head_len = head->head_len;
    c->framing = head->framing;
    c->wanted = head->framing == HTTP_LENGTH ? (size_t)head->content_length : 0;
    c->body_len = 0;
    c->chunked = (struct http_chunked){0};
    if (head->framing == HTTP_LENGTH && head->content_length > c->limits.body_bytes) {
        refuse(&no, 413, "too_large", "the body of %llu bytes is larger than the limit of %zu",
               (unsigned long long)head->content_length, c->limits.body_bytes);
        c->wanted = 0;
        client_refuse(c, head, &no);
        return;
    }
    whole = whole || (head->framing == HTTP_LENGTH && buf_len(&c->in) >= c->head_len + c->wanted);
    if (!c->handler->check(c->arg, head, &no)) {
        /* A body that is still to come would be read as the next request: close then. */
        if (whole && head->keep_alive) {
            c->body_len = c->wanted;
            c->request_len = c->head_len + c->wanted;
            client_set(c, CLIENT_BUSY);
            c->handler->refused(c->arg, c, head, &no);
        } else {
            client_refuse(c, head, &no);
        }
        return;
    }
    client_set(c, CLIENT_BODY);
    if (!whole && head->expect_continue && buf_len(&c->in) == c->head_len)
        client_continue(c);
    client_go_on(c, head);
}

void client_try_head(struct client *c)
{
    struct http_head head;
    struct refusal no;
    const char *why = NULL;
    enum http_result r;

    if (c->state == CLIENT_IDLE)
        client_set(c, CLIENT_HEAD);
    r = http_request_parse(c->in.data + c->in.head, buf_len(&c->in), &c->progress, &head, &why);
    if ((r == HTTP_PARTIAL && buf_len(&c->in) >= c->limits.header_bytes) ||
        (r == HTTP_DONE && head.head_len > c->limits.header_bytes)) {
        refuse(&no, 431, "headers_too_large", "the head is larger than the limit of %zu bytes",
               c->limits.header_bytes);
        client_refuse(c, NULL, &no);
    } else if (r == HTTP_BAD) {
        refuse(&no, 400, "bad_request", "%s", why);
        client_refuse(c, NULL, &no);
    } else if (r == HTTP_DONE) {
        client_accept_head(c, &head);
    }
}
