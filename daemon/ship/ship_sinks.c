#include "ship/ship_sinks.h"

#include "central/nats/js_sink.h"
#include "central/nats/js_url.h"
#include "central/postgres/pg_sink.h"
#include "central/postgres/pg_target.h"

#include "config.h"

#include <errno.h>

static int open_postgresql(struct sink **out, const struct ship_sink_conf *c, struct err *err)
{
#ifdef CENTION_POSTGRESQL
    const struct pg_sink_options options = {
        .url = c->url, .passfile = c->passfile, .standby = c->standby};

    return pg_sink_new(out, &options, err);
#else
    (void)out;
    (void)c;
    return err_set(err, -ENOSYS, "this build is without PostgreSQL");
#endif
}

static int open_nats(struct sink **out, const struct ship_sink_conf *c, struct err *err)
{
#ifdef CENTION_NATS
    const struct js_sink_options options = {.url = c->url,
                                            .stream = c->stream,
                                            .replicas = c->replicas,
                                            .credentials = c->credentials,
                                            .ca = c->ca};

    return js_sink_new(out, &options, err);
#else
    (void)out;
    (void)c;
    return err_set(err, -ENOSYS, "this build is without NATS");
#endif
}

static int tell(struct err *err, int r, const struct ship_sink_conf *c, const char *conf_path,
                const struct err *why)
{
    return err_set(err, r, "%s:%u: sink \"%s\": %s", conf_path, c->line, c->name, why->text);
}

int ship_sink_new(struct sink **out, const struct ship_sink_conf *c, const char *conf_path,
                  struct err *err)
{
    struct err why = ERR_INIT;
    int r = c->type == SHIP_POSTGRESQL ? open_postgresql(out, c, &why) : open_nats(out, c, &why);

    return r < 0 ? tell(err, r, c, conf_path, &why) : 0;
}

#if defined(CENTION_POSTGRESQL) || defined(CENTION_NATS)
static int keep_port(struct sandbox *kept, unsigned port, struct err *err)
{
    int r = sandbox_keep_port(kept, port);

    return r < 0 ? err_set(err, r, "there are more than %d ports", SANDBOX_PORTS_MAX) : 0;
}
#endif

static int postgresql_ports(struct sandbox *kept, const char *url, struct err *err)
{
#ifdef CENTION_POSTGRESQL
    uint16_t ports[PG_HOSTS_MAX];
    struct pg_target target;
    int r = pg_target_read(&target, url, NULL, false, err);
    unsigned n = r == 0 ? pg_target_ports(&target, ports) : 0;

    if (r == 0 && n == 0)
        kept->any_port = true;
    for (unsigned i = 0; r == 0 && i < n; i++)
        r = keep_port(kept, ports[i], err);
    pg_target_free(&target);
    return r;
#else
    (void)kept;
    (void)url;
    return err_set(err, -ENOSYS, "this build is without PostgreSQL");
#endif
}

static int nats_ports(struct sandbox *kept, const char *text, struct err *err)
{
#ifdef CENTION_NATS
    struct js_url url;
    int r = js_url_parse(&url, text, false, err);

    for (size_t i = 0; r == 0 && i < url.n; i++)
        r = keep_port(kept, url.servers[i].port, err);
    js_url_deinit(&url);
    return r;
#else
    (void)kept;
    (void)text;
    return err_set(err, -ENOSYS, "this build is without NATS");
#endif
}

int ship_sink_ports(struct sandbox *kept, const struct ship_sink_conf *c, const char *conf_path,
                    struct err *err)
{
    struct err why = ERR_INIT;
    int r = c->type == SHIP_POSTGRESQL ? postgresql_ports(kept, c->url, &why)
                                       : nats_ports(kept, c->url, &why);

    return r < 0 ? tell(err, r, c, conf_path, &why) : 0;
}
