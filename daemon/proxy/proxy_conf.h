/*
 * proxy.conf, read and checked whole. Every error names the file, the line and the setting.
 */
#ifndef CENTION_PROXY_PROXY_CONF_H
#define CENTION_PROXY_PROXY_CONF_H

#include "base/err.h"
#include "base/log.h"
#include "proxy/front/listener.h"
#include "proxy/upstream/upstream.h"
#include "users/unix_peer.h"

enum {
    PROXY_LISTENERS_MAX = 16,
    PROXY_WORKERS_MAX = 64,
};

enum proxy_validation {
    PROXY_ENFORCE,
    PROXY_WARN,
    PROXY_OFF,
};

struct settings;

/* Strings live in `file` or are literals; proxy_conf_deinit frees them all. */
struct proxy_conf {
    struct settings *file;
    char *built_api; /* where the description was found when no setting names it */
    struct listener_conf listen[PROXY_LISTENERS_MAX];
    unsigned n_listen;
    struct listener_conf admin; /* address and path NULL: no admin listener */
    struct origin_hosts hosts;  /* that requests may name */
    const char *keeper;
    struct unix_users keeper_users; /* that may listen there */
    uint64_t keeper_timeout_us;
    const char *workspace; /* "" when paths must name theirs */
    const char *api;
    enum proxy_validation validation;
    struct upstream_conf upstream;
    uint64_t total_timeout_us; /* of a request, until its answer's last byte is here */
    struct client_limits limits;
    unsigned connections;
    size_t memory; /* bytes of all bodies under way, beside UPLOAD_FREE of each connection */
    uint64_t drain_timeout_us;
    unsigned workers; /* event loops, each a thread */
    bool literal;     /* signature.authorization = "literal" */
    bool nested_json; /* signature.nested = "json" */
    bool sandbox;     /* "enforce" */
    enum log_level log_level;
};

/* -EINVAL or the errno of opening, with err filled; *conf needs no deinit then. */
int proxy_conf_load(struct proxy_conf *conf, const char *path, struct err *err) MUST_CHECK;
void proxy_conf_deinit(struct proxy_conf *conf);

/* True when both listen, and reach the keeper, in the same way: the rest can change at run time. */
bool proxy_conf_same_sockets(const struct proxy_conf *a, const struct proxy_conf *b);

#endif
