/*
 * Look-ups never block, and there is one at a time: callers that ask meanwhile wait for the same
 * answer. Addresses are fresh for a fixed time; old ones are kept for when a later look-up fails.
 * The resolver itself is made only when a name has to be looked up.
 */
#include "base/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RESOLVE_FRESH_US = 30000000, /* libevent's resolver doesn't tell the record's time to live */
};

struct resolve {
    struct loop *loop;
    char *host;
    unsigned port;
    struct evdns_base *dns;
    struct evdns_getaddrinfo_request *request;
    struct resolve_list list;
    uint64_t until; /* the list is fresh up to here; UINT64_MAX for literals */
    bool asking;
    struct resolve_wait waiting; /* ring */
    struct loop_hook settle;     /* calls those who wait, from the loop */
    char why[400];
};

/* Why there is no address, and which servers said so. */
static void explain(struct resolve *r, int result)
{
    char servers[200] = "";
    size_t n = 0;

    for (int i = 0; r->dns && i < 3 && i < evdns_base_count_nameservers(r->dns); i++) {
        struct sockaddr_storage a;
        char text[64] = "";
        int len = evdns_base_get_nameserver_addr(r->dns, i, (struct sockaddr *)&a, sizeof(a));
        const void *ip = a.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&a)->sin6_addr
                                                 : (void *)&((struct sockaddr_in *)&a)->sin_addr;

        if (len > 0 && inet_ntop(a.ss_family, ip, text, sizeof(text)))
            n += (size_t)snprintf(servers + n, sizeof(servers) - n, "%s%s", n ? ", " : "", text);
    }
    if (!servers[0])
        (void)snprintf(r->why, sizeof(r->why), "%.255s: no name server is configured", r->host);
    else if (result == 0 || result == EVUTIL_EAI_NONAME || result == EVUTIL_EAI_NODATA)
        (void)snprintf(r->why, sizeof(r->why), "no such host %.128s (asked %s)", r->host, servers);
    else
        (void)snprintf(r->why, sizeof(r->why), "no answer for the host %.128s (asked %s): %s",
                       r->host, servers, evutil_gai_strerror(result));
}

static void list_add(struct resolve_list *l, const struct sockaddr *a, socklen_t len)
{
    if (l->n == RESOLVE_MAX || len > sizeof(l->address[0].in6))
        return;
    memcpy(&l->address[l->n].any, a, len);
    l->address[l->n++].len = len;
}

static void add_v4(struct resolve *r, struct in_addr in)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)r->port)};

    a.sin_addr = in;
    list_add(&r->list, (struct sockaddr *)&a, sizeof(a));
}

static void add_v6(struct resolve *r, struct in6_addr in6)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)r->port)};

    a.sin6_addr = in6;
    list_add(&r->list, (struct sockaddr *)&a, sizeof(a));
}

/* RFC 6761, 6.3: localhost needs no look-up, and must not have one. */
static void resolve_at_once(struct resolve *r)
{
    struct in_addr in;
    struct in6_addr in6;

    if (inet_pton(AF_INET, r->host, &in) == 1) {
        add_v4(r, in);
    } else if (inet_pton(AF_INET6, r->host, &in6) == 1) {
        add_v6(r, in6);
    } else if (strcmp(r->host, "localhost") == 0) {
        add_v4(r, (struct in_addr){htonl(INADDR_LOOPBACK)});
        add_v6(r, in6addr_loopback);
    }
    if (r->list.n)
        r->until = UINT64_MAX;
}

static void resolve_settle(void *arg)
{
    struct resolve *r = arg;

    while (r->waiting.next != &r->waiting) {
        struct resolve_wait *w = r->waiting.next;

        resolve_cancel(w);
        w->done(w->arg, r->list.n ? &r->list : NULL, r->why);
    }
}

static void resolve_bury(void *arg)
{
    struct resolve *r = arg;

    if (r->dns)
        evdns_base_free(r->dns, 0);
    free(r->host);
    free(r);
}

static void resolve_answer(int result, struct evutil_addrinfo *found, void *arg)
{
    struct resolve *r = arg;
    struct resolve_list fresh = {0};

    r->request = NULL;
    r->asking = false;
    if (result == EVUTIL_EAI_CANCEL) {
        loop_defer(r->loop, &r->settle);
        return;
    }
    for (struct evutil_addrinfo *a = found; a; a = a->ai_next)
        list_add(&fresh, a->ai_addr, (socklen_t)a->ai_addrlen);
    if (found)
        evutil_freeaddrinfo(found);
    if (fresh.n) {
        r->list = fresh;
        r->until = loop_now() + RESOLVE_FRESH_US;
    } else {
        /* Old addresses are used when there are no new ones. */
        explain(r, result);
    }
    loop_defer(r->loop, &r->settle);
}

static void resolve_ask(struct resolve *r)
{
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[8];

    if (r->asking)
        return;
    if (!r->dns)
        r->dns = evdns_base_new(loop_base(r->loop), EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                                        EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!r->dns) {
        explain(r, 0);
        loop_defer(r->loop, &r->settle);
        return;
    }
    (void)evutil_snprintf(port, sizeof(port), "%u", r->port);
    r->asking = true;
    r->request = evdns_getaddrinfo(r->dns, r->host, port, &hints, resolve_answer, r);
}

int resolve_new(struct resolve **out, struct loop *loop, const char *host, unsigned port)
{
    struct resolve *r = calloc(1, sizeof(*r));

    if (r)
        r->host = strdup(host);
    if (!r || !r->host) {
        free(r);
        return -ENOMEM;
    }
    r->loop = loop;
    r->port = port;
    r->waiting.next = r->waiting.prev = &r->waiting;
    r->settle = (struct loop_hook){.run = resolve_settle, .arg = r};
    resolve_at_once(r);
    *out = r;
    return 0;
}

/*
 * A cancelled look-up still calls back once, from the loop; its memory must stay until then.
 */
void resolve_free(struct resolve *r)
{
    if (!r)
        return;
    while (r->waiting.next != &r->waiting)
        resolve_cancel(r->waiting.next);
    loop_cancel(r->loop, &r->settle);
    r->settle.run = resolve_bury;
    if (r->request)
        evdns_getaddrinfo_cancel(r->request);
    else
        resolve_bury(r);
}

const struct resolve_list *resolve_get(struct resolve *r, struct resolve_wait *w)
{
    if (r->list.n && (r->until == UINT64_MAX || loop_now() < r->until))
        return &r->list;
    w->next = &r->waiting;
    w->prev = r->waiting.prev;
    w->prev->next = w;
    r->waiting.prev = w;
    resolve_ask(r);
    return NULL;
}

const struct resolve_list *resolve_last(const struct resolve *r)
{
    return r->list.n ? &r->list : NULL;
}

void resolve_cancel(struct resolve_wait *w)
{
    if (!w->next)
        return;
    w->prev->next = w->next;
    w->next->prev = w->prev;
    w->next = w->prev = NULL;
}

bool resolve_is_loopback(const char *host)
{
    struct in_addr in;
    struct in6_addr in6;

    if (inet_pton(AF_INET, host, &in) == 1)
        return ntohl(in.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &in6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&in6);
    return strcmp(host, "localhost") == 0;
}
