#include "central/postgres/pg_target.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

/* The n-th of a list with commas, copied; NULL when it is empty. Lists are short. */
static int item(const char *list, unsigned n, char **out)
{
    const char *end;

    *out = NULL;
    for (; list && n > 0; n--)
        list = (list = strchr(list, ',')) ? list + 1 : NULL;
    if (!list || *list == ',' || !*list)
        return 0;
    end = strchrnul(list, ',');
    *out = strndup(list, (size_t)(end - list));
    return *out ? 0 : -ENOMEM;
}

static unsigned items(const char *list)
{
    unsigned n = list && *list ? 1 : 0;

    for (; n && *list; list++)
        n += *list == ',';
    return n;
}

/* libpq takes what begins with a slash or an @ for a Unix socket. */
static bool is_name(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return host && *host != '/' && *host != '@' && inet_pton(AF_INET, host, address) != 1 &&
           inet_pton(AF_INET6, host, address) != 1;
}

static int split(struct pg_target *t, const char *host, const char *hostaddr, const char *port,
                 struct err *err)
{
    unsigned hosts = items(host), addresses = items(hostaddr), ports = items(port);

    t->n_hosts = hosts > addresses ? hosts : addresses;
    if (t->n_hosts == 0)
        t->n_hosts = 1;
    if (t->n_hosts > PG_HOSTS_MAX)
        return err_set(err, -EINVAL, "more than %d hosts", PG_HOSTS_MAX);
    if ((hosts && hosts != t->n_hosts) || (addresses && addresses != t->n_hosts))
        return err_set(err, -EINVAL, "%u hosts, but %u addresses", hosts, addresses);
    if (ports > 1 && ports != t->n_hosts)
        return err_set(err, -EINVAL, "%u hosts, but %u ports", t->n_hosts, ports);
    for (unsigned i = 0; i < t->n_hosts; i++) {
        struct pg_host *h = &t->hosts[i];

        if (item(host, i, &h->host) < 0 || item(hostaddr, i, &h->hostaddr) < 0 ||
            item(port, ports > 1 ? i : 0, &h->port) < 0)
            return err_set(err, -ENOMEM, "no memory");
        h->look_up = !h->hostaddr && is_name(h->host);
    }
    return 0;
}

static int read_options(struct pg_target *t, const PQconninfoOption *options, struct err *err)
{
    const char *host = NULL, *hostaddr = NULL, *port = NULL;

    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (!o->val)
            continue;
        /* libpq marks secrets like this: password and sslpassword. */
        if (*o->dispchar == '*')
            return err_set(err, -EINVAL, "holds a %s: it belongs into a file of its own",
                           o->keyword);
        if (strcmp(o->keyword, "host") == 0)
            host = o->val;
        else if (strcmp(o->keyword, "hostaddr") == 0)
            hostaddr = o->val;
        else if (strcmp(o->keyword, "port") == 0)
            port = o->val;
        else if (strcmp(o->keyword, "service") == 0)
            t->service = *o->val != '\0';
        else if (strcmp(o->keyword, "connect_timeout") == 0)
            t->timeout = (unsigned)strtoul(o->val, NULL, 10);
    }
    t->service = t->service || getenv("PGSERVICE");
    if (t->timeout == 0 || t->timeout > 3600)
        t->timeout = PG_CONNECT_TIMEOUT;
    return split(t, host, hostaddr, port, err);
}

int pg_target_read(struct pg_target *out, const char *url, const char *passfile, struct err *err)
{
    PQconninfoOption *options;
    int r;

    *out = (struct pg_target){0};
    /* Why not is not asked: libpq's answer may quote a part of a password. */
    options = PQconninfoParse(url, NULL);
    if (!options)
        return err_set(err, -EINVAL, "is no connection string of PostgreSQL");
    r = read_options(out, options, err);
    PQconninfoFree(options);
    if (r < 0)
        return r;
    out->url = strdup(url);
    out->passfile = passfile ? strdup(passfile) : NULL;
    if (!out->url || (passfile && !out->passfile))
        return err_set(err, -ENOMEM, "no memory");
    return 0;
}

void pg_target_free(struct pg_target *t)
{
    for (unsigned i = 0; i < PG_HOSTS_MAX; i++) {
        free(t->hosts[i].host);
        free(t->hosts[i].hostaddr);
        free(t->hosts[i].port);
    }
    free(t->url);
    free(t->passfile);
    *t = (struct pg_target){0};
}

/* Named, because libpq takes an empty word for none, and the string's own list of ports. */
static const char *port_of(const struct pg_host *host)
{
    const char *usual = getenv("PGPORT");

    return host->port ? host->port : usual && *usual ? usual : "5432";
}

/* libpq itself refuses what is not a port. */
unsigned pg_target_ports(const struct pg_target *t, uint16_t ports[PG_HOSTS_MAX])
{
    if (t->service)
        return 0;
    for (unsigned i = 0; i < t->n_hosts; i++)
        ports[i] = (uint16_t)strtoul(port_of(&t->hosts[i]), NULL, 10);
    return t->n_hosts;
}

/*
 * libpq takes the last word for each keyword: what stands before the string are defaults, what
 * stands behind it can't be changed by it.
 */
void pg_target_keywords(const struct pg_target *t, const struct pg_host *host, const char *address,
                        const char *keywords[PG_KEYWORDS_MAX], const char *values[PG_KEYWORDS_MAX])
{
    unsigned n = 0;

#define SAY(keyword_, value_)                                                                      \
    do {                                                                                           \
        keywords[n] = (keyword_);                                                                  \
        values[n++] = (value_);                                                                    \
    } while (0)
    SAY("fallback_application_name", "cention-shipd");
    SAY("keepalives_idle", "15");
    SAY("keepalives_interval", "5");
    SAY("keepalives_count", "3");
    SAY("tcp_user_timeout", "30000"); /* milliseconds */
    SAY("gssencmode", "disable");     /* its looks into caches of tickets block */
    SAY("dbname", t->url);
    SAY("host", host->host ? host->host : "");
    SAY("hostaddr", address ? address : host->hostaddr ? host->hostaddr : "");
    if (host->port || !t->service)
        SAY("port", port_of(host));
    if (t->passfile)
        SAY("passfile", t->passfile);
    SAY("client_encoding", "UTF8");
    /* A standby can't be used. */
    SAY("target_session_attrs", "read-write");
    SAY(NULL, NULL);
#undef SAY
}
