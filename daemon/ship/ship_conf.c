#include "ship/ship_conf.h"

#include "audit/receipt.h"
#include "base/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

enum {
    HOST_MAX = 253, /* bytes of a name (RFC 1035, 2.3.4) */
    STREAM_MAX = 32,
};

static const char *const ROOT[] = {"audit", "state",     "host",    "admin", "gather",
                                   "sinks", "log_level", "sandbox", NULL};
static const char *const POSTGRESQL[] = {"name",     "type",    "url", "receipt",
                                         "passfile", "standby", NULL};
static const char *const NATS[] = {"name",     "type",        "url", "stream",
                                   "replicas", "credentials", "ca",  NULL};

/* It goes into headers and tables as it is. */
static bool is_host(const char *name)
{
    return slice_is_name(slice_str(name), HOST_MAX, "-_.");
}

static int read_host(struct settings_node root, char **out, struct err *err)
{
    char own[HOST_MAX + 1] = "";
    int r = settings_text(root, "host", out, err);

    if (r == 0 && !*out) {
        if (gethostname(own, sizeof(own) - 1) < 0 || !is_host(own))
            return settings_fail(root, "host", err, "missing, and the machine has no usable name");
        *out = strdup(own);
        r = *out ? 0 : err_set(err, -ENOMEM, "out of memory");
    } else if (r == 0 && !is_host(*out)) {
        r = settings_fail(root, "host", err, "must be of letters, digits, '.', '-' and '_'");
    }
    return r;
}

static int read_postgresql(struct settings_node node, struct ship_sink_conf *out, struct err *err)
{
    int r = settings_known(node, POSTGRESQL, err);

#ifndef CENTION_POSTGRESQL
    if (r == 0)
        r = settings_fail(node, "type", err, "this build is without PostgreSQL");
#endif
    out->standby = true;
    if (r == 0)
        r = settings_bool(node, "receipt", &out->receipt, err);
    if (r == 0)
        r = settings_bool(node, "standby", &out->standby, err);
    return r < 0 ? r : settings_text(node, "passfile", &out->passfile, err);
}

/* The server's rules for stream names, and what it adds must have room. */
static bool is_stream(const char *name)
{
    size_t n = strlen(name);

    return n <= STREAM_MAX && receipt_name(slice_of(name, n));
}

static int read_nats(struct settings_node node, struct ship_sink_conf *out, struct err *err)
{
    bool given = false;
    int64_t replicas = 3;
    int r;

    /* Told before the list of what is known: someone may well think that it can be. */
    r = settings_bool(node, "receipt", &given, err);
    if (r == 0 && given)
        r = settings_fail(node, "receipt", err,
                          "a stream's acknowledgement is no archive receipt; only a sink of type "
                          "\"postgresql\" may have it");
    if (r == 0)
        r = settings_known(node, NATS, err);
#ifndef CENTION_NATS
    if (r == 0)
        r = settings_fail(node, "type", err, "this build is without NATS");
#endif
    if (r == 0)
        r = settings_text(node, "stream", &out->stream, err);
    if (r == 0 && !out->stream) {
        out->stream = strdup("CENTION_AUDIT");
        r = out->stream ? 0 : err_set(err, -ENOMEM, "out of memory");
    }
    if (r == 0 && !is_stream(out->stream))
        r = settings_fail(node, "stream", err,
                          "must be of letters, digits, '-' and '_', at most %d of them",
                          STREAM_MAX);
    if (r == 0)
        r = settings_integer(node, "replicas", 1, 5, &replicas, err);
    out->replicas = (unsigned)replicas;
    if (r == 0)
        r = settings_text(node, "credentials", &out->credentials, err);
    return r < 0 ? r : settings_text(node, "ca", &out->ca, err);
}

static int read_name(struct settings_node node, const struct ship_conf *all,
                     struct ship_sink_conf *out, struct err *err)
{
    int r = settings_text_required(node, "name", &out->name, err);

    if (r < 0)
        return r;
    if (!receipt_name(slice_str(out->name)))
        return settings_fail(node, "name", err,
                             "must be of letters, digits, '-' and '_', at most %d of them",
                             RECEIPT_NAME);
    for (unsigned i = 0; i < all->n_sinks; i++)
        if (strcmp(all->sinks[i].name, out->name) == 0)
            return settings_fail(node, "name", err, "\"%s\" is the sink of line %u, too", out->name,
                                 all->sinks[i].line);
    return 0;
}

static int read_sink(struct settings_node node, struct ship_conf *all, struct err *err)
{
    static const char *const TYPES[] = {
        [SHIP_POSTGRESQL] = "postgresql", [SHIP_NATS] = "nats", NULL};
    struct ship_sink_conf *out = &all->sinks[all->n_sinks];
    unsigned type = SHIP_SINKS_MAX;
    int r = read_name(node, all, out, err);

    out->line = settings_line(node);
    all->n_sinks++; /* so that what it holds is given back */
    if (r == 0)
        r = settings_choice(node, "type", TYPES, &type, err);
    if (r == 0 && type == SHIP_SINKS_MAX)
        r = settings_fail(node, "type", err, "missing: \"postgresql\" or \"nats\"");
    if (r < 0)
        return r;
    out->type = (enum ship_sink_type)type;
    r = type == SHIP_POSTGRESQL ? read_postgresql(node, out, err) : read_nats(node, out, err);
    return r < 0 ? r : settings_text_required(node, "url", &out->url, err);
}

static int read_sinks(struct settings_node root, struct ship_conf *out, struct err *err)
{
    struct settings_node list;
    unsigned n = 0;
    int r = settings_list(root, "sinks", &list, &n, err);

    if (r == 0 && n == 0)
        r = settings_fail(root, "sinks", err, "missing: there is nothing to do without one");
    if (r == 0 && n > SHIP_SINKS_MAX)
        r = settings_fail(root, "sinks", err, "at most %d", SHIP_SINKS_MAX);
    for (unsigned i = 0; r == 0 && i < n; i++)
        r = read_sink(settings_element(list, i), out, err);
    return r;
}

/* Who may write in the one may write in all below it. */
static int check_apart(struct settings_node root, const struct ship_conf *c, struct err *err)
{
    size_t n = strlen(c->state);

    while (n > 0 && c->state[n - 1] == '/')
        n--;
    if (strncmp(c->audit, c->state, n) == 0 && (c->audit[n] == '/' || c->audit[n] == '\0'))
        return settings_fail(root, "state", err, "must not hold the audit folder");
    return 0;
}

static int read_all(struct settings_node root, struct ship_conf *out, struct err *err)
{
    static const char *const LEVELS[] = {"error", "warning", "info", "debug", NULL};
    static const char *const WORDS[] = {"enforce", "off", NULL};
    unsigned level = LOG_LEVEL_INFO, word = 0;
    int r = settings_known(root, ROOT, err);

    if (r == 0)
        r = settings_text_required(root, "audit", &out->audit, err);
    if (r == 0)
        r = settings_text_required(root, "state", &out->state, err);
    if (r == 0)
        r = check_apart(root, out, err);
    if (r == 0)
        r = read_host(root, &out->host, err);
    if (r == 0)
        r = settings_text(root, "admin", &out->admin, err);
    if (r == 0)
        r = settings_seconds(root, "gather", 0, 10 * UINT64_C(1000000), &out->delay_us, err);
    if (r == 0)
        r = settings_choice(root, "sandbox", WORDS, &word, err);
    if (r == 0)
        r = settings_choice(root, "log_level", LEVELS, &level, err);
    if (r == 0)
        r = read_sinks(root, out, err);
    out->sandbox = word == 0;
    out->log_level = (enum log_level)level;
    return r;
}

int ship_conf_load(struct ship_conf *out, const char *path, struct err *err)
{
    struct settings *settings = NULL;
    int r = settings_open(&settings, path, err);

    *out = (struct ship_conf){.delay_us = 50000};
    if (r == 0)
        r = read_all(settings_root(settings), out, err);
    settings_free(settings);
    if (r < 0)
        ship_conf_deinit(out);
    return r;
}

void ship_conf_deinit(struct ship_conf *c)
{
    for (unsigned i = 0; i < c->n_sinks; i++) {
        struct ship_sink_conf *s = &c->sinks[i];

        free(s->name);
        free(s->url);
        free(s->passfile);
        free(s->stream);
        free(s->credentials);
        free(s->ca);
    }
    free(c->audit);
    free(c->state);
    free(c->host);
    free(c->admin);
    *c = (struct ship_conf){0};
}
