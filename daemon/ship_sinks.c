#include "ship_sinks.h"

#include "jetstream/js_sink.h"
#include "postgres/pg_sink.h"

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

int ship_sink_new(struct sink **out, const struct ship_sink_conf *c, const char *conf_path,
                  struct err *err)
{
    struct err why = ERR_INIT;
    int r = c->type == SHIP_POSTGRESQL ? open_postgresql(out, c, &why) : open_nats(out, c, &why);

    return r < 0 ? err_set(err, r, "%s:%u: sink \"%s\": %s", conf_path, c->line, c->name, why.text)
                 : 0;
}
