/*
 * The way to the API: one upstream server, a bounded pool of keep-alive connections to it (HTTP/2
 * where it speaks that) with a bounded, timed queue in front, TLS whose verification can't be
 * turned off, and the retry rule: once a byte of a request was handed to a connection, that request
 * is never sent again.
 *
 * These are the public functions of this room; resolve, dial, pool, conn (HTTP/1.1) and h2_conn
 * (HTTP/2) are behind it.
 */
#ifndef CENTION_PROXY_UPSTREAM_UPSTREAM_H
#define CENTION_PROXY_UPSTREAM_UPSTREAM_H

#include "base/buf.h"
#include "base/err.h"
#include "base/loop.h"
#include "http/http_parse.h"
#include "wall/wire.h"

struct upstream_conf {
    const char *url;     /* https://host[:port]; http:// only to a loopback address or localhost */
    const char *ca_file; /* "" for the system's store */
    const char *proxy;   /* "" or http://host[:port]: reached by CONNECT */
    uint64_t connect_timeout_us;  /* name, TCP, CONNECT and TLS together, for one attempt */
    uint64_t response_timeout_us; /* until the answer's head, then between reads of its body */
    uint64_t queue_timeout_us;
    uint64_t idle_timeout_us; /* a pooled connection older than this unused is closed */
    unsigned max_connections;
    unsigned queue;    /* calls that may wait for a connection */
    bool http2;        /* offer HTTP/2 in the TLS handshake; many calls then share a connection */
    size_t head_bytes; /* the longest answer head */
};

enum upstream_failure {
    UPSTREAM_UNREACHABLE, /* no connection: name, TCP, CONNECT, TLS (with its reason) */
    UPSTREAM_BROKEN,      /* closed early, or an answer that can't be understood */
    UPSTREAM_TIMEOUT,
    UPSTREAM_OVERLOADED, /* the queue is full, or the wait in it was too long */
    UPSTREAM_CLOSING,    /* upstream_close was called */
    UPSTREAM_UNENDED,    /* as BROKEN: only the connection's end ends the answer, and it had no
                            close_notify, so somebody may have cut it off (RFC 9112, 9.8) */
};

struct upstream;
struct upstream_call;

struct upstream_events {
    /* The final answer's head (1xx swallowed). Slices are valid during the call only. */
    void (*head)(void *arg, const struct http_head *head);
    /* A piece of the decoded body; valid during the call. */
    void (*body)(void *arg, const char *data, size_t len);
    /* The answer is complete. The call is gone when this returns. */
    void (*end)(void *arg);
    /* No (more) answer will come; `sent` is final. The call is gone when this returns. */
    void (*failed)(void *arg, enum upstream_failure why, enum wire_sent sent, const char *text);
};

struct upstream_counters {
    uint64_t connections, handshakes, resumed, reused, retries, failures;
    unsigned open, idle, queued; /* now */
};

/* Reads the CA store and checks the configuration; connects to nothing yet. Copies conf. */
int upstream_new(struct upstream **out, struct loop *loop, const struct upstream_conf *conf,
                 struct err *err) MUST_CHECK;

/*
 * Takes no new calls (they fail with UPSTREAM_CLOSING), lets running ones finish, closes idle
 * connections. upstream_free ends what is still running without any callback. NULL is allowed.
 */
void upstream_close(struct upstream *u);
void upstream_free(struct upstream *u);

/* The value for Host: host, with the port when it isn't the scheme's own. */
struct slice upstream_host(const struct upstream *u);

/*
 * Sends one complete request, in HTTP/1.1's words whatever the upstream speaks (head and body in
 * `request`, whose bytes are taken over: *request is left empty; the bytes are wiped once they were
 * sent). Events come later, never from within this call. `changes`: the request changes something,
 * so a pooled connection is used only when it was just seen clean, and nothing is sent twice.
 * `user` is any number for whoever asks: users take turns where calls wait. -ENOMEM, or 0 with *out
 * set.
 */
int upstream_call(struct upstream *u, struct buf *request, uint64_t user,
                  const struct upstream_events *events, void *arg,
                  struct upstream_call **out) MUST_CHECK;

/*
 * True when a call of this user made now would neither find a connection nor a place in the queue.
 * In a full queue there is one for a user with fewer calls than others have: then the last one of
 * those fails.
 */
bool upstream_full(const struct upstream *u, uint64_t user);

/* Backpressure: between these no `body` or `end` comes and nothing is read. May be called from
 * within head and body; resume delivers later, never from within itself. */
void upstream_pause(struct upstream_call *call);
void upstream_resume(struct upstream_call *call);

/* How much was handed over so far. */
enum wire_sent upstream_sent(const struct upstream_call *call);

/* Ends the call without further events; its connection is closed if anything was sent on it, or in
 * HTTP/2 its stream is reset. */
void upstream_cancel(struct upstream_call *call);

void upstream_counters(const struct upstream *u, struct upstream_counters *out);

#endif
