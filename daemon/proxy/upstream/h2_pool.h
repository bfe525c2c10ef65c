/*
 * The HTTP/2 connections of a pool. The oldest is filled first, so that those which aren't needed
 * grow old and close.
 */
#ifndef CENTION_PROXY_UPSTREAM_H2_POOL_H
#define CENTION_PROXY_UPSTREAM_H2_POOL_H

#include "proxy/upstream/h2_conn.h"

struct multis {
    struct multi_link ring;
    unsigned n;
};

void multis_init(struct multis *all);
void multis_add(struct multis *all, struct multi *m);
void multis_remove(struct multis *all, struct multi *m);

unsigned multis_opening(const struct multis *all);
unsigned multis_idle(const struct multis *all);
unsigned multis_calls(const struct multis *all); /* that run */
unsigned multis_room(const struct multis *all);  /* for so many more */

/* Wakes as many as have room for n calls; at most so many will be taken as this says. */
unsigned multis_wake(struct multis *all, unsigned n);

void multis_leave(struct multis *all); /* multi_leave for each */
void multis_free(struct multis *all);  /* multi_free for each; their owner removes them */

#endif
