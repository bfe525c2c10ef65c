#include "central/nats/js_sink.h"

#include "central/nats/js_worker.h"

#include <errno.h>
#include <stdlib.h>

struct js_sink {
    struct sink sink;
    struct js_url url;
    char *prefix, *credentials, *ca;
    unsigned replicas;
    struct seal_key log;
    struct js_worker *worker;
};

static struct js_sink *js_sink_of(struct sink *sink)
{
    return (struct js_sink *)sink;
}

static int js_sink_start(struct sink *sink, struct loop *loop, const struct seal_key *log,
                         const char *host, const struct sink_events *events, void *arg)
{
    struct js_sink *s = js_sink_of(sink);

    s->log = *log;
    return js_worker_new(&s->worker, loop,
                         &(struct js_session_options){.url = &s->url,
                                                      .prefix = s->prefix,
                                                      .replicas = s->replicas,
                                                      .credentials = s->credentials,
                                                      .ca = s->ca,
                                                      .log = &s->log,
                                                      .host = host},
                         events, arg);
}

static int js_sink_ship(struct sink *sink, const struct ship_batch *batch)
{
    return js_worker_ship(js_sink_of(sink)->worker, batch);
}

static int js_sink_alarm(struct sink *sink, const struct ship_alarm *alarm)
{
    return js_worker_alarm(js_sink_of(sink)->worker, alarm);
}

static void js_sink_free(struct sink *sink)
{
    struct js_sink *s = js_sink_of(sink);

    if (!s)
        return;
    js_worker_free(s->worker);
    js_url_deinit(&s->url);
    free(s->prefix);
    free(s->credentials);
    free(s->ca);
    free(s);
}

static const struct sink_kind JS_SINK = {
    .name = "nats",
    .start = js_sink_start,
    .ship = js_sink_ship,
    .alarm = js_sink_alarm,
    .free = js_sink_free,
    .window = JS_WINDOW,
};

static int js_sink_copy(char **out, const char *text, struct err *err)
{
    *out = text ? strdup(text) : NULL;
    return text && !*out ? err_set(err, -ENOMEM, "no memory") : 0;
}

int js_sink_new(struct sink **out, const struct js_sink_options *options, struct err *err)
{
    struct js_sink *s;
    int r;

    if (!js_prefix_ok(slice_str(options->stream)))
        return err_set(err, -EINVAL,
                       "a stream's name has 1 to %d letters, digits, hyphens and underscores",
                       JS_PREFIX_MAX);
    if (options->replicas < 1 || options->replicas > JS_REPLICAS_MAX)
        return err_set(err, -EINVAL, "a stream has 1 to %d replicas", JS_REPLICAS_MAX);
    s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(err, -ENOMEM, "no memory");
    s->sink.kind = &JS_SINK;
    s->replicas = options->replicas;
    r = js_url_parse(&s->url, options->url, false, err);
    if (r == 0)
        r = js_sink_copy(&s->prefix, options->stream, err);
    if (r == 0)
        r = js_sink_copy(&s->credentials, options->credentials, err);
    if (r == 0)
        r = js_sink_copy(&s->ca, options->ca, err);
    if (r < 0) {
        js_sink_free(&s->sink);
        return r;
    }
    *out = &s->sink;
    return 0;
}
