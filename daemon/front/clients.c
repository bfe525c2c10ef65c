#include "front/clients.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CLIENTS_LISTENERS = 32,
    CLIENTS_SPARE = 64, /* connections past the limit that may be told so at a time */
};

struct clients {
    struct loop *loop;
    struct client_limits limits;
    unsigned max, count;
    const struct client_handler *handler;
    void *arg;
    struct peers *peers;
    struct client_link anchor;
    struct listener *listeners[CLIENTS_LISTENERS];
    unsigned n_listeners;
    void (*empty)(void *arg);
    void *empty_arg;
};

static void clients_rest(struct clients *s)
{
    for (unsigned i = 0; i < s->n_listeners; i++)
        listener_hold(s->listeners[i], s->count >= s->max + CLIENTS_SPARE);
}

static void clients_closed(void *arg, struct client *client)
{
    struct clients *s = arg;
    struct client_link *link = client_link(client);

    link->prev->next = link->next;
    link->next->prev = link->prev;
    s->count--;
    clients_rest(s);
    if (s->count == 0 && s->empty)
        s->empty(s->empty_arg);
}

static void clients_accepted(void *arg, int fd, const struct client_peer *from)
{
    struct clients *s = arg;
    struct client_peer peer = *from;
    struct client_owner owner = {clients_closed, s};
    struct client_link *link;
    struct client *client;
    struct refusal no;

    peer_identify(&peer, fd, s->peers);
    if (client_new(&client, s->loop, fd, &peer, &s->limits, s->handler, s->arg, &owner) < 0)
        return;
    link = client_link(client);
    link->next = &s->anchor;
    link->prev = s->anchor.prev;
    link->prev->next = link;
    s->anchor.prev = link;
    s->count++;
    if (s->count > s->max) {
        refuse(&no, 503, "overloaded", "there are already %u connections; try again later", s->max);
        client_turn_away(client, &no);
        clients_rest(s);
    }
}

int clients_new(struct clients **out, struct loop *loop, const struct client_limits *limits,
                unsigned max, const struct client_handler *handler, void *arg)
{
    struct clients *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    *s = (struct clients){
        .loop = loop, .limits = *limits, .max = max, .handler = handler, .arg = arg};
    s->anchor.next = s->anchor.prev = &s->anchor;
    *out = s;
    return 0;
}

void clients_identify(struct clients *s, struct peers *peers)
{
    s->peers = peers;
}

void clients_set(struct clients *s, const struct client_limits *limits, unsigned max)
{
    s->limits = *limits;
    s->max = max;
    clients_rest(s);
}

int clients_listen(struct clients *s, const struct listener_conf *conf, struct err *err)
{
    int r;

    if (s->n_listeners == CLIENTS_LISTENERS)
        return err_set(err, -E2BIG, "more than %d listeners", CLIENTS_LISTENERS);
    r = listener_open(&s->listeners[s->n_listeners], s->loop, conf, clients_accepted, s, err);
    if (r == 0)
        s->n_listeners++;
    return r;
}

int clients_adopt(struct clients *s, const char *name, int fd, struct err *err)
{
    int r;

    if (s->n_listeners == CLIENTS_LISTENERS) {
        (void)close(fd);
        return err_set(err, -E2BIG, "more than %d listeners", CLIENTS_LISTENERS);
    }
    r = listener_adopt(&s->listeners[s->n_listeners], s->loop, name, fd, clients_accepted, s, err);
    if (r == 0)
        s->n_listeners++;
    return r;
}

int clients_renew(struct clients *s, unsigned i, const struct listener_conf *conf, struct err *err)
{
    return i < s->n_listeners ? listener_renew(s->listeners[i], conf, err) : 0;
}

void clients_drain(struct clients *s, void (*empty)(void *arg), void *arg)
{
    struct client_link *link, *next;

    s->empty = empty;
    s->empty_arg = arg;
    while (s->n_listeners)
        listener_free(s->listeners[--s->n_listeners]);
    for (link = s->anchor.next; link != &s->anchor; link = next) {
        next = link->next;
        client_drain(link->client);
    }
}

unsigned clients_count(const struct clients *s)
{
    return s->count;
}

void clients_free(struct clients *s)
{
    if (!s)
        return;
    s->empty = NULL;
    while (s->n_listeners)
        listener_free(s->listeners[--s->n_listeners]);
    while (s->anchor.next != &s->anchor)
        client_free(s->anchor.next->client);
    free(s);
}
