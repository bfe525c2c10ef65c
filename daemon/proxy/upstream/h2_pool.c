#include "proxy/upstream/h2_pool.h"

void multis_init(struct multis *all)
{
    all->ring.next = all->ring.prev = &all->ring;
    all->n = 0;
}

void multis_add(struct multis *all, struct multi *m)
{
    struct multi_link *l = multi_link(m);

    l->next = &all->ring;
    l->prev = all->ring.prev;
    l->prev->next = l;
    all->ring.prev = l;
    all->n++;
}

void multis_remove(struct multis *all, struct multi *m)
{
    struct multi_link *l = multi_link(m);

    l->prev->next = l->next;
    l->next->prev = l->prev;
    all->n--;
}

unsigned multis_opening(const struct multis *all)
{
    unsigned n = 0;

    for (const struct multi_link *l = all->ring.next; l != &all->ring; l = l->next)
        n += multi_opening(l->multi);
    return n;
}

unsigned multis_idle(const struct multis *all)
{
    unsigned n = 0;

    for (const struct multi_link *l = all->ring.next; l != &all->ring; l = l->next)
        n += !multi_opening(l->multi) && multi_calls(l->multi) == 0;
    return n;
}

unsigned multis_calls(const struct multis *all)
{
    unsigned n = 0;

    for (const struct multi_link *l = all->ring.next; l != &all->ring; l = l->next)
        n += multi_calls(l->multi);
    return n;
}

unsigned multis_room(const struct multis *all)
{
    unsigned n = 0;

    for (const struct multi_link *l = all->ring.next; l != &all->ring; l = l->next)
        n += multi_room(l->multi);
    return n;
}

unsigned multis_wake(struct multis *all, unsigned n)
{
    unsigned room = 0;

    for (struct multi_link *l = all->ring.next, *next; l != &all->ring && room < n; l = next) {
        next = l->next; /* one that is too old may leave now */
        room += multi_wake(l->multi);
    }
    return room;
}

void multis_leave(struct multis *all)
{
    for (struct multi_link *l = all->ring.next, *next; l != &all->ring; l = next) {
        next = l->next;
        multi_leave(l->multi);
    }
}

void multis_free(struct multis *all)
{
    while (all->ring.next != &all->ring)
        multi_free(all->ring.next->multi);
}
