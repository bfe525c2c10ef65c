/*
 * One client connection: bytes in, whole requests out, answers back in order. It owns the limits
 * and the timers of the client's side, and knows nothing about what a request means: a handler
 * decides that. What it read is wiped when the request is over: it may hold a client's token.
 *
 *   TLS connections begin with SHAKE, under the header timer; no name in the certificate ends them.
 *
 *            first byte          head complete        body complete
 *   IDLE ----------------> HEAD ---------------> BODY ---------------> BUSY
 *    ^   idle timer         | header timer        | body timer          | (write timer)
 *    |                      +------- refused -----+-------------------> |
 *    +---- answered, keep-alive, output drained ------------------------+
 *                                                                       | answered, to be closed
 *          gone <---- end of stream or linger timer ---- LINGER <-------+
 */
#ifndef CENTION_PROXY_FRONT_CLIENT_H
#define CENTION_PROXY_FRONT_CLIENT_H

#include "base/buf.h"
#include "base/loop.h"
#include "http/http_parse.h"
#include "proxy/front/arrivals.h"
#include "proxy/front/origin.h"
#include "proxy/front/peer.h"
#include "proxy/front/refusal.h"
#include "proxy/front/turns.h"
#include "proxy/front/uploads.h"

struct client_limits {
    size_t header_bytes;
    size_t body_bytes;
    uint64_t header_timeout_us; /* from a head's first byte to its last */
    uint64_t body_timeout_us;   /* from the head to the body's last byte */
    uint64_t idle_timeout_us;   /* between requests */
    uint64_t write_timeout_us;  /* without progress of the output */
};

struct client;

struct client_handler {
    /*
     * A head is there, its body not yet. Fills *why and returns false to refuse. `head` is valid
     * during the call.
     */
    bool (*check)(void *arg, const struct http_head *head, struct refusal *why);
    /* A whole request; the handler answers it with the functions below, now or later. */
    void (*request)(void *arg, struct client *client, const struct http_head *head,
                    struct slice body);
    /*
     * A request that can't be or was not accepted, to be answered with *why. `head` is NULL when
     * there is no well-formed one.
     */
    void (*refused)(void *arg, struct client *client, const struct http_head *head,
                    const struct refusal *why);
    /* The output has room again after client_congested was true. */
    void (*room)(void *exchange);
    /* The connection is gone while `exchange` was attached. */
    void (*gone)(void *exchange);
};

/* Whoever keeps the set of connections. */
struct client_owner {
    void (*closed)(void *arg, struct client *client); /* its memory goes right after */
    void *arg;
    /*
     * It is the client's turn from now on (to send a whole request, to read its answer or to
     * close), or no longer; called first from within client_new. Bytes of a request that is not
     * whole don't count as progress, bytes of an answer that are read do. May be NULL.
     */
    void (*waits)(void *arg, struct client *client, bool for_client);
    const struct origin_hosts *hosts; /* that are served; lives as long as the client */
    struct arrivals *arrivals;        /* as well. NULL: each request goes on at once */
    struct turns *turns;              /* as well. NULL: a whole request never waits */
    struct uploads *uploads;          /* as well. NULL: bodies are not counted */
};

/* A place in the owner's list. */
struct client_link {
    struct client *client;
    struct client_link *next, *prev;
    uint64_t since; /* when the owner put it there */
    void *holder;   /* the owner's own */
};

/* Takes over fd (closed on failure too). -ENOMEM. */
int client_new(struct client **out, struct loop *loop, int fd, const struct client_peer *peer,
               const struct client_limits *limits, const struct client_handler *handler, void *arg,
               const struct client_owner *owner) MUST_CHECK;

struct client_link *client_link(struct client *client);

/* Whether a request's first bytes came in this turn: then it isn't idle. */
bool client_arrived(const struct client *client);

/* Ends the connection at once; an attached exchange hears `gone`. NULL is allowed. */
void client_free(struct client *client);

/*
 * A connection that is one too many: nothing is read, the handler's `refused` is called with
 * *why, and after its answer the connection is closed.
 */
void client_turn_away(struct client *client, const struct refusal *why);

/* Closes it when it is between requests; else after the answer that is under way. */
void client_drain(struct client *client);

/* Whoever answers attaches itself to hear `room` and `gone`; NULL detaches. */
void client_attach(struct client *client, void *exchange);

const struct client_peer *client_peer(const struct client *client);

/* A number for whoever sends on it: the uid, or where that isn't known one of the connection's own.
 */
static inline uint64_t client_user(const struct client *client, uint32_t uid)
{
    return uid != PEER_UID_UNKNOWN ? uid : UINT64_C(1) << 63 | (uintptr_t)client;
}

/* The peer's uid as it is known now (peer_uid): asked before each record and signature. */
uint32_t client_uid(struct client *client);

/* The accepted connection of a Unix socket's client, still the client's; -1 for any other. */
int client_unix_socket(const struct client *client);

/* The running request's body; the bytes may move whenever the loop runs. */
struct slice client_body(const struct client *client);

/* True when the connection has to be closed after the running answer, whatever its head says. */
bool client_closing(const struct client *client);

/* Where the answer's bytes go; client_push has them written at the end of the turn. */
struct buf *client_out(struct client *client);
void client_push(struct client *client);

/* True while so much output waits that no more should be added. */
bool client_congested(const struct client *client);

/* The answer is complete. The exchange is detached. */
void client_answered(struct client *client, bool keep_alive);

/* It will never be: what is here of it leaves, then the connection is reset. The same otherwise. */
void client_cut(struct client *client);

enum {
    CLIENT_OUT_HIGH = 256 * 1024, /* congested above */
    CLIENT_OUT_LOW = 64 * 1024,   /* room again below */
    CLIENT_OUT_MAX = 1024 * 1024,
};

#endif
