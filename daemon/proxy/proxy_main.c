/*
 * cention-proxyd: everything that touches the network, and no key. This file puts the rooms
 * together and says how the process starts, reloads and ends.
 */
#include "base/loop.h"
#include "base/process.h"
#include "base/service.h"
#include "config.h"
#include "proxy/admin.h"
#include "proxy/proxy_sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ADMIN_CONNECTIONS = 64,
    OTHER_DESCRIPTORS = ADMIN_CONNECTIONS + 4 * 64 + 32, /* past both limits, listeners, files */
    GIVE_UP_US =
        2 * WORKER_LAST_WORDS_US, /* past the time when the last worker should have ended */
};

struct daemon {
    const char *conf_path;
    struct loop *loop;
    struct worker first;
    struct workers *workers; /* the other workers; NULL when there are none */
    bool workers_ended;
    struct sandbox sandbox;
    struct admin admin;
    struct clients *admins;
    struct signals signals;
    int drain_signal;
    struct loop_timer give_up;
    struct watchdog watchdog;
    struct setup *fresh; /* of a reload under way */
    bool renew, again;   /* again: another signal came meanwhile */
};

static const struct process_program PROGRAM = {
    .name = "cention-proxyd",
    .version = PACKAGE_VERSION,
    .usage = "Usage: cention-proxyd [-c FILE] [-t]\n"
             "Takes unsigned API requests on localhost, has them signed and recorded by\n"
             "cention-keeperd, and forwards them over TLS.\n\n"
             "  -c, --config FILE  read FILE instead of " CENTION_SYSCONFDIR "/proxy.conf\n"
             "  -t, --test         check the configuration and exit\n"
             "  -h, --help         show this help\n"
             "  -V, --version      show the version\n\n"
             "Signals: SIGHUP reads the configuration again, SIGTERM and SIGINT finish what was\n"
             "sent and end.\n"
             "Exit codes: 0 done, 1 failed, 2 usage, 78 bad configuration.\n",
};

static void daemon_ended(void *arg)
{
    struct daemon *d = arg;

    if (d->first.done && (!d->workers || d->workers_ended))
        loop_stop(d->loop);
}

static void daemon_crew_ended(void *arg)
{
    struct daemon *d = arg;

    d->workers_ended = true;
    daemon_ended(d);
}

/* All have stopped listening and have reported what they had under way. */
static void daemon_drained(void *arg, unsigned running, unsigned connections)
{
    struct daemon *d = arg;

    log_info("draining", "signal=%d running=%u connections=%u", d->drain_signal,
             d->first.proxy.running + running, clients_count(d->first.api) + connections);
}

/* A thread that hangs can't be joined, so the process ends here. */
static void daemon_give_up(void *arg)
{
    (void)arg;
    log_error("worker_hung", "why=\"a worker does not end\"");
    _exit(EXIT_FAILURE);
}

static void daemon_drain(evutil_socket_t signal_number, short what, void *arg)
{
    struct daemon *d = arg;
    bool again = d->first.proxy.draining;

    (void)what;
    if (again) {
        log_warning("shutdown_hurried", "signal=%d", (int)signal_number);
        worker_hurry(&d->first);
    } else {
        service_stopping();
        d->drain_signal = (int)signal_number;
        worker_drain(&d->first);
    }
    if (!d->workers) {
        if (!again)
            daemon_drained(d, 0, 0);
        return;
    }
    if (again)
        workers_hurry(d->workers);
    else
        workers_drain(d->workers);
    loop_timer_set(&d->give_up,
                   GIVE_UP_US + (again ? 0 : d->first.proxy.setup->conf.drain_timeout_us));
}

/* limits.connections, or as many as descriptors allow; the first worker's part is set. */
static unsigned daemon_limit(const struct daemon *d, struct setup *setup)
{
    struct proxy_conf *conf = &setup->conf;
    unsigned others = d->workers ? workers_workers(d->workers) - 1 : conf->workers - 1;
    unsigned reserve =
        OTHER_DESCRIPTORS + setup_upstream_connections(setup) + others * WORKER_DESCRIPTORS;
    /* Each connection may be on its way to the keeper once, too (wall/link). */
    unsigned limit = process_descriptors_allow(2 * conf->connections + reserve);
    unsigned max = process_descriptors_share(limit, conf->connections, reserve);

    if (max < conf->connections)
        log_warning("connections_limited",
                    "connections=%u descriptors=%u why=\"limits.connections "
                    "needs more descriptors than this process may have\"",
                    max, limit);
    conf->connections = worker_part(max, 0, others + 1);
    return max;
}

static void daemon_reload(evutil_socket_t signal_number, short what, void *arg);

/* All workers have the fresh settings, or *err says why all keep the old ones. */
static void daemon_reloaded(void *arg, const struct err *err)
{
    struct daemon *d = arg;
    struct setup *fresh = d->fresh;

    d->fresh = NULL;
    if (err->text[0]) {
        log_error("reload_refused", "error=%s", log_quote(slice_str(err->text)).text);
        sandbox_explain(&d->sandbox, err);
        setup_unref(fresh);
    } else {
        worker_use(&d->first, fresh);
        if (d->renew)
            worker_renew(&d->first);
        log_set_level(fresh->conf.log_level);
        clients_set(d->admins, &fresh->conf.limits, ADMIN_CONNECTIONS);
        clients_hosts(d->admins, &fresh->conf.hosts);
        log_info("reloaded", "config=%s", d->conf_path);
    }
    if (!d->first.proxy.draining)
        service_ready("serving");
    if (d->again)
        daemon_reload(SIGHUP, 0, d);
}

/* Logs the settings that need a restart. */
static void daemon_compare(struct daemon *d)
{
    const struct proxy_conf *old = &d->first.proxy.setup->conf, *conf = &d->fresh->conf;

    if (old->sandbox != conf->sandbox)
        log_warning("reload_partial", "why=\"a changed sandbox needs a restart\"");
    if (workers_workers(d->workers) != conf->workers)
        log_warning("reload_partial", "why=\"a changed number of workers needs a restart\"");
    d->renew = proxy_conf_same_sockets(old, conf);
    if (!d->renew)
        log_warning("reload_partial", "why=\"changed listeners and the keeper's socket need a "
                                      "restart; everything else is in force\"");
}

static void daemon_reload(evutil_socket_t signal_number, short what, void *arg)
{
    struct daemon *d = arg;
    struct err err = ERR_INIT;
    unsigned connections;

    (void)signal_number;
    (void)what;
    d->again = d->fresh != NULL;
    if (d->again)
        return;
    service_reloading();
    if (setup_load(&d->fresh, d->loop, d->conf_path, workers_workers(d->workers), &err) < 0 ||
        proxy_sandbox_fits(&d->sandbox, &d->fresh->conf, &err) < 0) {
        daemon_reloaded(d, &err);
        return;
    }
    daemon_compare(d);
    connections = daemon_limit(d, d->fresh);
    if (d->workers)
        workers_reload(d->workers, d->fresh, connections, d->renew);
    else
        daemon_reloaded(d, &err);
}

/* Sockets that a service manager passed replace the configured ones of their kind. */
static int daemon_listen(struct daemon *d, struct err *err)
{
    const struct proxy_conf *conf = &d->first.proxy.setup->conf;
    struct service_socket sockets[SERVICE_SOCKETS_MAX];
    bool api = false, admin = false;
    size_t n = 0;
    int r = service_sockets(sockets, &n);

    if (r < 0)
        return err_set(err, r, "the inherited sockets can't be used: %s", strerror(-r));
    for (size_t i = 0; i < n && r == 0; i++) {
        bool is_admin = strstr(sockets[i].name, "admin") != NULL;

        *(is_admin ? &admin : &api) = true;
        r = clients_adopt(is_admin ? d->admins : d->first.api, is_admin ? "admin" : "api",
                          sockets[i].fd, err);
    }
    d->first.inherited = api;
    for (unsigned i = 0; r == 0 && !api && i < conf->n_listen; i++)
        r = clients_listen(d->first.api, &conf->listen[i], err);
    if (r == 0 && !admin && (conf->admin.address || conf->admin.path))
        r = clients_listen(d->admins, &conf->admin, err);
    return r;
}

/* In this order: everything is opened, files are confined, threads made, system calls confined. */
static int daemon_open(struct daemon *d, struct setup *setup, struct err *err)
{
    const struct workers_owner owner = {daemon_drained, daemon_crew_ended, daemon_reloaded, d};
    const struct proxy_conf *conf = &setup->conf;
    unsigned connections = daemon_limit(d, setup);
    int r;

    log_set_level(conf->log_level);
    loop_timer_init(&d->give_up, d->loop, daemon_give_up, d);
    d->first = (struct worker){.loop = d->loop, .ended = daemon_ended, .arg = d};
    d->admin.worker = &d->first;
    r = worker_open(&d->first, setup, err);
    if (r < 0)
        return r;
    if ((r = clients_new(&d->admins, d->loop, &conf->limits, ADMIN_CONNECTIONS, &ADMIN_HANDLER,
                         &d->admin)) < 0 ||
        (r = signals_init(&d->signals, d->loop, daemon_drain, daemon_reload, d)) < 0)
        return err_set(err, r, "%s", strerror(-r));
    clients_identify(d->admins, d->first.peers);
    clients_hosts(d->admins, &conf->hosts);
    if ((r = daemon_listen(d, err)) < 0 ||
        (r = workers_new(&d->workers, &d->first, connections, &owner, err)) < 0 ||
        (r = proxy_sandbox(&d->sandbox, conf, d->conf_path, err)) < 0 ||
        (r = workers_start(d->workers, err)) < 0)
        return r;
    d->admin.workers = d->workers;
    return sandbox_calls(&d->sandbox, err);
}

static void daemon_close(struct daemon *d)
{
    workers_end(d->workers);
    clients_free(d->admins);
    workers_free(d->workers);
    setup_unref(d->fresh);
    worker_close(&d->first);
    signals_deinit(&d->signals);
    loop_timer_deinit(&d->give_up);
    watchdog_stop(&d->watchdog);
    sandbox_deinit(&d->sandbox);
    loop_free(d->loop);
}

static int daemon_serve(struct daemon *d)
{
    const struct proxy_conf *conf = &d->first.proxy.setup->conf;
    struct report all;
    int r;

    log_info("started", "version=%s config=%s upstream=%s workers=%u", PACKAGE_VERSION,
             d->conf_path, conf->upstream.url, workers_workers(d->workers));
    d->watchdog = (struct watchdog){.well = workers_well, .arg = d->workers};
    watchdog_start(&d->watchdog, d->loop);
    workers_go(d->workers);
    service_ready("serving");
    r = loop_run(d->loop);
    workers_end(d->workers);
    report_take(&all, &d->first);
    workers_report(d->workers, &all);
    log_info("stopped", "requests=%llu answers_2xx=%llu refusals=%llu",
             (unsigned long long)all.metrics.requests, (unsigned long long)all.metrics.answers[2],
             (unsigned long long)all.metrics.refusals);
    return r < 0 ? EXIT_FAILURE : 0;
}

static int daemon_run(struct daemon *d, bool test)
{
    struct setup *setup = NULL;
    struct err err = ERR_INIT;
    int code = loop_new(&d->loop);

    if (code < 0) {
        (void)err_set(&err, code, "no event loop: out of memory");
        return process_fail(&PROGRAM, &err, EXIT_FAILED);
    }
    if (setup_load(&setup, d->loop, d->conf_path, 0, &err) < 0) {
        loop_free(d->loop);
        return process_fail(&PROGRAM, &err, EXIT_CONFIG);
    }
    if (test) {
        (void)printf("%s: good\n", d->conf_path);
        setup_unref(setup);
        loop_free(d->loop);
        return EXIT_DONE;
    }
    code = daemon_open(d, setup, &err) < 0 ? process_fail(&PROGRAM, &err, EXIT_FAILED)
                                           : daemon_serve(d);
    daemon_close(d);
    return code;
}

int main(int argc, char **argv)
{
    struct process_options options = {.conf = CENTION_SYSCONFDIR "/proxy.conf"};
    struct err err = ERR_INIT;
    int code = process_options(&options, &PROGRAM, argc, argv);
    struct daemon d;

    if (code != PROCESS_GO_ON)
        return code;
    if (process_harden(&err) < 0)
        return process_fail(&PROGRAM, &err, EXIT_FAILED);
    d = (struct daemon){.conf_path = options.conf};
    return daemon_run(&d, options.test);
}
