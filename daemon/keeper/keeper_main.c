/*
 * cention-keeperd: the process that holds the secrets. It gives up what it does not need, checks
 * its settings, keys and audit log before it makes its socket, and only then lets anyone in.
 * Everything it has hangs on one struct server.
 */
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/service.h"
#include "base/unix_listener.h"
#include "keeper/audit/audit.h"
#include "keeper/command.h"
#include "keeper/keeper.h"
#include "keeper/keeper_conf.h"
#include "keeper/keeper_sandbox.h"
#include "keeper/keystore.h"
#include "keeper/signer.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

#define DEFAULT_CONF CENTION_SYSCONFDIR "/keeper.conf"

enum {
    /* When the audit log can't be written, microseconds: */
    FAILED_TELL_US = 1000000, /* requests are refused with the reason for so long, */
    FAILED_LOOK_US = 100000,
    FAILED_END_US = 3000000, /* requests under way may take so long to end, */
    FULL_END_US = 30000000,  /* or so long when their outcome can be recorded */
};

struct server {
    const char *conf_path;
    struct keeper_conf conf;
    struct loop *loop;
    struct signals signals;
    struct audit *audit;
    struct signer *signer;
    struct keeper *keeper;
    struct unix_listener *listener;
    struct command *command;
    struct sandbox sandbox;
    struct loop_timer failing;
    struct watchdog watchdog;
    uint64_t failed_at; /* loop_now() when the audit log was lost; 0: it was not */
    bool stopping;
    int code; /* the exit code */
};

static const struct process_program PROGRAM = {
    .name = "cention-keeperd",
    .version = PACKAGE_VERSION,
    .takes_command = true,
    .usage = "Usage: cention-keeperd [-c FILE] [-t] [-- COMMAND [ARGUMENT...]]\n"
             "Holds the access keys, writes the audit log, and signs for cention-proxyd.\n"
             "\n"
             "  -c, --config FILE  configuration (default: " DEFAULT_CONF ")\n"
             "  -t, --test         check the configuration, the keys and the audit\n"
             "                     directory, and exit\n"
             "  -h, --help         show this and exit\n"
             "  -V, --version      show the version and exit\n"
             "\n"
             "With a COMMAND: starts it when the socket is open, and ends with it.\n"
             "Exit codes: 0 done, 1 failed, 2 usage, 78 bad configuration; with a COMMAND,\n"
             "its own.\n",
};

/* -t: everything that can be checked without a trace. */
static int check(const char *path)
{
    struct keeper_conf conf = {0};
    struct keystore *keys = NULL;
    struct err err = ERR_INIT;
    int r = keeper_conf_load(&conf, path, &err);

    if (r == 0)
        r = keystore_load(&keys, conf.keys, conf.sandbox, &err);
    if (r == 0)
        r = audit_check(conf.audit_directory, &err);
    if (r == 0)
        (void)fprintf(stderr,
                      "cention-keeperd: %s: good: %zu keys from %s, audit log in %s, %zu clients, "
                      "%zu rules\n",
                      path, keystore_count(keys), conf.keys, conf.audit_directory,
                      conf.policy->clients.n, conf.policy->rules.n);
    else
        (void)process_fail(&PROGRAM, &err, 0);
    keystore_free(keys);
    keeper_conf_deinit(&conf);
    return r == 0 ? EXIT_DONE : EXIT_CONFIG;
}

/* ---- stopping and reloading ---- */

static void server_stop(struct server *s)
{
    s->stopping = true;
    service_stopping();
    loop_stop(s->loop);
}

static void on_ended(void *arg, int code, bool stopped)
{
    struct server *s = arg;

    if (s->failed_at)
        code = EXIT_FAILED;
    else if (s->stopping && stopped)
        code = EXIT_DONE;
    s->code = code;
    server_stop(s);
}

/* The command may have requests under way: the keeper serves it until it has ended. */
static void server_end(struct server *s)
{
    if (!s->command) {
        server_stop(s);
        return;
    }
    if (!s->stopping)
        service_stopping();
    s->stopping = true;
    command_stop(s->command);
}

/* ---- when the audit log can't be written ---- */

/*
 * The keeper ends, so that the next start finds out what is on the disk. Before that
 * requests are refused with the reason for a moment, and the requests under way may end: recorded
 * when the log is only full.
 */
static void on_failing(void *arg)
{
    struct server *s = arg;
    uint64_t gone = loop_now() - s->failed_at;
    uint64_t most = audit_failed(s->audit) ? FAILED_END_US : FULL_END_US;

    if (s->stopping)
        return;
    if (gone < most && (gone < FAILED_TELL_US || keeper_pending(s->keeper))) {
        loop_timer_set(&s->failing, FAILED_LOOK_US);
        return;
    }
    log_error("ending", "why=\"the audit log can't be written\" reason=\"%s\"",
              audit_state(s->audit).reason);
    server_end(s);
}

static void on_failed(void *arg)
{
    struct server *s = arg;

    s->code = EXIT_FAILED;
    s->failed_at = loop_now();
    service_status(audit_state(s->audit).reason);
    loop_timer_set(&s->failing, FAILED_LOOK_US);
}

static void on_stop_signal(evutil_socket_t number, short what, void *arg)
{
    struct server *s = arg;

    (void)what;
    log_info("stopping", "signal=%d", (int)number);
    server_end(s);
}

static void note_restart(const char *setting, const char *old, const char *new)
{
    if (strcmp(old, new) != 0)
        log_warning("restart_needed", "setting=%s used=%s configured=%s", setting, old, new);
}

static void warn_of_no_policy(const struct server *s)
{
    if (s->conf.policy->anyone)
        log_warning("no_policy",
                    "why=\"keeper.conf says clients = anyone: whatever reaches the proxy "
                    "is signed, whoever asks\"");
}

/* Takes over what can be changed while running. */
static void server_adopt(struct server *s, struct keeper_conf *conf)
{
    struct redaction_rules *fields = s->conf.fields;
    struct policy *policy = s->conf.policy;

    note_restart("socket", s->conf.socket, conf->socket);
    note_restart("audit.directory", s->conf.audit_directory, conf->audit_directory);
    if (s->conf.segment_bytes != conf->segment_bytes ||
        s->conf.segment_age_us != conf->segment_age_us ||
        !retention_same(&s->conf.retention, &conf->retention) ||
        !receipts_paths_same(&s->conf.receipts, &conf->receipts) || s->conf.quota != conf->quota ||
        s->conf.heartbeat_us != conf->heartbeat_us)
        log_warning("restart_needed", "setting=%s", "audit");
    if (s->conf.socket_mode != conf->socket_mode)
        log_warning("restart_needed", "setting=socket_mode used=%04o configured=%04o",
                    (unsigned)s->conf.socket_mode, (unsigned)conf->socket_mode);
    if (s->conf.sandbox != conf->sandbox)
        log_warning("restart_needed", "setting=%s", "sandbox");
    log_set_level(conf->log_level);
    s->conf.log_level = conf->log_level;
    free(s->conf.keys);
    s->conf.keys = conf->keys;
    conf->keys = NULL;
    audit_fields(s->audit, conf->fields);
    s->conf.fields = conf->fields;
    conf->fields = fields;
    s->conf.proxy_users = conf->proxy_users;
    keeper_reject_limit(s->keeper, conf->rejects);
    keeper_policy(s->keeper, conf->policy);
    s->conf.policy = conf->policy;
    conf->policy = policy;
    warn_of_no_policy(s);
}

static void on_reload_signal(evutil_socket_t number, short what, void *arg)
{
    struct server *s = arg;
    struct keeper_conf conf = {0};
    struct keystore *keys = NULL;
    struct err err = ERR_INIT;
    int r;

    (void)number;
    (void)what;
    service_reloading();
    r = keeper_conf_load(&conf, s->conf_path, &err);
    if (r == 0)
        r = keystore_load(&keys, conf.keys, s->conf.sandbox, &err);
    if (r == 0) {
        size_t n = keystore_count(keys);

        server_adopt(s, &conf);
        keeper_reload(s->keeper, keys);
        log_info("reloaded", "workspaces=%zu", n);
        service_ready("reloaded");
    } else {
        log_error("reload_refused", "why=\"%s\"", err.text);
        sandbox_explain(&s->sandbox, &err);
        keeper_reload_refused(s->keeper, err.text);
        service_ready("a reload was refused; the old settings are in use");
    }
    keeper_conf_deinit(&conf);
}

/* ---- starting ---- */

static void on_arrived(void *arg, int fd)
{
    struct server *s = arg;
    struct ucred cred;

    if (unix_users_may_call(&s->conf.proxy_users, fd, &cred)) {
        keeper_arrived(s->keeper, fd);
        return;
    }
    log_error("link_refused",
              "uid=%u pid=%d why=\"it is not %s; if that is the proxy's user, say so with "
              "proxy_user\"",
              (unsigned)cred.uid, (int)cred.pid, s->conf.proxy_users.text);
    (void)close(fd);
}

static int start_door(struct server *s, struct err *err)
{
    struct service_socket sockets[SERVICE_SOCKETS_MAX];
    size_t n = 0;
    int r = service_sockets(sockets, &n);

    if (r < 0)
        return err_set(err, r, "the inherited sockets can't be used: %s", strerror(-r));
    for (size_t i = 1; i < n; i++)
        (void)close(sockets[i].fd);
    if (n > 1)
        log_warning("sockets_closed", "n=%zu why=\"one is enough\"", n - 1);
    if (n > 0)
        return unix_listener_inherit(&s->listener, s->loop, sockets[0].fd, on_arrived, s, err);
    return unix_listener_open(&s->listener, s->loop, s->conf.socket, s->conf.socket_mode,
                              on_arrived, s, err);
}

/* The audit log is locked before the socket is touched: two starts at once can't both win. */
static int server_open(struct server *s, struct keystore **keys, struct err *err)
{
    struct audit_options options = {
        .segment_bytes = s->conf.segment_bytes,
        .segment_age_us = s->conf.segment_age_us,
        .retention = s->conf.retention,
        .receipts = &s->conf.receipts,
        .quota = s->conf.quota,
        .heartbeat_us = s->conf.heartbeat_us,
        .fields = s->conf.fields,
    };
    int r = loop_new(&s->loop);

    /* A write past a file size limit is an error return, not the end. */
    (void)signal(SIGXFSZ, SIG_IGN);
    if (r == 0)
        r = signals_init(&s->signals, s->loop, on_stop_signal, on_reload_signal, s);
    if (r == 0)
        r = signer_new(&s->signer);
    if (r < 0)
        return err_set(err, r, "can't start: %s", strerror(-r));
    r = audit_open(&s->audit, s->conf.audit_directory, &options, err);
    if (r == 0)
        r = start_door(s, err);
    if (r < 0)
        return r;
    r = keeper_new(&s->keeper, s->loop, s->audit, s->signer, *keys);
    if (r < 0)
        return err_set(err, r, "out of memory");
    *keys = NULL;
    loop_timer_init(&s->failing, s->loop, on_failing, s);
    keeper_reject_limit(s->keeper, s->conf.rejects);
    keeper_policy(s->keeper, s->conf.policy);
    keeper_on_failure(s->keeper, on_failed, s);
    r = audit_begin(s->audit, PACKAGE_VERSION, (uint32_t)getpid(), err);
    if (r == 0 && keeper_begin(s->keeper) < 0)
        r = err_set(err, -EIO, "%s", audit_state(s->audit).reason);
    return r;
}

static int server_run(struct server *s, const struct process_options *o, struct keystore **keys)
{
    struct err err = ERR_INIT;
    size_t n = keystore_count(*keys);
    struct audit_state state;

    if (server_open(s, keys, &err) < 0)
        return process_fail(&PROGRAM, &err, EXIT_FAILED);
    log_info("keys_loaded", "workspaces=%zu", n);
    warn_of_no_policy(s);
    log_info("listening", "address=unix:%s", s->conf.socket);
    watchdog_start(&s->watchdog, s->loop);
    if ((o->command && command_start(&s->command, s->loop, o->command, on_ended, s, &err) < 0) ||
        keeper_sandbox(&s->sandbox, &s->conf, s->conf_path,
                       s->command ? command_pid(s->command) : 0, &err) < 0) {
        s->code = process_fail(&PROGRAM, &err, EXIT_FAILED);
        loop_stop(s->loop);
    } else {
        service_ready("listening");
    }
    if (loop_run(s->loop) < 0)
        s->code = EXIT_FAILED;
    keeper_stop(s->keeper);
    state = audit_state(s->audit);
    log_info("stopped", "records=%" PRIu64 " syncs=%" PRIu64 " signatures=%" PRIu64, state.records,
             state.syncs, keeper_signatures(s->keeper));
    return s->code;
}

static void server_deinit(struct server *s)
{
    command_free(s->command);
    loop_timer_deinit(&s->failing);
    watchdog_stop(&s->watchdog);
    unix_listener_close(s->listener);
    keeper_free(s->keeper);
    audit_free(s->audit);
    signer_free(s->signer);
    signals_deinit(&s->signals);
    loop_free(s->loop);
    sandbox_deinit(&s->sandbox);
    keeper_conf_deinit(&s->conf);
}

static int serve(const struct process_options *o)
{
    struct server server = {.conf_path = o->conf};
    struct keystore *keys = NULL;
    struct err err = ERR_INIT;
    int code;

    if (keeper_conf_load(&server.conf, o->conf, &err) < 0)
        return process_fail(&PROGRAM, &err, EXIT_CONFIG);
    log_set_level(server.conf.log_level);
    if (keystore_load(&keys, server.conf.keys, server.conf.sandbox, &err) < 0 ||
        audit_check(server.conf.audit_directory, &err) < 0)
        code = process_fail(&PROGRAM, &err, EXIT_CONFIG);
    else
        code = server_run(&server, o, &keys);
    keystore_free(keys);
    server_deinit(&server);
    return code;
}

int main(int argc, char **argv)
{
    struct process_options options = {.conf = DEFAULT_CONF};
    struct err err = ERR_INIT;
    int code = process_options(&options, &PROGRAM, argc, argv);

    if (code != PROCESS_GO_ON)
        return code;
    if (process_harden(&err) < 0 || keystore_init(&err) < 0)
        return process_fail(&PROGRAM, &err, EXIT_FAILED);
    code = options.test ? check(options.conf) : serve(&options);
    keystore_done();
    return code;
}
