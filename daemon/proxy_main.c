/*
 * cention-proxyd: everything that touches the network, and no key. This file puts the rooms
 * together and says how the process starts, reloads and ends.
 */
#include "base/descriptors.h"
#include "base/sandbox.h"
#include "base/service.h"
#include "base/watchdog.h"
#include "config.h"
#include "exchange/admin.h"
#include "proxy_confine.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef CENTION_SYSCONFDIR
#define CENTION_SYSCONFDIR "/etc/cention-proxy"
#endif

enum {
    EXIT_USAGE = 2,
    EXIT_CONF = 78,
    ADMIN_CONNECTIONS = 64,
    OTHER_DESCRIPTORS = ADMIN_CONNECTIONS + 4 * 64 + 32, /* past both limits, listeners, files */
    LAST_WORDS_US = 2000000, /* for outcomes that still wait for the keeper at the very end */
};

struct daemon {
    const char *conf_path;
    struct loop *loop;
    struct proxy proxy;
    struct confine confine;
    struct admin admin;
    struct clients *api, *admins;
    struct peers *peers;
    struct event *signals[4];
    struct loop_timer drain;
    struct watchdog watchdog;
    struct loop_hook check_done;
    int exit_code;
    bool inherited; /* the API's listeners came from a service manager */
};

static const char USAGE[] =
    "Usage: cention-proxyd [-c FILE] [-t]\n"
    "Takes unsigned API requests on localhost, has them signed and recorded by\n"
    "cention-keeperd, and forwards them over TLS.\n\n"
    "  -c, --config FILE  read FILE instead of " CENTION_SYSCONFDIR "/proxy.conf\n"
    "  -t, --test         check the configuration and exit\n"
    "  -h, --help         show this help\n"
    "  -V, --version      show the version\n\n"
    "Signals: SIGHUP reads the configuration again, SIGTERM and SIGINT finish what was sent and "
    "end.\n"
    "Exit codes: 0 done, 1 failed, 2 usage, 78 bad configuration.\n";

static int conf_failed(const char *path, const struct err *err)
{
    (void)fprintf(stderr, "cention-proxyd: %s\n", err->text[0] ? err->text : path);
    return EXIT_CONF;
}

static void daemon_maybe_done(void *arg)
{
    struct daemon *d = arg;

    if (d->proxy.draining && d->proxy.running == 0 && clients_count(d->api) == 0)
        loop_stop(d->loop);
}

/* The last request, or the last connection, has ended: look when this turn is over. */
static void daemon_quiet(void *arg)
{
    struct daemon *d = arg;

    if (d->proxy.draining)
        loop_defer(d->loop, &d->check_done);
}

static void daemon_late(void *arg)
{
    struct daemon *d = arg;

    if (d->proxy.ending) {
        log_warning("shutdown_cut", "running=%u connections=%u", d->proxy.running,
                    clients_count(d->api));
        loop_stop(d->loop);
        return;
    }
    if (clients_count(d->api) == 0 && d->proxy.running == 0) {
        loop_stop(d->loop);
        return;
    }
    log_warning("drain_timeout", "running=%u connections=%u", d->proxy.running,
                clients_count(d->api));
    d->proxy.ending = true;
    exchange_end_all(&d->proxy);
    loop_timer_set(&d->drain, LAST_WORDS_US);
}

static void daemon_drain(evutil_socket_t signal_number, short what, void *arg)
{
    struct daemon *d = arg;

    (void)what;
    if (d->proxy.draining) {
        log_warning("shutdown_hurried", "signal=%d", (int)signal_number);
        loop_timer_set(&d->drain, 0);
        return;
    }
    service_stopping();
    d->proxy.draining = true;
    clients_drain(d->api, daemon_quiet, d);
    log_info("draining", "signal=%d running=%u connections=%u", (int)signal_number,
             d->proxy.running, clients_count(d->api));
    loop_timer_set(&d->drain, d->proxy.setup->conf.drain_timeout_us);
    loop_defer(d->loop, &d->check_done);
}

/* Certificates are replaced before they expire. They were good a moment ago (setup_load). */
static void daemon_renew(struct daemon *d, const struct proxy_conf *conf)
{
    struct err err = ERR_INIT;

    for (unsigned i = 0; !d->inherited && i < conf->n_listen; i++)
        if (clients_renew(d->api, i, &conf->listen[i], &err) < 0)
            log_error("tls_not_renewed", "error=%s", log_quote(slice_str(err.text)).text);
}

/* What the setup in force says of clients. */
static void daemon_set_clients(struct daemon *d)
{
    const struct proxy_conf *conf = &d->proxy.setup->conf;
    unsigned reserve = OTHER_DESCRIPTORS + conf->upstream.max_connections;
    unsigned limit = descriptors_allow(conf->connections + reserve);
    unsigned max = descriptors_share(limit, conf->connections, reserve);

    if (max < conf->connections)
        log_warning("connections_limited",
                    "connections=%u descriptors=%u why=\"limits.connections "
                    "needs more descriptors than this process may have\"",
                    max, limit);
    clients_set(d->api, &conf->limits, max);
    clients_set(d->admins, &conf->limits, ADMIN_CONNECTIONS);
    clients_hosts(d->api, &conf->hosts);
    clients_hosts(d->admins, &conf->hosts);
}

static void daemon_reload(evutil_socket_t signal_number, short what, void *arg)
{
    struct daemon *d = arg;
    struct setup *fresh = NULL;
    struct err err = ERR_INIT;

    (void)signal_number;
    (void)what;
    service_reloading();
    if (setup_load(&fresh, d->loop, d->conf_path, &err) < 0 ||
        proxy_confine_fits(&d->confine, &fresh->conf, &err) < 0) {
        log_error("reload_refused", "error=%s", log_quote(slice_str(err.text)).text);
        confine_explain(&d->confine, &err);
        setup_unref(fresh);
    } else {
        if (d->proxy.setup->conf.sandbox != fresh->conf.sandbox)
            log_warning("reload_partial", "why=\"a changed sandbox needs a restart\"");
        if (!proxy_conf_same_sockets(&d->proxy.setup->conf, &fresh->conf))
            log_warning("reload_partial", "why=\"changed listeners and the keeper's socket need a "
                                          "restart; everything else is in force\"");
        else
            daemon_renew(d, &fresh->conf);
        setup_unref(d->proxy.setup);
        d->proxy.setup = fresh;
        log_set_level(fresh->conf.log_level);
        daemon_set_clients(d);
        log_info("reloaded", "config=%s", d->conf_path);
    }
    service_ready("serving");
}

/* Sockets that a service manager passed replace the configured ones of their kind. */
static int daemon_listen(struct daemon *d, struct err *err)
{
    const struct proxy_conf *conf = &d->proxy.setup->conf;
    struct service_socket sockets[SERVICE_SOCKETS_MAX];
    bool api = false, admin = false;
    size_t n = 0;
    int r = service_sockets(sockets, &n);

    if (r < 0)
        return err_set(err, r, "the inherited sockets can't be used: %s", strerror(-r));
    for (size_t i = 0; i < n && r == 0; i++) {
        bool is_admin = strstr(sockets[i].name, "admin") != NULL;

        *(is_admin ? &admin : &api) = true;
        r = clients_adopt(is_admin ? d->admins : d->api, is_admin ? "admin" : "api", sockets[i].fd,
                          err);
    }
    d->inherited = api;
    for (unsigned i = 0; r == 0 && !api && i < conf->n_listen; i++)
        r = clients_listen(d->api, &conf->listen[i], err);
    if (r == 0 && !admin && (conf->admin.address || conf->admin.path))
        r = clients_listen(d->admins, &conf->admin, err);
    return r;
}

static int daemon_signals(struct daemon *d)
{
    static const int NUMBERS[] = {SIGTERM, SIGINT, SIGHUP};

    (void)signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; i < 3; i++) {
        /* What libevent puts back at the end: a late signal must not turn a good end into a bad. */
        (void)signal(NUMBERS[i], SIG_IGN);
        d->signals[i] = evsignal_new(loop_base(d->loop), NUMBERS[i],
                                     NUMBERS[i] == SIGHUP ? daemon_reload : daemon_drain, d);
        if (!d->signals[i] || event_add(d->signals[i], NULL) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int daemon_open(struct daemon *d, struct err *err)
{
    const struct proxy_conf *conf = &d->proxy.setup->conf;
    int r;

    log_set_level(conf->log_level);
    if (request_ids_init(&d->proxy.ids) < 0)
        return err_set(err, -EIO, "no randomness to be had");
    canon_init(&d->proxy.canon);
    d->proxy.quiet = daemon_quiet;
    d->proxy.arg = d;
    d->check_done = (struct loop_hook){.run = daemon_maybe_done, .arg = d};
    loop_timer_init(&d->drain, d->loop, daemon_late, d);
    d->admin = (struct admin){.proxy = &d->proxy};
    if ((r = caller_new(&d->proxy.keeper, d->loop, conf->keeper, conf->keeper_timeout_us)) < 0)
        return err_set(err, r, "keeper: %s: %s", conf->keeper, strerror(-r));
    if ((r = clients_new(&d->api, d->loop, &conf->limits, conf->connections, &EXCHANGE_HANDLER,
                         &d->proxy)) < 0 ||
        (r = clients_new(&d->admins, d->loop, &conf->limits, ADMIN_CONNECTIONS, &ADMIN_HANDLER,
                         &d->admin)) < 0 ||
        (r = daemon_signals(d)) < 0)
        return err_set(err, r, "%s", strerror(-r));
    if ((r = peers_new(&d->peers)) < 0)
        return err_set(err, r, "%s", strerror(-r));
    clients_identify(d->api, d->peers);
    clients_identify(d->admins, d->peers);
    d->admin.api = d->api;
    daemon_set_clients(d);
    r = daemon_listen(d, err);
    return r < 0 ? r : proxy_confine(&d->confine, conf, d->conf_path, err);
}

static void daemon_close(struct daemon *d)
{
    clients_free(d->admins);
    exchange_free_all(&d->proxy);
    clients_free(d->api);
    exchange_free_all(&d->proxy); /* a closing client may have left one more */
    peers_free(d->peers);
    caller_free(d->proxy.keeper);
    canon_deinit(&d->proxy.canon);
    validate_report_deinit(&d->proxy.report);
    setup_unref(d->proxy.setup);
    for (unsigned i = 0; i < 3; i++)
        if (d->signals[i])
            event_free(d->signals[i]);
    loop_timer_deinit(&d->drain);
    watchdog_stop(&d->watchdog);
    loop_cancel(d->loop, &d->check_done);
    confine_deinit(&d->confine);
    loop_free(d->loop);
}

static int daemon_run(struct daemon *d, bool test)
{
    struct err err = ERR_INIT;
    int code = 0;

    if (loop_new(&d->loop) < 0) {
        (void)fprintf(stderr, "cention-proxyd: no event loop: out of memory\n");
        return EXIT_FAILURE;
    }
    if (setup_load(&d->proxy.setup, d->loop, d->conf_path, &err) < 0) {
        code = conf_failed(d->conf_path, &err);
        loop_free(d->loop);
        return code;
    }
    d->proxy.loop = d->loop;
    if (test) {
        (void)printf("%s: good\n", d->conf_path);
        setup_unref(d->proxy.setup);
        loop_free(d->loop);
        return 0;
    }
    if (daemon_open(d, &err) < 0) {
        (void)fprintf(stderr, "cention-proxyd: %s\n", err.text);
        code = EXIT_FAILURE;
    } else {
        log_info("started", "version=%s config=%s upstream=%s", PACKAGE_VERSION, d->conf_path,
                 d->proxy.setup->conf.upstream.url);
        watchdog_start(&d->watchdog, d->loop);
        service_ready("serving");
        code = loop_run(d->loop) < 0 ? EXIT_FAILURE : 0;
        log_info("stopped", "requests=%llu answers_2xx=%llu refusals=%llu",
                 (unsigned long long)d->proxy.metrics.requests,
                 (unsigned long long)d->proxy.metrics.answers[2],
                 (unsigned long long)d->proxy.metrics.refusals);
    }
    daemon_close(d);
    return code;
}

int main(int argc, char **argv)
{
    static const struct option OPTIONS[] = {{"config", required_argument, NULL, 'c'},
                                            {"test", no_argument, NULL, 't'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'V'},
                                            {NULL, 0, NULL, 0}};
    struct daemon d = {.conf_path = CENTION_SYSCONFDIR "/proxy.conf"};
    struct err err = ERR_INIT;
    bool test = false;
    int c;

    while ((c = getopt_long(argc, argv, "c:thV", OPTIONS, NULL)) != -1) {
        switch (c) {
        case 'c':
            d.conf_path = optarg;
            break;
        case 't':
            test = true;
            break;
        case 'h':
            return fputs(USAGE, stdout) < 0;
        case 'V':
            return printf("cention-proxyd %s\n", PACKAGE_VERSION) < 0;
        default:
            (void)fputs(USAGE, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "cention-proxyd: unexpected argument: %s\n%s", argv[optind], USAGE);
        return EXIT_USAGE;
    }
    if (sandbox_enter(&err) < 0) {
        (void)fprintf(stderr, "cention-proxyd: %s\n", err.text);
        return EXIT_FAILURE;
    }
    return daemon_run(&d, test);
}
