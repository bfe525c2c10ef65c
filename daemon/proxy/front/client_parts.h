/*
 * What the two halves of a client share: client.c (its life, its timers, its output) and
 * client_input.c (from bytes to requests). Nobody else includes it.
 */
#ifndef CENTION_PROXY_FRONT_CLIENT_PARTS_H
#define CENTION_PROXY_FRONT_CLIENT_PARTS_H

#include "http/http_chunked.h"
#include "proxy/front/client.h"
#include "proxy/front/client_stream.h"

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
    struct http_progress progress;
    struct http_chunked chunked;
    enum http_framing framing;
    size_t head_len, body_len; /* of the running request; body after decoding */
    size_t wanted;             /* content_length, for HTTP_LENGTH */
    size_t request_len;        /* all its bytes in `in`, once it is complete */
    size_t lingered;
    bool eof, close_after, answered, congested, reading;
    bool identified; /* uid_now is the peer's, of this turn */
    uint32_t uid_now;
    struct arrival arrival;
    struct event readable, writable;
    struct loop_hook hook;
    struct loop_timer timer;       /* of the state */
    struct loop_timer write_timer; /* while output waits */
};

/* ---- client.c ---- */

/* Enters a state: its timer, and whose turn it is. */
void client_set(struct client *c, enum client_state state);

/* The one way a connection ends. */
void client_end(struct client *c, const char *why);

/* ---- client_input.c ---- */

/* Hands the running request over as refused; the connection closes after the answer. */
void client_refuse(struct client *c, const struct http_head *head, const struct refusal *why);

/* The same in the middle of a body. */
void client_refuse_body(struct client *c, const struct refusal *why);

/* Goes on with a head, or a body, with all that was read: until more is needed or it is handed
 * over. */
void client_try_head(struct client *c);
void client_try_body(struct client *c);

#endif
