#include "proxy/setup.h"

#include "api/api.h"
#include "base/settings.h"
#include "proxy/tls/tls.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Read by all workers, changed by none; the references are counted across threads. */
struct setup_common {
    atomic_uint refs;
    unsigned workers;
    struct proxy_conf conf;
    struct api *api;
};

/* An error of what a setting names is reported with the setting's file and line. */
static int blame(const struct setup_common *c, const char *setting, int r, struct err *err)
{
    struct err why = *err;

    if (r < 0)
        (void)settings_fail(settings_root(c->conf.file), setting, err, "%s", why.text);
    return r;
}

static void common_unref(struct setup_common *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
        return;
    api_free(c->api);
    proxy_conf_deinit(&c->conf);
    free(c);
}

static void setup_free(void *arg)
{
    struct setup *s = arg;

    upstream_free(s->upstream);
    common_unref(s->common);
    free(s);
}

/* Checks now that a listener will be able to use the files, so that a start or -t reports why not.
 */
static int check_tls(const struct proxy_conf *conf, struct err *err)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < conf->n_listen; i++) {
        const struct listener_conf *l = &conf->listen[i];
        struct tls_context *tls = NULL;

        if (l->certificate)
            r = tls_context_server(&tls, l->certificate, l->key, l->client_ca, err);
        tls_context_free(tls);
    }
    return r;
}

unsigned setup_part(unsigned all, unsigned number, unsigned workers)
{
    return all / workers + (number < all % workers);
}

/* Takes over the reference to `common`. */
static struct setup *setup_new(struct setup_common *common, struct loop *loop)
{
    struct setup *s = calloc(1, sizeof(*s));

    if (!s) {
        common_unref(common);
        return NULL;
    }
    s->refs = 1;
    s->loop = loop;
    s->last = (struct loop_hook){.run = setup_free, .arg = s};
    s->common = common;
    return s;
}

static int setup_fill(struct setup *s, unsigned number, struct err *err)
{
    struct setup_common *c = s->common;

    s->conf = c->conf;
    s->conf.upstream.max_connections =
        setup_part(c->conf.upstream.max_connections, number, c->workers);
    s->conf.upstream.queue = setup_part(c->conf.upstream.queue, number, c->workers);
    s->api = c->api;
    if (c->conf.upstream.max_connections <
        c->workers) /* a reload's: at a start the file is enough */
        return err_set(err, -EINVAL, "max_connections must be at least the number of workers (%u)",
                       c->workers);
    return upstream_new(&s->upstream, s->loop, &s->conf.upstream, err);
}

int setup_load(struct setup **out, struct loop *loop, const char *path, unsigned workers,
               struct err *err)
{
    struct setup_common *c = calloc(1, sizeof(*c));
    struct setup *s = NULL;
    int r;

    if (c)
        atomic_init(&c->refs, 1);
    if (!c || !(s = setup_new(c, loop)))
        return err_set(err, -ENOMEM, "out of memory");
    r = proxy_conf_load(&c->conf, path, err);
    c->workers = workers ? workers : c->conf.workers;
    if (r == 0)
        r = blame(c, "api", api_file_load(&c->api, c->conf.api, err), err);
    if (r == 0)
        r = blame(c, "upstream", setup_fill(s, 0, err), err);
    if (r == 0)
        r = blame(c, "listen", check_tls(&c->conf, err), err);
    if (r < 0) {
        setup_unref(s);
        return r;
    }
    *out = s;
    return 0;
}

int setup_share(struct setup **out, const struct setup *first, struct loop *loop, unsigned number,
                struct err *err)
{
    struct setup *s;
    int r;

    atomic_fetch_add(&first->common->refs, 1);
    s = setup_new(first->common, loop);
    r = s ? setup_fill(s, number, err) : err_set(err, -ENOMEM, "out of memory");
    if (r < 0)
        setup_unref(s);
    else
        *out = s;
    return r;
}

unsigned setup_upstream_connections(const struct setup *s)
{
    return s->common->conf.upstream.max_connections;
}

struct setup *setup_ref(struct setup *s)
{
    s->refs++;
    return s;
}

void setup_unref(struct setup *s)
{
    if (s && --s->refs == 0)
        loop_defer(s->loop, &s->last);
}
