/*
 * cention-shipd: brings the audit log to the centres. It reads the log and writes its cursors; it
 * holds no key, and listens to nobody but the administrator. Each sink has its own shipper, its own
 * pace and its own memory. Everything it has hangs on one struct daemon.
 */
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/service.h"
#include "ship/admin_socket.h"
#include "ship/ship_conf.h"
#include "ship/ship_sandbox.h"
#include "ship/ship_sinks.h"
#include "ship/shipper.h"
#include "ship/status.h"
#include "ship/watch.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum {
    MEASURE_US = 1000000, /* microseconds between two looks at the log's end */
    DRAIN_US = 5000000,   /* what is under way may take so long at the end */
    DRAIN_LOOK_US = 20000,
    MEMORY_MAX = 1024 * 1024 * 1024, /* bytes: libpq and libnats take what a centre says it sends */
};

static const char WAITING[] = "waiting for the audit log", SHIPPING[] = "shipping";

struct daemon {
    const char *conf_path;
    struct ship_conf conf;
    struct loop *loop;
    struct signals signals;
    int audit, state;                   /* the folders */
    struct sink *sinks[SHIP_SINKS_MAX]; /* NULL: its shipper has it */
    struct shipper *shippers[SHIP_SINKS_MAX];
    bool begun; /* there is a log */
    bool unreadable;
    struct watch *watch;
    struct admin_socket *admin_socket;
    struct loop_timer measure, ending;
    uint64_t ending_at; /* loop_now() at the latest; 0: not yet */
    struct watchdog watchdog;
    struct sandbox sandbox;
    int code;
};

static const struct process_program PROGRAM = {
    .name = "cention-shipd",
    .version = PACKAGE_VERSION,
    .usage = "Usage: cention-shipd [-c FILE] [-t]\n"
             "Ships the audit log to central archives and streams.\n"
             "\n"
             "  -c, --config FILE  configuration (default: " CENTION_SYSCONFDIR "/ship.conf)\n"
             "  -t, --test         check the configuration and exit\n"
             "  -h, --help         show this and exit\n"
             "  -V, --version      show the version and exit\n"
             "\n"
             "Exit codes: 0 done, 1 failed, 2 usage, 78 bad configuration.\n",
};

/* ---- the end, and signals ---- */

static void on_ending(void *arg)
{
    struct daemon *d = arg;
    bool idle = true;

    for (unsigned i = 0; i < d->conf.n_sinks; i++)
        if (d->shippers[i] && !shipper_idle(d->shippers[i]))
            idle = false;
    if (idle || loop_now() >= d->ending_at)
        loop_stop(d->loop);
    else
        loop_timer_set(&d->ending, DRAIN_LOOK_US);
}

static void on_stop_signal(evutil_socket_t number, short what, void *arg)
{
    struct daemon *d = arg;

    (void)what;
    if (d->ending_at) { /* the second one doesn't wait */
        loop_stop(d->loop);
        return;
    }
    log_info("stopping", "signal=%d", (int)number);
    service_stopping();
    d->ending_at = loop_now() + DRAIN_US;
    for (unsigned i = 0; i < d->conf.n_sinks; i++)
        if (d->shippers[i])
            shipper_drain(d->shippers[i]);
    on_ending(d);
}

/* Only the log's level changes while it runs; the rest is checked, so that a restart will do. */
static void on_reload_signal(evutil_socket_t number, short what, void *arg)
{
    struct daemon *d = arg;
    struct ship_conf conf = {0};
    struct err err = ERR_INIT;

    (void)number;
    (void)what;
    service_reloading();
    if (ship_conf_load(&conf, d->conf_path, &err) < 0) {
        log_error("reload_refused", "why=%s", log_quote(slice_str(err.text)).text);
    } else {
        log_set_level(conf.log_level);
        log_info("reloaded", "why=\"log_level is in force; everything else needs a restart\"");
    }
    ship_conf_deinit(&conf);
    service_ready(d->begun ? SHIPPING : WAITING);
}

/* ---- shipping ---- */

static int begin_one(struct daemon *d, unsigned i, const struct seal_key *log, struct err *err)
{
    const struct ship_sink_conf *c = &d->conf.sinks[i];
    const struct shipper_options options = {
        .name = c->name,
        .host = d->conf.host,
        .receipt = c->receipt,
        .log = *log,
        .audit = d->audit,
        .state = d->state,
    };
    struct sink *sink = d->sinks[i];

    d->sinks[i] = NULL;
    return shipper_new(&d->shippers[i], d->loop, &options, sink, err);
}

/* Once there is a log. */
static void begin(struct daemon *d)
{
    struct seal_key log;
    struct err err = ERR_INIT;
    int r = tail_identity(&log, d->audit);

    if (r < 0) {
        if (r != -ENOENT && !d->unreadable)
            log_error("audit_read", "folder=%s why=\"%s\"", d->conf.audit,
                      r == -EBADMSG ? "its first segment has no sound header" : strerror(-r));
        d->unreadable = r != -ENOENT;
        return;
    }
    d->begun = true;
    log_info("shipping", "folder=%s host=%s sinks=%u", d->conf.audit, d->conf.host,
             d->conf.n_sinks);
    service_status(SHIPPING);
    for (unsigned i = 0; r == 0 && i < d->conf.n_sinks; i++)
        r = begin_one(d, i, &log, &err);
    if (r < 0) {
        d->code = process_fail(&PROGRAM, &err, EXIT_FAILED);
        loop_stop(d->loop);
    }
}

static void on_wake(void *arg)
{
    struct daemon *d = arg;

    if (!d->begun && !d->ending_at)
        begin(d);
    for (unsigned i = 0; i < d->conf.n_sinks; i++)
        if (d->shippers[i])
            shipper_wake(d->shippers[i]);
}

static void measured(struct daemon *d, const struct newest *newest)
{
    for (unsigned i = 0; i < d->conf.n_sinks; i++)
        if (d->shippers[i])
            shipper_newest(d->shippers[i], newest);
}

static void on_measure(void *arg)
{
    struct daemon *d = arg;
    struct newest newest;

    if (d->begun && newest_look(&newest, d->audit) == 0)
        measured(d, &newest);
    loop_timer_set(&d->measure, MEASURE_US);
}

/* What the administrator asks for. */
static int on_asked(void *arg, enum admin_socket_page page, struct buf *text)
{
    struct daemon *d = arg;
    struct shipper_report reports[SHIP_SINKS_MAX];
    struct ship_status status = {.begun = d->begun, .sinks = reports};
    struct newest newest;

    if (d->begun && newest_look(&newest, d->audit) == 0)
        measured(d, &newest);
    for (unsigned i = 0; i < d->conf.n_sinks; i++)
        if (d->shippers[i])
            shipper_report(&reports[status.n++], d->shippers[i]);
    return page == ADMIN_SOCKET_READY ? status_ready(text, &status) : status_metrics(text, &status);
}

/* ---- beginning and end ---- */

static int open_folder(int *out, const char *path, int mode, const char *advice, struct err *err)
{
    int r;

    *out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*out >= 0 && faccessat(*out, ".", mode, AT_EACCESS) == 0)
        return 0;
    r = -errno;
    return err_set(err, r, "%s: %s%s", path, strerror(-r), r == -EACCES ? advice : "");
}

static int open_folders(struct daemon *d, struct err *err)
{
    int r = open_folder(&d->audit, d->conf.audit, R_OK | X_OK,
                        " (who reads the audit log is in its group, cention-keeper)", err);

    return r < 0 ? r
                 : open_folder(&d->state, d->conf.state, R_OK | W_OK | X_OK,
                               " (it must belong to the user that cention-shipd runs as)", err);
}

/* Two would write the same cursors, each over the other's. The lock ends with the process. */
static int lock_state(const struct daemon *d, struct err *err)
{
    if (flock(d->state, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return err_set(err, -errno, "%s: %s", d->conf.state,
                   errno == EWOULDBLOCK ? "another cention-shipd keeps its cursors there"
                                        : strerror(errno));
}

static int make_sinks(struct daemon *d, struct err *err)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < d->conf.n_sinks; i++)
        r = ship_sink_new(&d->sinks[i], &d->conf.sinks[i], d->conf_path, err);
    return r;
}

static int keep_ports(struct daemon *d, struct err *err)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < d->conf.n_sinks; i++)
        r = ship_sink_ports(&d->sandbox, &d->conf.sinks[i], d->conf_path, err);
    return r;
}

static int start(struct daemon *d, struct err *err)
{
    int r = loop_new(&d->loop);

    if (r == 0) {
        loop_timer_init(&d->measure, d->loop, on_measure, d);
        loop_timer_init(&d->ending, d->loop, on_ending, d);
        r = signals_init(&d->signals, d->loop, on_stop_signal, on_reload_signal, d);
    }
    if (r == 0)
        r = watch_new(&d->watch, d->loop, d->conf.audit, d->conf.delay_us, on_wake, d);
    if (r < 0)
        return err_set(err, r, "can't start: %s", strerror(-r));
    return d->conf.admin
               ? admin_socket_open(&d->admin_socket, d->loop, d->conf.admin, on_asked, d, err)
               : 0;
}

/* Everything is opened, files are confined, then come the libraries with threads of their own, and
 * system calls are confined before the first outside byte. */
static int run(struct daemon *d)
{
    struct err err = ERR_INIT;

    if (open_folders(d, &err) < 0 || lock_state(d, &err) < 0 || start(d, &err) < 0 ||
        keep_ports(d, &err) < 0 || ship_sandbox(&d->sandbox, &d->conf, d->conf_path, &err) < 0 ||
        make_sinks(d, &err) < 0 || sandbox_calls(&d->sandbox, &err) < 0)
        return process_fail(&PROGRAM, &err, EXIT_FAILED);
    log_info("started", "version=%s config=%s", PACKAGE_VERSION, d->conf_path);
    watchdog_start(&d->watchdog, d->loop);
    service_ready(WAITING);
    on_wake(d);
    on_measure(d);
    if (loop_run(d->loop) < 0)
        d->code = EXIT_FAILED;
    log_info("stopped", "%s", "");
    return d->code;
}

static void daemon_deinit(struct daemon *d)
{
    for (unsigned i = 0; i < SHIP_SINKS_MAX; i++) {
        shipper_free(d->shippers[i]);
        if (d->sinks[i])
            d->sinks[i]->kind->free(d->sinks[i]);
    }
    admin_socket_close(d->admin_socket);
    watch_free(d->watch);
    loop_timer_deinit(&d->measure);
    loop_timer_deinit(&d->ending);
    watchdog_stop(&d->watchdog);
    signals_deinit(&d->signals);
    loop_free(d->loop);
    if (d->audit >= 0)
        (void)close(d->audit);
    if (d->state >= 0)
        (void)close(d->state);
    sandbox_deinit(&d->sandbox);
    ship_conf_deinit(&d->conf);
}

/* -t: what can be checked without a trace and without a centre. */
static int check(struct daemon *d)
{
    struct err err = ERR_INIT;

    if (open_folders(d, &err) < 0 || keep_ports(d, &err) < 0 || make_sinks(d, &err) < 0)
        return process_fail(&PROGRAM, &err, EXIT_CONFIG);
    (void)fprintf(stderr, "cention-shipd: %s: good: audit log in %s, %u sinks\n", d->conf_path,
                  d->conf.audit, d->conf.n_sinks);
    return EXIT_DONE;
}

static int serve(const char *path, bool test)
{
    struct daemon d = {.conf_path = path, .audit = -1, .state = -1};
    struct err err = ERR_INIT;
    int code;

    if (ship_conf_load(&d.conf, path, &err) < 0)
        return process_fail(&PROGRAM, &err, EXIT_CONFIG);
    log_set_level(d.conf.log_level);
    log_threads();
    code = test ? check(&d) : run(&d);
    daemon_deinit(&d);
    return code;
}

int main(int argc, char **argv)
{
    struct process_options options = {.conf = CENTION_SYSCONFDIR "/ship.conf"};
    struct err err = ERR_INIT;
    int code = process_options(&options, &PROGRAM, argc, argv);

    if (code != PROCESS_GO_ON)
        return code;
    if (process_harden(&err) < 0 || process_memory_limit(MEMORY_MAX, &err) < 0)
        return process_fail(&PROGRAM, &err, EXIT_FAILED);
    process_exit(serve(options.conf, options.test));
}
