#include "proxy/proxy_conf.h"

#include "api/api.h"
#include "api/target.h"
#include "base/settings.h"
#include "wall/wire.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef CENTION_RUNDIR
#define CENTION_RUNDIR "/run/cention-proxy"
#endif

#define MS 1000ull
#define S  1000000ull

static const char *const ROOT[] = {"listen",      "admin",          "hosts",     "keeper",
                                   "keeper_user", "keeper_timeout", "workspace", "api",
                                   "validation",  "upstream",       "limits",    "signature",
                                   "log_level",   "sandbox",        "workers",   NULL};
static const char *const LISTEN[] = {"address",     "port", "path",      "mode",
                                     "certificate", "key",  "client_ca", NULL};
static const char *const UPSTREAM[] = {"url",
                                       "ca_file",
                                       "proxy",
                                       "connect_timeout",
                                       "response_timeout",
                                       "total_timeout",
                                       "max_connections",
                                       "queue",
                                       "queue_timeout",
                                       "idle_timeout",
                                       "http2",
                                       NULL};
static const char *const LIMITS[] = {
    "header_bytes",  "body_bytes",    "header_timeout", "body_timeout", "idle_timeout",
    "write_timeout", "drain_timeout", "connections",    "memory",       NULL};
static const char *const SIGNATURE[] = {"authorization", "nested", NULL};

static const char *const VALIDATION_WORDS[] = {"enforce", "warn", "off", NULL};
static const char *const AUTHORIZATION_WORDS[] = {"scheme", "literal", NULL};
static const char *const NESTED_WORDS[] = {"flatten", "json", NULL};
static const char *const SANDBOX_WORDS[] = {"enforce", "off", NULL};
static const char *const LEVEL_WORDS[] = {"error", "warning", "info", "debug", NULL};

static void set_defaults(struct proxy_conf *c)
{
    *c = (struct proxy_conf){
        .keeper = CENTION_RUNDIR "/keeper.sock",
        .keeper_timeout_us = 10 * S,
        .workspace = "",
        .upstream = {.url = "https://api.cention.com",
                     .ca_file = "",
                     .proxy = "",
                     .connect_timeout_us = 5 * S,
                     .response_timeout_us = 30 * S,
                     .queue_timeout_us = 5 * S,
                     .idle_timeout_us = 30 * S,
                     .max_connections = 64,
                     .queue = 1024,
                     .http2 = true,
                     .head_bytes = 65536},
        .limits = {.header_bytes = 16384,
                   .body_bytes = 1048576,
                   .header_timeout_us = 10 * S,
                   .body_timeout_us = 30 * S,
                   .idle_timeout_us = 60 * S,
                   .write_timeout_us = 30 * S},
        .connections = 1024,
        .memory = (size_t)128 * 1024 * 1024,
        .total_timeout_us = 120 * S,
        .drain_timeout_us = 30 * S,
        .workers = 1,
        .log_level = LOG_LEVEL_INFO,
    };
}

static int read_unsigned(struct settings_node g, const char *name, int64_t min, int64_t max,
                         unsigned *out, struct err *err)
{
    int64_t v = *out;
    int r = settings_integer(g, name, min, max, &v, err);

    *out = (unsigned)v;
    return r;
}

static int read_size(struct settings_node g, const char *name, int64_t min, int64_t max,
                     size_t *out, struct err *err)
{
    int64_t v = (int64_t)*out;
    int r = settings_integer(g, name, min, max, &v, err);

    *out = (size_t)v;
    return r;
}

static int read_mode(struct settings_node g, unsigned *mode, struct err *err)
{
    const char *text = NULL;
    char *end = NULL;
    int r = settings_string(g, "mode", &text, err);

    if (r < 0 || !text)
        return r;
    *mode = (unsigned)strtoul(text, &end, 8);
    if (end == text || *end || *mode > 0777)
        return settings_fail(g, "mode", err, "\"%.32s\" is no octal mode such as \"0660\"", text);
    return 0;
}

/* TLS needs all three of its files; a Unix socket has the kernel to tell who comes. */
static int read_tls(struct settings_node g, struct listener_conf *l, struct err *err)
{
    int r = settings_string(g, "certificate", &l->certificate, err);

    if (r == 0)
        r = settings_string(g, "key", &l->key, err);
    if (r == 0)
        r = settings_string(g, "client_ca", &l->client_ca, err);
    if (r < 0 || (!l->certificate && !l->key && !l->client_ca))
        return r;
    if (l->path)
        return settings_fail(g, "certificate", err, "a Unix socket is not spoken to in TLS");
    if (!l->certificate || !l->key || !l->client_ca)
        return settings_fail(g,
                             !l->certificate ? "certificate"
                             : !l->key       ? "key"
                                             : "client_ca",
                             err, "is missing: TLS needs certificate, key and client_ca");
    return 0;
}

static int read_listener(struct settings_node g, const char *name, struct listener_conf *l,
                         struct err *err)
{
    unsigned port = UINT_MAX;
    int r = settings_known(g, LISTEN, err);

    *l = (struct listener_conf){.name = name, .mode = 0660};
    if (r < 0 || (r = settings_string(g, "address", &l->address, err)) < 0 ||
        (r = settings_string(g, "path", &l->path, err)) < 0 ||
        (r = read_unsigned(g, "port", 0, 65535, &port, err)) < 0 ||
        (r = read_mode(g, &l->mode, err)) < 0 || (r = read_tls(g, l, err)) < 0)
        return r;
    if (!l->address == !l->path)
        return settings_fail(g, "address", err,
                             "a listener needs either an address with a port, or a path");
    if (l->path)
        return port == UINT_MAX ? 0 : settings_fail(g, "port", err, "a path has no port");
    if (port == UINT_MAX)
        return settings_fail(g, "port", err, "is missing");
    l->port = port;
    if (!l->certificate && !listener_is_loopback(l->address))
        return settings_fail(g, "address", err,
                             "\"%.64s\" is not a loopback address: others may reach it, so it "
                             "needs certificate, key and client_ca",
                             l->address);
    return 0;
}

static int read_listeners(struct proxy_conf *c, struct settings_node root, struct err *err)
{
    struct settings_node list, admin = {0};
    unsigned n;
    int r = settings_list(root, "listen", &list, &n, err);

    if (r < 0)
        return r;
    if (n > PROXY_LISTENERS_MAX)
        return settings_fail(root, "listen", err, "has more than %d listeners",
                             PROXY_LISTENERS_MAX);
    for (unsigned i = 0; i < n && r == 0; i++)
        r = read_listener(settings_element(list, i), "api", &c->listen[i], err);
    c->n_listen = n;
    if (r == 0 && n == 0) {
        c->listen[0] = (struct listener_conf){.name = "api", .address = "127.0.0.1", .port = 8080};
        c->n_listen = 1;
    }
    if (r == 0)
        r = settings_group(root, "admin", &admin, err);
    if (r == 0 && admin.node)
        r = read_listener(admin, "admin", &c->admin, err);
    if (r == 0 && c->admin.certificate)
        r = settings_fail(admin, "certificate", err,
                          "the admin listener is for this machine only, without TLS");
    return r;
}

static int default_hosts(struct proxy_conf *c)
{
    const char *address;
    char text[64];
    int r;

    if ((r = origin_hosts_add(&c->hosts, "localhost")) < 0 ||
        (r = origin_hosts_add(&c->hosts, "127.0.0.1")) < 0 ||
        (r = origin_hosts_add(&c->hosts, "[::1]")) < 0)
        return r;
    for (unsigned i = 0; i <= c->n_listen; i++) {
        address = i < c->n_listen ? c->listen[i].address : c->admin.address;
        if (!address)
            continue;
        (void)snprintf(text, sizeof(text), strchr(address, ':') ? "[%s]" : "%s", address);
        if ((r = origin_hosts_add(&c->hosts, text)) < 0)
            return r;
    }
    return 0;
}

/* After the listeners: the default names them. */
static int read_hosts(struct proxy_conf *c, struct settings_node root, struct err *err)
{
    struct settings_node hosts;
    unsigned n;
    int r = settings_strings(root, "hosts", &hosts, &n, err);

    if (r < 0)
        return r;
    if (n > ORIGIN_HOSTS_MAX)
        return settings_fail(root, "hosts", err, "has more than %d elements", ORIGIN_HOSTS_MAX);
    for (unsigned i = 0; i < n; i++)
        if (origin_hosts_add(&c->hosts, settings_string_at(hosts, i)) < 0)
            return settings_fail(root, "hosts", err,
                                 "\"%.64s\" is no host: \"name\", \"1.2.3.4\" or \"[::1]\", with "
                                 "\":port\" or without",
                                 settings_string_at(hosts, i));
    if (n == 0 && default_hosts(c) < 0)
        return settings_fail(root, "hosts", err, "must be set: the listeners have too many");
    return 0;
}

static int read_upstream(struct proxy_conf *c, struct settings_node root, struct err *err)
{
    struct upstream_conf *u = &c->upstream;
    struct settings_node g;
    int r = settings_group(root, "upstream", &g, err);

    if (r < 0 || (r = settings_known(g, UPSTREAM, err)) < 0 ||
        (r = settings_string(g, "url", &u->url, err)) < 0 ||
        (r = settings_string(g, "ca_file", &u->ca_file, err)) < 0 ||
        (r = settings_string(g, "proxy", &u->proxy, err)) < 0 ||
        (r = settings_seconds(g, "connect_timeout", 10 * MS, 300 * S, &u->connect_timeout_us,
                              err)) < 0 ||
        (r = settings_seconds(g, "response_timeout", 10 * MS, 3600 * S, &u->response_timeout_us,
                              err)) < 0 ||
        (r = settings_seconds(g, "total_timeout", 10 * MS, 86400 * S, &c->total_timeout_us, err)) <
            0 ||
        (r = settings_seconds(g, "queue_timeout", 10 * MS, 300 * S, &u->queue_timeout_us, err)) <
            0 ||
        (r = settings_seconds(g, "idle_timeout", 10 * MS, 3600 * S, &u->idle_timeout_us, err)) <
            0 ||
        (r = read_unsigned(g, "max_connections", 1, 10000, &u->max_connections, err)) < 0 ||
        (r = read_unsigned(g, "queue", 0, 100000, &u->queue, err)) < 0 ||
        (r = settings_bool(g, "http2", &u->http2, err)) < 0)
        return r;
    return 0;
}

static int read_limits(struct proxy_conf *c, struct settings_node root, struct err *err)
{
    struct client_limits *l = &c->limits;
    struct settings_node g;
    int r = settings_group(root, "limits", &g, err);

    if (r < 0 || (r = settings_known(g, LIMITS, err)) < 0 ||
        (r = read_size(g, "header_bytes", 256, INT64_C(1024) * 1024, &l->header_bytes, err)) < 0 ||
        (r = read_size(g, "body_bytes", 1, REQUEST_BODY_MAX, &l->body_bytes, err)) < 0 ||
        (r = settings_seconds(g, "header_timeout", 10 * MS, 3600 * S, &l->header_timeout_us, err)) <
            0 ||
        (r = settings_seconds(g, "body_timeout", 10 * MS, 3600 * S, &l->body_timeout_us, err)) <
            0 ||
        (r = settings_seconds(g, "idle_timeout", 10 * MS, 86400 * S, &l->idle_timeout_us, err)) <
            0 ||
        (r = settings_seconds(g, "write_timeout", 10 * MS, 3600 * S, &l->write_timeout_us, err)) <
            0 ||
        (r = settings_seconds(g, "drain_timeout", 0, 3600 * S, &c->drain_timeout_us, err)) < 0)
        return r;
    r = read_unsigned(g, "connections", 1, 100000, &c->connections, err);
    if (r == 0)
        r = read_size(g, "memory", INT64_C(1024) * 1024, SIZE_MAX / 2, &c->memory, err);
    if (r == 0 && c->memory < 2 * l->body_bytes)
        r = settings_fail(g, "memory", err, "must be at least twice body_bytes");
    return r;
}

static int read_signature(struct proxy_conf *c, struct settings_node root, struct err *err)
{
    unsigned authorization = 0, nested = 0;
    struct settings_node g;
    int r = settings_group(root, "signature", &g, err);

    if (r < 0 || (r = settings_known(g, SIGNATURE, err)) < 0 ||
        (r = settings_choice(g, "authorization", AUTHORIZATION_WORDS, &authorization, err)) < 0 ||
        (r = settings_choice(g, "nested", NESTED_WORDS, &nested, err)) < 0)
        return r;
    c->literal = authorization == 1;
    c->nested_json = nested == 1;
    return 0;
}

static int find_api(struct proxy_conf *c, struct err *err)
{
    char path[PATH_MAX];

    if (c->api)
        return 0;
    api_file_default(path);
    c->built_api = strdup(path);
    c->api = c->built_api;
    return c->api ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int read_root(struct proxy_conf *c, struct settings_node root, struct err *err)
{
    unsigned validation = 0, level = c->log_level, sandbox = 0;
    int r = settings_known(root, ROOT, err);

    if (r < 0 || (r = settings_string(root, "keeper", &c->keeper, err)) < 0 ||
        (r = unix_users_read(&c->keeper_users, root, "keeper_user", "cention-keeper", err)) < 0 ||
        (r = settings_seconds(root, "keeper_timeout", 10 * MS, 300 * S, &c->keeper_timeout_us,
                              err)) < 0 ||
        (r = settings_string(root, "workspace", &c->workspace, err)) < 0 ||
        (r = settings_string(root, "api", &c->api, err)) < 0 ||
        (r = settings_choice(root, "validation", VALIDATION_WORDS, &validation, err)) < 0 ||
        (r = settings_choice(root, "log_level", LEVEL_WORDS, &level, err)) < 0 ||
        (r = settings_choice(root, "sandbox", SANDBOX_WORDS, &sandbox, err)) < 0)
        return r;
    if ((r = read_unsigned(root, "workers", 1, PROXY_WORKERS_MAX, &c->workers, err)) < 0)
        return r;
    c->sandbox = sandbox == 0;
    c->validation = (enum proxy_validation)validation;
    c->log_level = (enum log_level)level;
    if (*c->workspace && !target_workspace_ok(slice_str(c->workspace)))
        return settings_fail(root, "workspace", err,
                             "\"%.64s\" is no workspace: letters, digits, '.', '_' and '-' only",
                             c->workspace);
    if ((r = read_listeners(c, root, err)) < 0 || (r = read_hosts(c, root, err)) < 0 ||
        (r = read_upstream(c, root, err)) < 0 || (r = read_limits(c, root, err)) < 0 ||
        (r = read_signature(c, root, err)) < 0)
        return r;
    if (c->upstream.max_connections < c->workers)
        return settings_fail(root, "workers", err,
                             "each of %u workers needs a connection to the upstream: "
                             "upstream.max_connections is %u",
                             c->workers, c->upstream.max_connections);
    return find_api(c, err);
}

int proxy_conf_load(struct proxy_conf *c, const char *path, struct err *err)
{
    int r;

    set_defaults(c);
    r = settings_open(&c->file, path, err);
    if (r < 0)
        return r;
    r = read_root(c, settings_root(c->file), err);
    if (r < 0)
        proxy_conf_deinit(c);
    return r;
}

void proxy_conf_deinit(struct proxy_conf *c)
{
    settings_free(c->file);
    free(c->built_api);
    c->file = NULL;
    c->built_api = NULL;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_listener(const struct listener_conf *a, const struct listener_conf *b)
{
    return same_text(a->address, b->address) && same_text(a->path, b->path) && a->port == b->port &&
           a->mode == b->mode;
}

bool proxy_conf_same_sockets(const struct proxy_conf *a, const struct proxy_conf *b)
{
    const struct unix_users *x = &a->keeper_users, *y = &b->keeper_users;

    if (a->n_listen != b->n_listen || x->n != y->n || memcmp(x->uid, y->uid, sizeof(x->uid)) != 0 ||
        !same_listener(&a->admin, &b->admin) || !same_text(a->keeper, b->keeper) ||
        a->keeper_timeout_us != b->keeper_timeout_us)
        return false;
    for (unsigned i = 0; i < a->n_listen; i++)
        if (!same_listener(&a->listen[i], &b->listen[i]))
            return false;
    return true;
}
