/*
 * The HTTP/2 connections of a pool. The oldest is filled first, so that those which aren't needed
 * grow old and close.
 */
#ifndef CENTION_PROXY_UPSTREAM_H2_POOL_H
#define CENTION_PROXY_UPSTREAM_H2_POOL_H

#include "proxy/upstream/h2_conn.h"

struct h2_pool {
    struct h2_conn_link ring;
    unsigned n;
};

void h2_pool_init(struct h2_pool *all);
void h2_pool_add(struct h2_pool *all, struct h2_conn *m);
void h2_pool_remove(struct h2_pool *all, struct h2_conn *m);

unsigned h2_pool_opening(const struct h2_pool *all);
unsigned h2_pool_idle(const struct h2_pool *all);
unsigned h2_pool_calls(const struct h2_pool *all); /* that run */
unsigned h2_pool_room(const struct h2_pool *all);  /* for so many more */

/* Wakes as many as have room for n calls; at most so many will be taken as this says. */
unsigned h2_pool_wake(struct h2_pool *all, unsigned n);

void h2_pool_drain(struct h2_pool *all); /* h2_conn_drain for each */
void h2_pool_free(struct h2_pool *all);  /* h2_conn_free for each; their owner removes them */

#endif
