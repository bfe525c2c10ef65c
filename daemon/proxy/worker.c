#include "proxy/worker.h"

#include "base/log.h"

#include <errno.h>

static void worker_end(struct worker *w)
{
    if (w->done)
        return;
    w->done = true;
    loop_timer_clear(&w->drain);
    if (w->ended)
        w->ended(w->arg);
}

static bool worker_idle(const struct worker *w)
{
    return w->proxy.running == 0 && clients_count(w->api) == 0;
}

static void worker_look(void *arg)
{
    struct worker *w = arg;

    if (w->proxy.draining && worker_idle(w))
        worker_end(w);
}

/* The last request, or the last connection, has ended: look when this turn is over. */
static void worker_quiet(void *arg)
{
    struct worker *w = arg;

    if (w->proxy.draining)
        loop_defer(w->loop, &w->look);
}

static void worker_late(void *arg)
{
    struct worker *w = arg;

    if (w->proxy.ending) {
        log_warning("shutdown_cut", "running=%u connections=%u worker=%u", w->proxy.running,
                    clients_count(w->api), w->number);
        worker_end(w);
        return;
    }
    if (worker_idle(w)) {
        worker_end(w);
        return;
    }
    log_warning("drain_timeout", "running=%u connections=%u worker=%u", w->proxy.running,
                clients_count(w->api), w->number);
    w->proxy.ending = true;
    exchange_end_all(&w->proxy);
    loop_timer_set(&w->drain, WORKER_LAST_WORDS_US);
}

/* Often enough for the shortest total_timeout, and at least once a second. */
static void worker_sweep(void *arg)
{
    struct worker *w = arg;
    uint64_t some = w->proxy.setup->conf.total_timeout_us / 8;

    exchange_end_late(&w->proxy);
    loop_timer_set(&w->sweep, some < WORKER_SWEEP_US ? some : WORKER_SWEEP_US);
}

void worker_drain(struct worker *w)
{
    w->proxy.draining = true;
    clients_drain(w->api, worker_quiet, w);
    loop_timer_set(&w->drain, w->proxy.setup->conf.drain_timeout_us);
    loop_defer(w->loop, &w->look);
}

void worker_hurry(struct worker *w)
{
    if (!w->done)
        loop_timer_set(&w->drain, 0);
}

unsigned worker_part(unsigned all, unsigned number, unsigned workers)
{
    unsigned part = setup_part(all, number, workers);

    return part ? part : 1;
}

/*
 * Requests of one user that may wait: of a quarter of all connections, and bodies (WORKER_WAITING)
 * for some seconds of a keeper that doesn't read.
 */
static unsigned turns_share(const struct proxy_conf *conf)
{
    return conf->connections / 4 + 1;
}

void worker_use(struct worker *w, struct setup *fresh)
{
    const struct proxy_conf *conf = &fresh->conf;

    setup_unref(w->proxy.setup);
    w->proxy.setup = fresh;
    clients_set(w->api, &conf->limits, conf->connections);
    clients_hosts(w->api, &conf->hosts);
    uploads_set(w->uploads, conf->memory / conf->workers);
    turns_set(w->turns, turns_share(conf));
}

/* setup_load has checked them. */
void worker_renew(struct worker *w)
{
    const struct proxy_conf *conf = &w->proxy.setup->conf;
    struct err err = ERR_INIT;

    for (unsigned i = 0; !w->inherited && i < conf->n_listen; i++)
        if (clients_renew(w->api, i, &conf->listen[i], &err) < 0)
            log_error("tls_not_renewed", "error=%s", log_quote(slice_str(err.text)).text);
}

static bool link_takes_work(void *caller)
{
    return caller_has_room(caller);
}

int worker_open(struct worker *w, struct setup *setup, struct err *err)
{
    const struct proxy_conf *conf = &setup->conf;
    int r;

    w->proxy.setup = setup;
    w->proxy.loop = w->loop;
    w->proxy.quiet = worker_quiet;
    w->proxy.arg = w;
    w->look = (struct loop_hook){.run = worker_look, .arg = w};
    canon_init(&w->proxy.canon);
    loop_timer_init(&w->drain, w->loop, worker_late, w);
    loop_timer_init(&w->sweep, w->loop, worker_sweep, w);
    loop_timer_set(&w->sweep, WORKER_SWEEP_US / 10);
    if ((r = sha256_new(&w->proxy.sha256)) < 0)
        return err_set(err, r, "%s", strerror(-r));
    if (request_ids_init(&w->proxy.ids) < 0)
        return err_set(err, -EIO, "no randomness to be had");
    if ((r = caller_new(&w->proxy.keeper, w->loop, conf->keeper, &conf->keeper_users,
                        conf->keeper_timeout_us)) < 0)
        return err_set(err, r, "keeper: %s: %s", conf->keeper, strerror(-r));
    if ((r = clients_new(&w->api, w->loop, &conf->limits, conf->connections, &EXCHANGE_HANDLER,
                         &w->proxy)) < 0 ||
        (r = peers_new(&w->peers)) < 0)
        return err_set(err, r, "%s", strerror(-r));
    if ((r = turns_new(&w->turns, w->loop, turns_share(conf), WORKER_WAITING, link_takes_work,
                       w->proxy.keeper)) < 0)
        return err_set(err, r, "%s", strerror(-r));
    if ((r = uploads_new(&w->uploads, w->loop, conf->memory / conf->workers)) < 0)
        return err_set(err, r, "%s", strerror(-r));
    clients_uploads(w->api, w->uploads);
    caller_on_room(w->proxy.keeper, turns_resume, w->turns);
    clients_turns(w->api, w->turns);
    clients_identify(w->api, w->peers);
    clients_hosts(w->api, &conf->hosts);
    return 0;
}

void worker_close(struct worker *w)
{
    exchange_free_all(&w->proxy);
    clients_free(w->api);
    exchange_free_all(&w->proxy); /* a closing client may have left one more */
    peers_free(w->peers);
    turns_free(w->turns);
    uploads_free(w->uploads);
    caller_free(w->proxy.keeper);
    canon_deinit(&w->proxy.canon);
    sha256_free(w->proxy.sha256);
    validate_report_deinit(&w->proxy.report);
    setup_unref(w->proxy.setup);
    loop_timer_deinit(&w->drain);
    loop_timer_deinit(&w->sweep);
    loop_cancel(w->loop, &w->look);
}
