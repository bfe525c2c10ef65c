#include "central/postgres/pg_target.h"

#include "base/resolve.h"

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

/* Without a host libpq takes its Unix socket. */
static bool is_local(const struct pg_host *h)
{
    if (h->hostaddr)
        return resolve_is_loopback(h->hostaddr);
    return !h->host || *h->host == '/' || *h->host == '@' || resolve_is_loopback(h->host);
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
        h->local = !t->service && is_local(h);
    }
    return 0;
}

static bool all_local(const struct pg_target *t)
{
    bool local = true;

    for (unsigned i = 0; i < t->n_hosts; i++)
        local = local && t->hosts[i].local;
    return local;
}

static int check_sslmode(const struct pg_target *t, const char *mode, struct err *err)
{
    static const char *const WEAKER[] = {"disable", "allow", "prefer", "require", "verify-ca"};

    if (!mode || strcmp(mode, "verify-full") == 0 || all_local(t))
        return 0;
    for (size_t i = 0; i < sizeof(WEAKER) / sizeof(WEAKER[0]); i++)
        if (strcmp(mode, WEAKER[i]) == 0)
            return err_set(err, -EINVAL,
                           "the URL asks for sslmode=%s, which gives password and records to "
                           "whoever stands between: leave it out (verify-full) and name the CA "
                           "with sslrootcert",
                           mode);
    return err_set(err, -EINVAL, "the URL asks for an unknown sslmode: leave it out (verify-full)");
}

static int read_options(struct pg_target *t, const PQconninfoOption *options, bool reader,
                        struct err *err)
{
    const char *host = NULL, *hostaddr = NULL, *port = NULL, *mode = NULL;
    int r;

    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (strcmp(o->keyword, "require_auth") == 0)
            t->can_require = true;
        if (!o->val)
            continue;
        /* libpq marks secrets like this: password and sslpassword. */
        if (*o->dispchar == '*' && !reader)
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
        else if (strcmp(o->keyword, "sslmode") == 0)
            mode = o->val;
        else if (strcmp(o->keyword, "sslcert") == 0)
            t->certificate = *o->val != '\0';
        else if (strcmp(o->keyword, "connect_timeout") == 0)
            t->timeout = (unsigned)strtoul(o->val, NULL, 10);
    }
    t->service = t->service || getenv("PGSERVICE");
    if (t->timeout == 0 || t->timeout > 3600)
        t->timeout = PG_CONNECT_TIMEOUT;
    r = split(t, host, hostaddr, port, err);
    return r < 0 ? r : check_sslmode(t, mode, err);
}

int pg_target_read(struct pg_target *out, const char *url, const char *passfile, bool reader,
                   struct err *err)
{
    PQconninfoOption *options;
    int r;

    *out = (struct pg_target){0};
    /* Why not is not asked: libpq's answer may quote a part of a password. */
    options = PQconninfoParse(url, NULL);
    if (!options)
        return err_set(err, -EINVAL, "is no connection string of PostgreSQL");
    r = read_options(out, options, reader, err);
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

struct pairs {
    const char **keywords, **values;
    unsigned n;
};

static void say(struct pairs *p, const char *keyword, const char *value)
{
    p->keywords[p->n] = keyword;
    p->values[p->n++] = value;
}

/* What the string can't change. A client certificate makes a password needless, not impossible. */
static void say_security(struct pairs *p, const struct pg_target *t, bool local)
{
    if (t->can_require)
        say(p, "require_auth", local || t->certificate ? "!password,!md5" : "scram-sha-256");
    if (local)
        return;
    say(p, "sslmode", "verify-full");
    if (!t->certificate)
        say(p, "channel_binding", "require");
}

/*
 * libpq takes the last word for each keyword: what stands before the string are defaults, what
 * stands behind it can't be changed by it.
 */
void pg_target_keywords(const struct pg_target *t, const struct pg_host *host, const char *address,
                        const char *keywords[PG_KEYWORDS_MAX], const char *values[PG_KEYWORDS_MAX])
{
    struct pairs p = {keywords, values, 0};

    say(&p, "fallback_application_name", "cention-shipd");
    say(&p, "keepalives_idle", "15");
    say(&p, "keepalives_interval", "5");
    say(&p, "keepalives_count", "3");
    say(&p, "tcp_user_timeout", "30000"); /* milliseconds */
    say(&p, "dbname", t->url);
    say(&p, "gssencmode", "disable"); /* its looks into caches of tickets block */
    say(&p, "host", host->host ? host->host : "");
    say(&p, "hostaddr", address ? address : host->hostaddr ? host->hostaddr : "");
    if (host->port || !t->service)
        say(&p, "port", port_of(host));
    if (t->passfile)
        say(&p, "passfile", t->passfile);
    say(&p, "client_encoding", "UTF8");
    /* A standby can't be used. */
    say(&p, "target_session_attrs", "read-write");
    say_security(&p, t, host->local && (!address || resolve_is_loopback(address)));
    say(&p, NULL, NULL);
}

void pg_target_reader_keywords(const struct pg_target *t, const char *keywords[PG_KEYWORDS_MAX],
                               const char *values[PG_KEYWORDS_MAX])
{
    struct pairs p = {keywords, values, 0};

    say(&p, "fallback_application_name", "cention-proxyctl");
    say(&p, "connect_timeout", "10");
    say(&p, "target_session_attrs", "primary"); /* a standby may lag; the URL may allow it */
    say(&p, "dbname", t->url);
    say(&p, "gssencmode", "disable"); /* it would be tried instead of TLS */
    say(&p, "client_encoding", "UTF8");
    say_security(&p, t, all_local(t));
    say(&p, NULL, NULL);
}
