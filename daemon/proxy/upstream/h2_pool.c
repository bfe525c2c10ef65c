#include "proxy/upstream/h2_pool.h"

void h2_pool_init(struct h2_pool *all)
{
    all->ring.next = all->ring.prev = &all->ring;
    all->n = 0;
}

void h2_pool_add(struct h2_pool *all, struct h2_conn *m)
{
    struct h2_conn_link *l = h2_conn_link(m);

    l->next = &all->ring;
    l->prev = all->ring.prev;
    l->prev->next = l;
    all->ring.prev = l;
    all->n++;
}

void h2_pool_remove(struct h2_pool *all, struct h2_conn *m)
{
    struct h2_conn_link *l = h2_conn_link(m);

    l->prev->next = l->next;
    l->next->prev = l->prev;
    all->n--;
}

unsigned h2_pool_opening(const struct h2_pool *all)
{
    unsigned n = 0;

    for (const struct h2_conn_link *l = all->ring.next; l != &all->ring; l = l->next)
        n += h2_conn_opening(l->h2_conn);
    return n;
}

unsigned h2_pool_idle(const struct h2_pool *all)
{
    unsigned n = 0;

    for (const struct h2_conn_link *l = all->ring.next; l != &all->ring; l = l->next)
        n += !h2_conn_opening(l->h2_conn) && h2_conn_calls(l->h2_conn) == 0;
    return n;
}

unsigned h2_pool_calls(const struct h2_pool *all)
{
    unsigned n = 0;

    for (const struct h2_conn_link *l = all->ring.next; l != &all->ring; l = l->next)
        n += h2_conn_calls(l->h2_conn);
    return n;
}

unsigned h2_pool_room(const struct h2_pool *all)
{
    unsigned n = 0;

    for (const struct h2_conn_link *l = all->ring.next; l != &all->ring; l = l->next)
        n += h2_conn_room(l->h2_conn);
    return n;
}

unsigned h2_pool_wake(struct h2_pool *all, unsigned n)
{
    unsigned room = 0;

    for (struct h2_conn_link *l = all->ring.next, *next; l != &all->ring && room < n; l = next) {
        next = l->next; /* one that is too old may leave now */
        room += h2_conn_wake(l->h2_conn);
    }
    return room;
}

void h2_pool_drain(struct h2_pool *all)
{
    for (struct h2_conn_link *l = all->ring.next, *next; l != &all->ring; l = next) {
        next = l->next;
        h2_conn_drain(l->h2_conn);
    }
}

void h2_pool_free(struct h2_pool *all)
{
    while (all->ring.next != &all->ring)
        h2_conn_free(all->ring.next->h2_conn);
}
