#include "exchange/setup.h"

#include "api_file.h"
#include "base/settings.h"
#include "tls/tls.h"

#include <errno.h>
#include <stdlib.h>

/* What a setting led to is told with the file and the line of the setting. */
static int blame(struct setup *s, const char *setting, int r, struct err *err)
{
    struct err why = *err;

    if (r < 0)
        (void)settings_fail(settings_root(s->conf.file), setting, err, "%s", why.text);
    return r;
}

static void setup_free(void *arg)
{
    struct setup *s = arg;

    upstream_free(s->upstream);
    api_free(s->api);
    proxy_conf_deinit(&s->conf);
    free(s);
}

/* So that a listener can take the files later, or a start, or -t, says why not. */
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

int setup_load(struct setup **out, struct loop *loop, const char *path, struct err *err)
{
    struct setup *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return err_set(err, -ENOMEM, "out of memory");
    s->refs = 1;
    s->loop = loop;
    s->last = (struct loop_hook){.run = setup_free, .arg = s};
    r = proxy_conf_load(&s->conf, path, err);
    if (r == 0)
        r = blame(s, "api", api_file_load(&s->api, s->conf.api, err), err);
    if (r == 0)
        r = blame(s, "upstream", upstream_new(&s->upstream, loop, &s->conf.upstream, err), err);
    if (r == 0)
        r = blame(s, "listen", check_tls(&s->conf, err), err);
    if (r < 0) {
        setup_unref(s);
        return r;
    }
    *out = s;
    return 0;
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
