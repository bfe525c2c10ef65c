#include "proxy/front/clients.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CLIENTS_LISTENERS = 32,
    CLIENTS_SPARE = 64, /* past the limit until others were patient for PATIENCE_US; and again as
                           many that are being answered 503 */
    CLIENTS_FEW = 8,    /* a user with this part of `max` finds room past it when all are busy */
    PATIENCE_US = 100000,
    STARVED_CLOSE = 8, /* closed at once when descriptors run out, so that the upstream has some */
    TELL_US = 1000000, /* one line in the log for what made room within this time */
};

/* Whose connections they are, as it was at accept; all whose uid isn't known are one. */
struct holder {
    struct holder *next;
    uint32_t uid;
    unsigned count;
};

struct clients {
    struct loop *loop;
    struct client_limits limits;
    unsigned max, count;
    struct clients_shared *shared; /* NULL: this is the only loop */
    uint64_t accepts;
    const struct client_handler *handler;
    void *arg;
    struct peers *peers;
    struct arrivals *arrivals;
    struct turns *turns;
    struct uploads *uploads;
    struct client_link waiting; /* anchor: it is the client's turn, the longest first */
    struct client_link busy;    /* anchor: all others */
    struct origin_hosts hosts;
    struct holder *holders;
    uint64_t displaced, logged, logged_at;
    uint64_t looked;        /* displaced when all_active was last decided */
    struct loop_timer rest; /* looks for connections to close while there are more than max */
    bool all_active;        /* it found nobody */
    struct listener *listeners[CLIENTS_LISTENERS];
    unsigned n_listeners;
    void (*empty)(void *arg);
    void *empty_arg;
};

static void clients_add(struct clients *s, int n)
{
    s->count += (unsigned)n;
    if (s->shared)
        (void)atomic_fetch_add_explicit(&s->shared->count, (unsigned)n, memory_order_relaxed);
}

static void link_out(struct client_link *link)
{
    if (!link->next)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
}

/* The client goes to the end of its list. */
static void clients_waits(void *arg, struct client *client, bool for_client)
{
    struct clients *s = arg;
    struct client_link *link = client_link(client), *anchor = for_client ? &s->waiting : &s->busy;

    link_out(link);
    link->next = anchor;
    link->prev = anchor->prev;
    link->prev->next = link;
    anchor->prev = link;
    if (for_client)
        link->since = loop_time(s->loop);
}

static struct holder *holder_of(struct clients *s, uint32_t uid)
{
    struct holder *h = s->holders;

    while (h && h->uid != uid)
        h = h->next;
    if (h)
        return h;
    h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    *h = (struct holder){.next = s->holders, .uid = uid};
    s->holders = h;
    return h;
}

static void holder_leave(struct clients *s, struct holder *h)
{
    struct holder **at = &s->holders;

    if (!h || --h->count > 0)
        return;
    while (*at != h)
        at = &(*at)->next;
    *at = h->next;
    free(h);
}

static unsigned held(const struct client_link *link)
{
    const struct holder *h = link->holder;

    return h ? h->count : 0;
}

/*
 * Closes a connection whose client keeps us waiting: of the user with the most connections, the one
 * that does so longest. False when there is none.
 */
static bool clients_displace(struct clients *s)
{
    struct client_link *link = NULL;
    uint64_t now = loop_now();

    for (struct client_link *one = s->waiting.next; one != &s->waiting; one = one->next)
        if (!client_arrived(one->client) && (!link || held(one) > held(link)))
            link = one;
    if (!link || now - link->since < PATIENCE_US)
        return false;
    s->displaced++;
    if (now - s->logged_at >= TELL_US) {
        log_warning("connections_full", "connections=%u limit=%u displaced=%llu", s->count, s->max,
                    (unsigned long long)(s->displaced - s->logged));
        s->logged = s->displaced;
        s->logged_at = now;
    }
    client_free(link->client);
    return true;
}

static void clients_rest(struct clients *s)
{
    unsigned spare = s->all_active ? 2 * CLIENTS_SPARE : CLIENTS_SPARE;

    for (unsigned i = 0; i < s->n_listeners; i++)
        listener_hold(s->listeners[i], s->count >= s->max + spare);
    if (s->count > s->max && !loop_timer_armed(&s->rest))
        loop_timer_set(&s->rest, PATIENCE_US);
}

static void clients_rested(void *arg)
{
    struct clients *s = arg;

    while (s->count > s->max && clients_displace(s))
        ;
    s->all_active = s->count > s->max && s->displaced == s->looked;
    s->looked = s->displaced;
    clients_rest(s);
}

static bool clients_starved(void *arg)
{
    bool room = false;

    for (unsigned i = 0; i < STARVED_CLOSE && clients_displace(arg); i++)
        room = true;
    return room;
}

static void clients_closed(void *arg, struct client *client)
{
    struct clients *s = arg;

    link_out(client_link(client));
    holder_leave(s, client_link(client)->holder);
    clients_add(s, -1);
    clients_rest(s);
    if (s->count == 0 && s->empty)
        s->empty(s->empty_arg);
}

static void clients_accepted(void *arg, int fd, const struct client_peer *from)
{
    struct clients *s = arg;
    struct client_peer peer = *from;
    struct client_owner owner = {clients_closed, s,        clients_waits, &s->hosts,
                                 s->arrivals,    s->turns, s->uploads};
    struct client *client;
    struct holder *holder;
    struct refusal no;

    while (s->count >= s->max && clients_displace(s))
        ;
    peer_identify(&peer, fd, s->peers);
    if (client_new(&client, s->loop, fd, &peer, &s->limits, s->handler, s->arg, &owner) < 0)
        return;
    s->accepts++;
    clients_add(s, 1);
    holder = holder_of(s, peer.uid);
    client_link(client)->holder = holder;
    if (holder)
        holder->count++;
    if (s->count <= s->max)
        return;
    /* A client that only just began to keep us waiting may go on in a moment. */
    if ((s->all_active || s->waiting.next == client_link(client)) &&
        held(client_link(client)) > s->max / CLIENTS_FEW) {
        refuse(&no, 503, "overloaded", "there are already %u connections; try again later", s->max);
        client_turn_away(client, &no);
    }
    clients_rest(s);
}

int clients_new(struct clients **out, struct loop *loop, const struct client_limits *limits,
                unsigned max, const struct client_handler *handler, void *arg)
{
    struct clients *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    *s = (struct clients){
        .loop = loop, .limits = *limits, .max = max, .handler = handler, .arg = arg};
    if (arrivals_new(&s->arrivals, loop) < 0) {
        free(s);
        return -ENOMEM;
    }
    s->waiting.next = s->waiting.prev = &s->waiting;
    s->busy.next = s->busy.prev = &s->busy;
    loop_timer_init(&s->rest, loop, clients_rested, s);
    *out = s;
    return 0;
}

void clients_identify(struct clients *s, struct peers *peers)
{
    s->peers = peers;
}

void clients_turns(struct clients *s, struct turns *turns)
{
    s->turns = turns;
}

void clients_uploads(struct clients *s, struct uploads *uploads)
{
    s->uploads = uploads;
}

void clients_set(struct clients *s, const struct client_limits *limits, unsigned max)
{
    s->limits = *limits;
    s->max = max;
    clients_rest(s);
}

void clients_hosts(struct clients *s, const struct origin_hosts *hosts)
{
    s->hosts = *hosts;
}

/* More than the average. */
static bool clients_yield(void *arg)
{
    const struct clients *s = arg;

    return s->shared && s->count * s->shared->loops >
                            atomic_load_explicit(&s->shared->count, memory_order_relaxed);
}

static struct listener_owner owner_of(struct clients *s)
{
    return (struct listener_owner){clients_accepted, clients_starved, s, clients_yield};
}

int clients_listen(struct clients *s, const struct listener_conf *conf, struct err *err)
{
    struct listener_owner owner = owner_of(s);
    int r;

    if (s->n_listeners == CLIENTS_LISTENERS)
        return err_set(err, -E2BIG, "more than %d listeners", CLIENTS_LISTENERS);
    r = listener_open(&s->listeners[s->n_listeners], s->loop, conf, &owner, err);
    if (r == 0)
        s->n_listeners++;
    return r;
}

int clients_adopt(struct clients *s, const char *name, int fd, struct err *err)
{
    struct listener_owner owner = owner_of(s);
    int r;

    if (s->n_listeners == CLIENTS_LISTENERS) {
        (void)close(fd);
        return err_set(err, -E2BIG, "more than %d listeners", CLIENTS_LISTENERS);
    }
    r = listener_adopt(&s->listeners[s->n_listeners], s->loop, name, fd, &owner, err);
    if (r == 0)
        s->n_listeners++;
    return r;
}

int clients_share(struct clients *s, struct clients *first, const struct listener_conf *conf,
                  struct clients_shared *shared, struct err *err)
{
    struct listener_owner owner = owner_of(s);
    int r = 0;

    s->shared = first->shared = shared;
    for (unsigned i = 0; r == 0 && i < first->n_listeners; i++) {
        r = listener_share(&s->listeners[i], s->loop, first->listeners[i], &conf[i], &owner, err);
        s->n_listeners += r == 0;
    }
    return r;
}

int clients_renew(struct clients *s, unsigned i, const struct listener_conf *conf, struct err *err)
{
    return i < s->n_listeners ? listener_renew(s->listeners[i], conf, err) : 0;
}

void clients_drain(struct clients *s, void (*empty)(void *arg), void *arg)
{
    struct client_link *anchors[] = {&s->waiting, &s->busy}, *link, *next;

    s->empty = empty;
    s->empty_arg = arg;
    while (s->n_listeners)
        listener_free(s->listeners[--s->n_listeners]);
    for (unsigned i = 0; i < 2; i++)
        for (link = anchors[i]->next; link != anchors[i]; link = next) {
            next = link->next;
            client_drain(link->client);
        }
}

unsigned clients_count(const struct clients *s)
{
    return s->count;
}

uint64_t clients_accepts(const struct clients *s)
{
    return s->accepts;
}

uint64_t clients_displaced(const struct clients *s)
{
    return s->displaced;
}

void clients_free(struct clients *s)
{
    if (!s)
        return;
    s->empty = NULL;
    while (s->n_listeners)
        listener_free(s->listeners[--s->n_listeners]);
    while (s->waiting.next != &s->waiting)
        client_free(s->waiting.next->client);
    while (s->busy.next != &s->busy)
        client_free(s->busy.next->client);
    loop_timer_deinit(&s->rest);
    arrivals_free(s->arrivals);
    free(s);
}
