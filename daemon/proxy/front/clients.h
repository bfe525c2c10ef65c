/*
 * The connections of one entrance (the API, or the administrator's): how many there may be, who
 * makes room when there are too many, and how they all end.
 */
#ifndef CENTION_PROXY_FRONT_CLIENTS_H
#define CENTION_PROXY_FRONT_CLIENTS_H

#include "proxy/front/listener.h"

#include <stdatomic.h>

struct clients;

int clients_new(struct clients **out, struct loop *loop, const struct client_limits *limits,
                unsigned max, const struct client_handler *handler, void *arg) MUST_CHECK;

/* Ends all connections at once, and frees the listeners. NULL is allowed. */
void clients_free(struct clients *clients);

/* Connections that come from now on are identified with `peers` (borrowed; NULL: with less). */
void clients_identify(struct clients *clients, struct peers *peers);

/* Whole requests wait in `turns` (borrowed) while it doesn't take them in. Before the listeners. */
void clients_turns(struct clients *clients, struct turns *turns);

/* Their bodies come out of that budget (borrowed). Before the listeners. */
void clients_uploads(struct clients *clients, struct uploads *uploads);

/* For connections that come from now on. */
void clients_set(struct clients *clients, const struct client_limits *limits, unsigned max);

/* The hosts that are served, copied; for all requests from now on. None before the first call. */
void clients_hosts(struct clients *clients, const struct origin_hosts *hosts);

/*
 * Listens, or takes over an inherited socket. For a new connection past `max`, and when the process
 * has no descriptor left, one is closed whose client let us wait (100 ms at least) for a whole
 * request, for reading its answer, or for closing: of the user (uid) with the most connections, so
 * that nobody can have those of others closed, the one that let us wait longest. For one that waits
 * for less there may be 64 connections too many meanwhile. Where all are busy, the new one is
 * answered 503 `overloaded`; past some more the listeners rest until one can go.
 */
int clients_listen(struct clients *clients, const struct listener_conf *conf,
                   struct err *err) MUST_CHECK;
int clients_adopt(struct clients *clients, const char *name, int fd, struct err *err) MUST_CHECK;

/* What the connections of several loops have in common. */
struct clients_shared {
    atomic_uint count; /* of all */
    unsigned loops;
};

/*
 * For one of several loops: the listeners of `first` are listened to here, too, with the TLS files
 * of conf[i]. New connections go to loops that have no more than the average, unless those are
 * busy. Each has its own `max`, and makes room for what it took among its own.
 */
int clients_share(struct clients *clients, struct clients *first, const struct listener_conf *conf,
                  struct clients_shared *shared, struct err *err) MUST_CHECK;

/* listener_renew for the listener that was made as number i by clients_listen. */
int clients_renew(struct clients *clients, unsigned i, const struct listener_conf *conf,
                  struct err *err) MUST_CHECK;

/*
 * Stops listening; connections between requests end, others after their answer. `empty` is called
 * whenever the last one has ended, perhaps from within this call.
 */
void clients_drain(struct clients *clients, void (*empty)(void *arg), void *arg);

unsigned clients_count(const struct clients *clients);

/* How many were ever accepted. */
uint64_t clients_accepts(const struct clients *clients);

/* How many were closed to make room. */
uint64_t clients_displaced(const struct clients *clients);

#endif
