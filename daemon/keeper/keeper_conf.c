/*
 * Two settings have no default: a keeper that listens or writes in the wrong place is worse than
 * one that does not start.
 */
#include "keeper/keeper_conf.h"

#include "base/settings.h"
#include "keeper/audit/audit.h"
#include "keeper/rejects.h"
#include "policy/policy_conf.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

enum {
    SEGMENT_BYTES_MIN = 4096,
    SEGMENT_BYTES_MAX = 1024 * 1024 * 1024,
};

#define SECOND_US UINT64_C(1000000)

/* "0600": three or four octal digits, nothing for others. */
static int read_mode(struct settings_node group, const char *name, mode_t *out, struct err *err)
{
    const char *value = NULL;
    int r = settings_string(group, name, &value, err);
    size_t len;

    if (r < 0 || !value)
        return r;
    len = strlen(value);
    if (len < 3 || len > 4 || strspn(value, "01234567") != len || (len == 4 && value[0] != '0'))
        return settings_fail(group, name, err, "must be an octal mode in quotes, as \"0660\"");
    *out = (mode_t)strtoul(value, NULL, 8);
    /* Without a policy, everyone who can connect may have anything signed. */
    if (*out & 07)
        return settings_fail(group, name, err, "must give nothing to others (the last digit is 0)");
    return 0;
}

static int read_level(struct settings_node group, enum log_level *out, struct err *err)
{
    static const char *const LEVELS[] = {"error", "warning", "info", "debug", NULL};
    unsigned level = LOG_LEVEL_INFO;
    int r = settings_choice(group, "log_level", LEVELS, &level, err);

    *out = (enum log_level)level;
    return r;
}

static int read_sandbox(struct settings_node root, bool *out, struct err *err)
{
    static const char *const WORDS[] = {"enforce", "off", NULL};
    unsigned word = 0;
    int r = settings_choice(root, "sandbox", WORDS, &word, err);

    *out = word == 0;
    return r;
}

static int read_limits(struct settings_node root, unsigned *rejects, struct err *err)
{
    static const char *const KNOWN[] = {"rejects", NULL};
    struct settings_node limits;
    int64_t n = REJECTS_DEFAULT;
    int r = settings_group(root, "limits", &limits, err);

    if (r == 0 && limits.node)
        r = settings_known(limits, KNOWN, err);
    if (r == 0 && limits.node)
        r = settings_integer(limits, "rejects", 1, 1000000, &n, err);
    *rejects = (unsigned)n;
    return r;
}

/* Left out, all of it is kept as it is. */
static int read_retention(struct settings_node audit, struct retention_options *out,
                          struct err *err)
{
    int64_t segments = 0, bytes = 0;
    int r = settings_bool(audit, "compress", &out->compress, err);

    if (r == 0)
        r = settings_integer(audit, "keep_segments", 1, 1000000, &segments, err);
    if (r == 0)
        r = settings_seconds(audit, "keep_age", SECOND_US, 36600 * AUDIT_DAY_US, &out->keep_age_us,
                             err);
    if (r == 0)
        r = settings_integer(audit, "keep_bytes", SEGMENT_BYTES_MIN, INT64_MAX, &bytes, err);
    out->keep_segments = (uint64_t)segments;
    out->keep_bytes = (uint64_t)bytes;
    return r;
}

/* A path, or several. */
static int read_receipts(struct settings_node audit, struct receipts_paths *out, struct err *err)
{
    struct settings_node list;
    const char *why = NULL;
    unsigned n = 0;
    int r = settings_strings(audit, "receipts", &list, &n, err);

    for (unsigned i = 0; r == 0 && !why && i < n; i++)
        why = receipts_paths_add(out, settings_string_at(list, i));
    return why ? settings_fail(audit, "receipts", err, "%s", why) : r;
}

/* The active segment and the one before it may wait together while everything goes well. */
static int read_quota(struct settings_node audit, struct keeper_conf *out, struct err *err)
{
    int64_t bytes = 0;
    int r = settings_integer(audit, "quota", 0, INT64_MAX, &bytes, err);

    out->quota = (uint64_t)bytes;
    if (r < 0 || bytes == 0)
        return r;
    if (out->receipts.n == 0)
        return settings_fail(audit, "quota", err, "has no meaning without receipts");
    if (out->quota < 2 * out->segment_bytes)
        return settings_fail(audit, "quota", err,
                             "must be at least twice segment_bytes: whole segments are counted");
    return 0;
}

/* One element of audit.fields. */
static int read_rule(struct settings_node node, struct redaction_rules *rules, struct err *err)
{
    static const char *const KNOWN[] = {"method", "path", "field", "keep", "in", NULL};
    static const char *const KEEP[] = {
        [RECORD_PLAIN] = "plain", [RECORD_MAC] = "mac", [RECORD_OMIT] = "omit", NULL};
    struct redaction_rule_text rule = {0};
    static const char *const IN[] = {[REDACTION_REQUEST] = "request",
                                     [REDACTION_ANSWER] = "answer",
                                     [REDACTION_BOTH] = "both",
                                     NULL};
    unsigned keep = UINT_MAX, in = REDACTION_BOTH;
    const char *where, *why;
    int r = settings_known(node, KNOWN, err);

    if (r == 0)
        r = settings_string(node, "method", &rule.method, err);
    if (r == 0)
        r = settings_string(node, "path", &rule.path, err);
    if (r == 0)
        r = settings_string(node, "field", &rule.field, err);
    if (r == 0 && !rule.field)
        r = settings_fail(node, "field", err, "missing");
    if (r == 0)
        r = settings_choice(node, "keep", KEEP, &keep, err);
    if (r == 0 && keep == UINT_MAX)
        r = settings_fail(node, "keep", err, "missing: \"plain\", \"mac\" or \"omit\"");
    if (r == 0)
        r = settings_choice(node, "in", IN, &in, err);
    if (r < 0)
        return r;
    rule.keep = (enum record_keep)keep;
    rule.in = (enum redaction_in)in;
    r = redaction_rules_add(rules, &rule, &where, &why);
    return r == -EINVAL ? settings_fail(node, where, err, "%s", why) : r;
}

static int read_fields(struct settings_node audit, struct redaction_rules **out, struct err *err)
{
    struct settings_node list;
    unsigned n = 0;
    int r = settings_list(audit, "fields", &list, &n, err);

    if (r == 0)
        r = redaction_rules_new(out);
    for (unsigned i = 0; r == 0 && i < n; i++)
        r = read_rule(settings_element(list, i), *out, err);
    return r == -ENOMEM ? err_set(err, r, "out of memory") : r;
}

static int read_audit(struct settings_node root, struct keeper_conf *out, struct err *err)
{
    static const char *const KNOWN[] = {"directory", "durability", "segment_bytes", "segment_age",
                                        "heartbeat", "fields",     "compress",      "keep_segments",
                                        "keep_age",  "keep_bytes", "receipts",      "quota",
                                        NULL};
    static const char *const DURABILITY[] = {"fsync", NULL};
    struct settings_node audit;
    unsigned durability = 0;
    int64_t bytes = AUDIT_SEGMENT_BYTES;
    int r = settings_group(root, "audit", &audit, err);

    if (r == 0 && !audit.node)
        r = settings_fail(root, "audit", err, "missing");
    if (r == 0)
        r = settings_known(audit, KNOWN, err);
    if (r == 0)
        r = settings_text_required(audit, "directory", &out->audit_directory, err);
    if (r == 0)
        r = settings_choice(audit, "durability", DURABILITY, &durability, err);
    if (r == 0)
        r = settings_integer(audit, "segment_bytes", SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX, &bytes,
                             err);
    if (r == 0)
        r = settings_seconds(audit, "segment_age", 60 * SECOND_US, 366 * AUDIT_DAY_US,
                             &out->segment_age_us, err);
    if (r == 0)
        r = settings_seconds(audit, "heartbeat", SECOND_US, AUDIT_DAY_US, &out->heartbeat_us, err);
    if (r == 0)
        r = read_fields(audit, &out->fields, err);
    out->segment_bytes = (uint64_t)bytes;
    if (r == 0)
        r = read_retention(audit, &out->retention, err);
    if (r == 0)
        r = read_receipts(audit, &out->receipts, err);
    return r < 0 ? r : read_quota(audit, out, err);
}

/* Where a service manager puts the secrets that it hands to us alone (systemd.exec(5)), else /etc.
 */
static int default_keys(char **out, struct err *err)
{
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    int n = credentials && credentials[0] ? asprintf(out, "%s/keys.conf", credentials)
                                          : asprintf(out, "%s/cention-proxy/keys.conf", SYSCONFDIR);

    if (n < 0) {
        *out = NULL;
        return err_set(err, -ENOMEM, "out of memory");
    }
    return 0;
}

static int read_all(struct settings_node root, struct keeper_conf *out, struct err *err)
{
    static const char *const KNOWN[] = {"socket",  "socket_mode", "proxy_user", "keys",
                                        "audit",   "clients",     "rules",      "log_level",
                                        "sandbox", "limits",      NULL};
    int r = settings_known(root, KNOWN, err);

    if (r == 0)
        r = settings_text_required(root, "socket", &out->socket, err);
    if (r == 0)
        r = read_mode(root, "socket_mode", &out->socket_mode, err);
    if (r == 0)
        r = unix_users_read(&out->proxy_users, root, "proxy_user", "cention-proxy", err);
    if (r == 0)
        r = settings_text(root, "keys", &out->keys, err);
    if (r == 0 && !out->keys)
        r = default_keys(&out->keys, err);
    if (r == 0)
        r = read_audit(root, out, err);
    if (r == 0)
        r = policy_conf_read(root, &out->policy, err);
    if (r == 0)
        r = read_limits(root, &out->rejects, err);
    if (r == 0)
        r = read_sandbox(root, &out->sandbox, err);
    if (r == 0)
        r = read_level(root, &out->log_level, err);
    if (r == 0 && policy_conf_missing(out->policy))
        r = settings_fail(root, "clients", err, "%s", policy_conf_missing(out->policy));
    return r;
}

int keeper_conf_load(struct keeper_conf *out, const char *path, struct err *err)
{
    struct settings *settings = NULL;
    int r = settings_open(&settings, path, err);

    *out = (struct keeper_conf){.socket_mode = 0600,
                                .log_level = LOG_LEVEL_INFO,
                                .segment_age_us = AUDIT_DAY_US,
                                .heartbeat_us = AUDIT_HEARTBEAT_US};
    if (r == 0)
        r = read_all(settings_root(settings), out, err);
    settings_free(settings);
    if (r < 0)
        keeper_conf_deinit(out);
    return r;
}

void keeper_conf_deinit(struct keeper_conf *c)
{
    free(c->socket);
    free(c->keys);
    free(c->audit_directory);
    receipts_paths_deinit(&c->receipts);
    redaction_rules_free(c->fields);
    policy_free(c->policy);
    *c = (struct keeper_conf){0};
}
