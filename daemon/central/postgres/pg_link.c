#include "central/postgres/pg_link.h"

#include "base/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum {
    PAUSE_FIRST_US = 100000,
    PAUSE_LAST_US = 5000000,
    UNASKED_MAX = 128 * 1024, /* bytes of a login, or between two results; a result has some 500 */
};

enum state { PAUSE, LOOKUP, CONNECTING, OPEN, SETTLED };

struct pg_link {
    struct loop *loop;
    const struct pg_target *target;
    const struct pg_link_events *events;
    void *arg;
    enum state state;
    unsigned host, address; /* which one it is at */
    struct resolve *names[PG_HOSTS_MAX];
    struct resolve_wait wait;
    PGconn *conn;
    struct event read, write;
    struct loop_timer timer; /* of the state: pause, time to connect, time to answer */
    struct loop_hook end;    /* of the connection that failed */
    size_t unasked;          /* bytes that came since the last result, or more */
    uint64_t pause_us;
    bool failed; /* `end` is due */
    bool more;   /* the name has another address */
    char why[PG_WHY];
    char all[PG_WHY]; /* what each server of this round said */
    bool *gone;       /* set when the link is freed by whom it calls */
};

static void try_host(struct pg_link *l);

void pg_first_line(char out[PG_WHY], const char *text)
{
    size_t n = text ? strcspn(text, "\n") : 0;

    (void)snprintf(out, PG_WHY, "%.*s", (int)(n < PG_WHY ? n : PG_WHY - 1), text ? text : "");
}

static void disconnect(struct pg_link *l)
{
    resolve_cancel(&l->wait);
    loop_timer_clear(&l->timer);
    if (!l->conn)
        return;
    /* Before the descriptor is closed. */
    (void)event_del(&l->read);
    (void)event_del(&l->write);
    PQfinish(l->conn);
    l->conn = NULL;
}

void pg_link_fail(struct pg_link *l, const char *why)
{
    if (l->failed)
        return;
    l->failed = true;
    pg_first_line(l->why, why);
    loop_defer(l->loop, &l->end);
}

static void add_why(struct pg_link *l)
{
    size_t n = strlen(l->all);

    if (!strstr(l->all, l->why)) /* several servers often say the same */
        (void)snprintf(l->all + n, sizeof(l->all) - n, "%s%s", n ? "; " : "", l->why);
}

static void lose(struct pg_link *l)
{
    /* The clock's microseconds differ from host to host, so hosts do not retry together. */
    uint64_t pause = l->pause_us - loop_now() % (l->pause_us / 2);
    char why[PG_WHY];

    memcpy(why, l->all, sizeof(why));
    l->state = PAUSE;
    l->host = l->address = 0;
    l->all[0] = '\0';
    l->pause_us = l->pause_us * 2 > PAUSE_LAST_US ? PAUSE_LAST_US : l->pause_us * 2;
    loop_timer_set(&l->timer, pause);
    l->events->lost(l->arg, why);
}

static void on_end(void *arg)
{
    struct pg_link *l = arg;
    bool settled = l->state == SETTLED;

    disconnect(l);
    l->failed = false;
    if (settled)
        l->all[0] = '\0';
    add_why(l);
    if (l->more) {
        l->address++;
    } else {
        l->address = 0;
        l->host++;
    }
    if (settled || l->host == l->target->n_hosts)
        lose(l);
    else
        try_host(l);
}

static void on_timer(void *arg)
{
    struct pg_link *l = arg;
    const struct pg_host *host = &l->target->hosts[l->host];
    char why[PG_WHY];

    if (l->state == PAUSE) {
        try_host(l);
        return;
    }
    if (l->state == LOOKUP || l->state == CONNECTING)
        (void)snprintf(why, sizeof(why), "%.64s: not connected within %u s",
                       host->host       ? host->host
                       : host->hostaddr ? host->hostaddr
                                        : "the server",
                       l->target->timeout);
    else
        (void)snprintf(why, sizeof(why), "no answer from the server%s",
                       l->state == SETTLED ? " (is it waiting for a standby?)" : "");
    pg_link_fail(l, why);
}

static void on_notice(void *arg, const PGresult *result)
{
    struct pg_link *l = arg;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    char line[PG_WHY];

    if (l->failed || !severity || strcmp(severity, "WARNING") != 0)
        return;
    pg_first_line(line, text);
    l->events->warning(l->arg, line);
}

/*
 * Whether libpq may read on. It keeps notifications, parameters and rows until there is no memory
 * left, and goes through the parameters for each new one, so a server could stop the loop. What
 * has not been read yet counts again each time: only a server that floods leaves so much.
 */
static bool may_read(struct pg_link *l)
{
    int n;

    if (l->failed)
        return false;
    if (ioctl(PQsocket(l->conn), FIONREAD, &n) == 0 && n > 0)
        l->unasked += (size_t)n;
    if (l->unasked > UNASKED_MAX)
        pg_link_fail(l, "the server sends more than was asked for");
    return !l->failed;
}

/* Hands on all results that are whole; false when the link was freed meanwhile. */
static bool take_results(struct pg_link *l)
{
    bool gone = false, between = false;

    /* cppcheck-suppress autoVariables ; reset below, unless the link is gone */
    l->gone = &gone;
    while (!l->failed && !PQisBusy(l->conn)) {
        PGresult *result = PQgetResult(l->conn);

        /* One NULL ends each query's results; another follows only when there are no more. */
        if (!result && between)
            break;
        between = !result;
        if (result) {
            l->unasked = 0;
            l->events->result(l->arg, result);
        }
        if (gone)
            return false;
    }
    l->gone = NULL;
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct pg_link *l = arg;
    int r;

    (void)fd;
    (void)what;
    if (!may_read(l))
        return;
    r = PQconsumeInput(l->conn);
    if (!take_results(l))
        return;
    if (r == 0)
        pg_link_fail(l, PQerrorMessage(l->conn));
    else if (!l->failed)
        pg_link_flush(l);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct pg_link *l = arg;

    (void)fd;
    (void)what;
    if (!l->failed)
        pg_link_flush(l);
}

void pg_link_flush(struct pg_link *l)
{
    int r = PQflush(l->conn);

    if (r < 0)
        pg_link_fail(l, PQerrorMessage(l->conn));
    else if (r > 0)
        (void)event_add(&l->write, NULL);
}

static void opened(struct pg_link *l)
{
    if (PQsetnonblocking(l->conn, 1) != 0 || PQenterPipelineMode(l->conn) != 1) {
        pg_link_fail(l, "libpq has no pipeline for this server");
        return;
    }
    loop_timer_clear(&l->timer);
    l->state = OPEN;
    (void)event_assign(&l->read, loop_base(l->loop), PQsocket(l->conn), EV_READ | EV_PERSIST,
                       on_readable, l);
    (void)event_assign(&l->write, loop_base(l->loop), PQsocket(l->conn), EV_WRITE, on_writable, l);
    (void)event_add(&l->read, NULL);
    l->events->open(l->arg);
}

static void on_connecting(evutil_socket_t fd, short what, void *arg);

static void await(struct pg_link *l, short what)
{
    (void)event_assign(&l->read, loop_base(l->loop), PQsocket(l->conn), what, on_connecting, l);
    if (PQsocket(l->conn) < 0 || event_add(&l->read, NULL) < 0)
        pg_link_fail(l, "no socket to wait for");
}

static void on_connecting(evutil_socket_t fd, short what, void *arg)
{
    struct pg_link *l = arg;

    (void)fd;
    (void)what;
    if (!may_read(l))
        return;
    /* The event is not pending now: libpq may close the socket here and take another. */
    switch (PQconnectPoll(l->conn)) {
    case PGRES_POLLING_READING:
        await(l, EV_READ);
        break;
    case PGRES_POLLING_WRITING:
        await(l, EV_WRITE);
        break;
    case PGRES_POLLING_OK:
        opened(l);
        break;
    default:
        pg_link_fail(l, PQerrorMessage(l->conn));
        break;
    }
}

static void connect_to(struct pg_link *l, const char *address)
{
    const char *keywords[PG_KEYWORDS_MAX], *values[PG_KEYWORDS_MAX];

    pg_target_keywords(l->target, &l->target->hosts[l->host], address, keywords, values);
    l->state = CONNECTING;
    l->unasked = 0;
    l->conn = PQconnectStartParams(keywords, values, 1);
    if (!l->conn || PQstatus(l->conn) == CONNECTION_BAD) {
        pg_link_fail(l, l->conn ? PQerrorMessage(l->conn) : "no memory");
        return;
    }
    (void)PQsetNoticeReceiver(l->conn, on_notice, l);
    await(l, EV_WRITE);
}

static void connect_found(struct pg_link *l, const struct resolve_list *list)
{
    char text[INET6_ADDRSTRLEN];
    const struct sockaddr *a;
    const void *bytes;

    if (l->address >= list->n)
        l->address = 0; /* another look-up has found fewer */
    a = &list->address[l->address].any;
    bytes = a->sa_family == AF_INET ? (const void *)&list->address[l->address].in.sin_addr
                                    : (const void *)&list->address[l->address].in6.sin6_addr;
    l->more = l->address + 1 < list->n;
    connect_to(l, inet_ntop(a->sa_family, bytes, text, sizeof(text)));
}

static void on_addresses(void *arg, const struct resolve_list *list, const char *why)
{
    struct pg_link *l = arg;
    char text[PG_WHY];

    if (list) {
        connect_found(l, list);
        return;
    }
    (void)snprintf(text, sizeof(text), "%.128s: %.100s", l->target->hosts[l->host].host, why);
    pg_link_fail(l, text);
}

static void try_host(struct pg_link *l)
{
    const struct pg_host *host = &l->target->hosts[l->host];
    const struct resolve_list *list;

    l->state = LOOKUP;
    l->more = false;
    loop_timer_set(&l->timer, (uint64_t)l->target->timeout * 1000000);
    if (!host->look_up) {
        connect_to(l, NULL);
        return;
    }
    if (!l->names[l->host] && resolve_new(&l->names[l->host], l->loop, host->host, 5432) < 0) {
        pg_link_fail(l, "no memory");
        return;
    }
    list = resolve_get(l->names[l->host], &l->wait);
    if (list)
        connect_found(l, list);
}

int pg_link_new(struct pg_link **out, struct loop *loop, const struct pg_target *target,
                const struct pg_link_events *events, void *arg)
{
    struct pg_link *l = calloc(1, sizeof(*l));

    if (!l)
        return -ENOMEM;
    *l = (struct pg_link){
        .loop = loop,
        .target = target,
        .events = events,
        .arg = arg,
        .wait = {.done = on_addresses, .arg = l},
        .end = {.run = on_end, .arg = l},
        .pause_us = PAUSE_FIRST_US,
    };
    (void)event_assign(&l->read, loop_base(loop), -1, 0, on_readable, l);
    (void)event_assign(&l->write, loop_base(loop), -1, 0, on_writable, l);
    loop_timer_init(&l->timer, loop, on_timer, l);
    loop_timer_set(&l->timer, 0);
    *out = l;
    return 0;
}

void pg_link_free(struct pg_link *l)
{
    if (!l)
        return;
    if (l->gone)
        *l->gone = true;
    loop_cancel(l->loop, &l->end);
    disconnect(l);
    for (unsigned i = 0; i < PG_HOSTS_MAX; i++)
        resolve_free(l->names[i]);
    loop_timer_deinit(&l->timer);
    free(l);
}

PGconn *pg_link_conn(struct pg_link *l)
{
    return !l->failed && (l->state == OPEN || l->state == SETTLED) ? l->conn : NULL;
}

void pg_link_expect(struct pg_link *l, uint64_t within_us)
{
    if (within_us)
        loop_timer_set(&l->timer, within_us);
    else
        loop_timer_clear(&l->timer);
}

void pg_link_settle(struct pg_link *l)
{
    l->state = SETTLED;
    l->all[0] = '\0';
}

void pg_link_useful(struct pg_link *l)
{
    l->pause_us = PAUSE_FIRST_US;
}
