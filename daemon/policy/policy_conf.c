#include "policy/policy_conf.h"

#include "api/target.h"
#include "policy/path.h"
#include "users/users.h"

#include <errno.h>
#include <stdlib.h>

#define RATE_MIN 0.001
#define RATE_MAX 1e6

static int no_memory(struct err *err)
{
    return err_set(err, -ENOMEM, "out of memory");
}

/* ---- clients ---- */

static int lookup_failed(struct settings_node node, const char *setting, const char *name, int r,
                         struct err *err)
{
    if (r == -ENOMEM)
        return no_memory(err);
    if (r == -ENOENT)
        return settings_fail(node, setting, err, "there is no %s \"%.64s\" in %s", setting, name,
                             strcmp(setting, "user") == 0 ? USERS_PASSWD : USERS_GROUP);
    return settings_fail(node, setting, err, "%s \"%.64s\" can't be looked up: %s", setting, name,
                         strerror(-r));
}

static int read_uid(struct settings_node node, struct policy_client *c, struct err *err)
{
    int64_t uid = -1;
    int r = settings_integer(node, "uid", 0, CLIENT_UID_UNKNOWN - 1, &uid, err);

    if (r < 0 || uid < 0)
        return r;
    if (c->user)
        return settings_fail(node, "uid", err, "`user` says it already; give one of them");
    c->has_uid = true;
    c->uid = (uint32_t)uid;
    return 0;
}

static int read_user(struct settings_node node, struct policy_client *c, struct err *err)
{
    int r = settings_text(node, "user", &c->user, err);

    if (r == 0 && c->user && (r = users_uid(USERS_PASSWD, c->user, &c->uid)) < 0)
        return lookup_failed(node, "user", c->user, r, err);
    c->has_uid = c->user;
    if (r == 0)
        r = read_uid(node, c, err);
    if (r == 0)
        r = settings_text(node, "group", &c->group, err);
    if (r == 0 && c->group &&
        (r = users_members(USERS_PASSWD, USERS_GROUP, c->group, &c->members, &c->n_members)) < 0)
        return lookup_failed(node, "group", c->group, r, err);
    return r;
}

static int read_token(struct settings_node node, struct policy_client *c, struct err *err)
{
    const char *text = NULL;
    int r = settings_string(node, "token", &text, err);

    if (r < 0 || !text)
        return r;
    c->has_token = token_hash_read(&c->token, text);
    if (c->has_token)
        return 0;
    /* Never quoted: it may be a token. */
    if (strncmp(text, "sha256:", 7) == 0)
        return settings_fail(node, "token", err,
                             "must be \"sha256:\", 32 hexadecimal digits of salt, \":\" and 64 of "
                             "the hash, in lower case, as `cention-proxyctl token new` prints it");
    return settings_fail(
        node, "token", err,
        "is not the hash of a token: a token itself never belongs in this file. "
        "Make a new one with `cention-proxyctl token new`; if this one was in use, "
        "it has to be replaced");
}

static int read_rate(struct settings_node node, struct policy_client *c, struct err *err)
{
    double rate = 0, burst = 0;
    int r = settings_real(node, "rate", RATE_MIN, RATE_MAX, &rate, err);

    if (r == 0)
        r = settings_real(node, "burst", 1, RATE_MAX, &burst, err);
    if (r == 0 && burst > 0 && !(rate > 0))
        r = settings_fail(node, "burst", err, "says nothing without `rate`");
    rate_init(&c->rate, rate, burst);
    return r;
}

/* vouched = "kernel": the uid must not be the proxy's word. "proxy", as without it: it may be. */
static int read_vouched(struct settings_node node, bool *out, struct err *err)
{
    static const char *const WORDS[] = {"proxy", "kernel", NULL};
    unsigned word = 0;
    int r = settings_choice(node, "vouched", WORDS, &word, err);

    *out = word == 1;
    return r;
}

static int check_client(struct settings_node node, const struct policy_clients *before,
                        const struct policy_client *c, struct err *err)
{
    if (!c->name)
        return settings_fail(node, "name", err, "missing");
    if (!policy_client_name_ok(c->name))
        return settings_fail(node, "name", err, "must be 1 to %d of A-Z a-z 0-9 . _ @ -",
                             POLICY_NAME_MAX);
    if (!c->has_uid && !c->group && !c->has_token && !c->certificate)
        return settings_fail(node, "name", err,
                             "client \"%s\" has nothing to be known by: give user, uid, group, "
                             "token or certificate",
                             c->name);
    if (c->vouched && c->certificate)
        return settings_fail(node, "vouched", err,
                             "client \"%s\" can't have it and a certificate: TLS comes over TCP, "
                             "where the keeper can't ask the kernel",
                             c->name);
    for (size_t i = 0; i < before->n; i++) {
        const struct policy_client *other = &before->list[i];

        if (strcmp(other->name, c->name) == 0)
            return settings_fail(node, "name", err, "client \"%s\" is there already, in line %u",
                                 c->name, other->line);
        if (policy_client_same(other, c))
            return settings_fail(node, "name", err,
                                 "client \"%s\" is known by the same as \"%s\" in line %u, and "
                                 "would never be found",
                                 c->name, other->name, other->line);
    }
    return 0;
}

static int read_client(struct settings_node node, struct policy_clients *before,
                       struct policy_client *c, struct err *err)
{
    static const char *const KNOWN[] = {"name",        "user", "uid",   "group",   "token",
                                        "certificate", "rate", "burst", "vouched", NULL};
    int r = settings_known(node, KNOWN, err);

    c->line = settings_line(node);
    if (r == 0)
        r = settings_text(node, "name", &c->name, err);
    if (r == 0)
        r = read_user(node, c, err);
    if (r == 0)
        r = read_token(node, c, err);
    if (r == 0)
        r = settings_text(node, "certificate", &c->certificate, err);
    if (r == 0 && c->certificate && strlen(c->certificate) > REQUEST_NAME_MAX)
        r = settings_fail(node, "certificate", err, "is longer than %d bytes", REQUEST_NAME_MAX);
    if (r == 0)
        r = read_rate(node, c, err);
    if (r == 0)
        r = read_vouched(node, &c->vouched, err);
    return r == 0 ? check_client(node, before, c, err) : r;
}

/* An empty list would mean the same as no list, so it is refused. */
static int open_list(struct settings_node group, const char *name, size_t most,
                     struct settings_node *list, unsigned *n, struct err *err)
{
    int r = settings_list(group, name, list, n, err);

    if (r == 0 && list->node && *n == 0)
        r = settings_fail(group, name, err, "must not be empty");
    if (r == 0 && *n > most)
        r = settings_fail(group, name, err, "has more than %zu elements", most);
    return r;
}

static int read_anyone(struct settings_node root, bool *anyone, struct err *err)
{
    const char *word = NULL;
    int r;

    if (!settings_is_string(root, "clients"))
        return 0;
    r = settings_string(root, "clients", &word, err);
    if (r == 0 && strcmp(word, "anyone") != 0)
        r = settings_fail(root, "clients", err, "must be a list of clients, or \"anyone\"");
    *anyone = r == 0;
    return r;
}

static int read_clients(struct settings_node root, struct policy_clients *out, struct err *err)
{
    struct settings_node list;
    unsigned n = 0;
    int r = open_list(root, "clients", POLICY_CLIENTS_MAX, &list, &n, err);

    if (r < 0 || n == 0)
        return r;
    out->list = calloc(n, sizeof(*out->list));
    if (!out->list)
        return no_memory(err);
    for (unsigned i = 0; r == 0 && i < n; i++) {
        struct policy_clients before = {out->list, i};

        out->n = i + 1;
        r = read_client(settings_element(list, i), &before, &out->list[i], err);
    }
    return r;
}

/* ---- rules ---- */

/* NULL, or what is wrong with a word. */
typedef const char *word_wrong(const char *word);

static const char *workspace_wrong(const char *word)
{
    return target_workspace_ok(slice_str(word)) ? NULL : "is not a workspace's name";
}

static const char *method_wrong(const char *word)
{
    return policy_method(slice_str(word)) ? NULL : "is none of \"POST\", \"PUT\", \"DELETE\"";
}

static const char *path_wrong(const char *word)
{
    return path_pattern_ok(word)
               ? NULL
               : "is not an api-path as \"/v1/areas/:id\" (\":id\" is one number, \"*\" any one "
                 "segment)";
}

/* A word, or a list of them, none twice. */
static int read_words(struct settings_node node, const char *name, word_wrong *wrong,
                      struct policy_words *out, struct err *err)
{
    struct settings_node words;
    unsigned n = 0;
    int r = settings_strings(node, name, &words, &n, err);

    for (unsigned i = 0; r == 0 && i < n; i++) {
        const char *word = settings_string_at(words, i), *why = wrong(word);

        if (why)
            r = settings_fail(node, name, err, "\"%.64s\" %s", word, why);
        else if (policy_words_has(out, slice_str(word)))
            r = settings_fail(node, name, err, "\"%.64s\" is there twice", word);
        else if (policy_words_add(out, word) < 0)
            r = no_memory(err);
    }
    return r;
}

static int read_rule_clients(struct settings_node node, const struct policy_clients *clients,
                             struct policy_rule *rule, struct err *err)
{
    struct settings_node words;
    unsigned n = 0;
    int r = settings_strings(node, "client", &words, &n, err);

    if (r == 0 && n == 0)
        r = settings_fail(node, "client", err, "missing: a client's name, a list, or \"*\"");
    for (unsigned i = 0; r == 0 && i < n; i++) {
        const char *name = settings_string_at(words, i);
        int client = policy_clients_named(clients, name);

        if (strcmp(name, "*") == 0 && n == 1)
            rule->everyone = true;
        else if (strcmp(name, "*") == 0)
            r = settings_fail(node, "client", err, "\"*\" is everyone: it stands alone");
        else if (client < 0)
            r = settings_fail(node, "client", err, "there is no client \"%.64s\"", name);
        else if (rule->clients[client / 64] >> (client % 64) & 1)
            r = settings_fail(node, "client", err, "\"%.64s\" is there twice", name);
        else
            rule->clients[client / 64] |= UINT64_C(1) << (client % 64);
    }
    return r;
}

static int read_methods(struct settings_node node, struct policy_rule *rule, struct err *err)
{
    struct policy_words words = {0};
    int r = read_words(node, "methods", method_wrong, &words, err);

    for (size_t i = 0; i < words.n; i++) {
        rule->methods |= policy_method(words.list[i]);
        free((char *)words.list[i].data);
    }
    if (words.n == 0)
        rule->methods = POLICY_METHODS;
    free(words.list);
    return r;
}

static int read_paths(struct settings_node node, struct policy_rule *rule, struct err *err)
{
    int r = read_words(node, "paths", path_wrong, &rule->paths, err);

    if (r < 0 || rule->paths.n == 0)
        return r;
    rule->literal = calloc(rule->paths.n, sizeof(*rule->literal));
    if (!rule->literal)
        return no_memory(err);
    for (size_t i = 0; i < rule->paths.n; i++)
        rule->literal[i] = path_pattern_literal(rule->paths.list[i]);
    return 0;
}

/* { type = "array"; value = "1,2"; }: what the file has no value for, in its canonical form. */
static int read_typed(struct settings_node group, struct policy_value *v, struct err *err)
{
    static const char *const KNOWN[] = {"type", "value", NULL};
    static const char *const TYPES[] = {
        [REQUEST_STRING] = "string", [REQUEST_NUMBER] = "number", [REQUEST_BOOLEAN] = "boolean",
        [REQUEST_NULL] = "null",     [REQUEST_ARRAY] = "array",   [REQUEST_OBJECT] = "object",
        [REQUEST_TYPES] = NULL};
    const char *text = NULL;
    unsigned type = REQUEST_TYPES;
    int r = settings_known(group, KNOWN, err);

    if (r == 0)
        r = settings_choice(group, "type", TYPES, &type, err);
    if (r == 0 && type == REQUEST_TYPES)
        r = settings_fail(group, "type", err, "missing");
    if (r == 0)
        r = settings_string(group, "value", &text, err);
    if (r == 0 && !text)
        r = settings_fail(group, "value", err, "missing");
    v->type = (enum request_type)type;
    if (r == 0 && !(v->text = slice_str(strdup(text))).data)
        r = no_memory(err);
    return r;
}

static int read_value(struct settings_node values, unsigned i, struct policy_value *v,
                      struct err *err)
{
    static const enum request_type TYPES[] = {[SETTINGS_STRING] = REQUEST_STRING,
                                              [SETTINGS_NUMBER] = REQUEST_NUMBER,
                                              [SETTINGS_BOOL] = REQUEST_BOOLEAN};
    char text[SETTINGS_TEXT_MAX];
    const char *string = NULL;
    enum settings_kind kind = settings_value_at(values, i, text, &string);

    if (kind == SETTINGS_GROUP)
        return read_typed(settings_element(values, i), v, err);
    v->type = TYPES[kind];
    v->text = slice_str(strdup(string ? string : text));
    return v->text.data ? 0 : no_memory(err);
}

/* One value, or a list of them, none twice. */
static int read_values(struct settings_node node, struct policy_field *f, struct err *err)
{
    struct settings_node values;
    unsigned n = 0;
    int r = settings_values(node, "values", &values, &n, err);

    if (r < 0 || n == 0)
        return r;
    f->values = calloc(n, sizeof(*f->values));
    if (!f->values)
        return no_memory(err);
    for (unsigned i = 0; r == 0 && i < n; i++) {
        struct policy_value *v = &f->values[f->n_values++];

        r = read_value(values, i, v, err);
        for (unsigned k = 0; r == 0 && k < i; k++)
            if (f->values[k].type == v->type && slice_eq(f->values[k].text, v->text))
                r = settings_fail(node, "values", err, "\"%.64s\" is there twice", v->text.data);
    }
    return r;
}

static int read_field(struct settings_node node, const struct policy_rule *rule,
                      struct policy_field *f, struct err *err)
{
    static const char *const KNOWN[] = {"field", "values", "required", NULL};
    char *name = NULL;
    int r = settings_known(node, KNOWN, err);

    if (r == 0)
        r = settings_text(node, "field", &name, err);
    f->name = slice_str(name);
    if (r == 0 && !name)
        r = settings_fail(node, "field", err, "missing");
    if (r == 0 && (f->name.len > POLICY_FIELD_MAX || strpbrk(name, ".[]*\"")))
        r = settings_fail(node, "field", err,
                          "must be the name of a field of the body; a part of a nested value can't "
                          "be asked for");
    for (size_t i = 0; r == 0 && &rule->fields[i] != f; i++)
        if (slice_eq(rule->fields[i].name, f->name))
            r = settings_fail(node, "field", err, "\"%.64s\" is there twice", name);
    if (r == 0)
        r = read_values(node, f, err);
    if (r == 0)
        r = settings_bool(node, "required", &f->required, err);
    if (r == 0 && f->n_values == 0 && !f->required && !rule->closed)
        r = settings_fail(node, "values", err,
                          "missing; only with required = true or other_fields = false it may be");
    return r;
}

static int read_fields(struct settings_node node, struct policy_rule *rule, struct err *err)
{
    struct settings_node list;
    unsigned n = 0;
    int r = open_list(node, "fields", REQUEST_FIELDS_MAX, &list, &n, err);

    if (r < 0 || n == 0)
        return r;
    rule->fields = calloc(n, sizeof(*rule->fields));
    if (!rule->fields)
        return no_memory(err);
    for (unsigned i = 0; r == 0 && i < n; i++) {
        rule->n_fields = i + 1;
        r = read_field(settings_element(list, i), rule, &rule->fields[i], err);
    }
    return r;
}

static int read_rule(struct settings_node node, const struct policy_clients *clients,
                     struct policy_rule *rule, struct err *err)
{
    static const char *const KNOWN[] = {"client", "workspaces",   "methods", "paths",
                                        "fields", "other_fields", "vouched", NULL};
    bool others = true;
    int r = settings_known(node, KNOWN, err);

    rule->line = settings_line(node);
    if (r == 0)
        r = read_rule_clients(node, clients, rule, err);
    if (r == 0)
        r = read_words(node, "workspaces", workspace_wrong, &rule->workspaces, err);
    if (r == 0)
        r = read_methods(node, rule, err);
    if (r == 0)
        r = read_paths(node, rule, err);
    if (r == 0)
        r = settings_bool(node, "other_fields", &others, err);
    rule->closed = !others;
    if (r == 0)
        r = read_vouched(node, &rule->vouched, err);
    return r == 0 ? read_fields(node, rule, err) : r;
}

static int read_rules(struct settings_node root, const struct policy_clients *clients,
                      struct policy_rules *out, struct err *err)
{
    struct settings_node list;
    unsigned n = 0;
    int r = open_list(root, "rules", POLICY_RULES_MAX, &list, &n, err);

    if (r < 0 || n == 0)
        return r;
    if (clients->n == 0)
        return settings_fail(root, "rules", err, "there are no `clients` that they could allow");
    out->list = calloc(n, sizeof(*out->list));
    if (!out->list)
        return no_memory(err);
    for (unsigned i = 0; r == 0 && i < n; i++) {
        out->n = i + 1;
        r = read_rule(settings_element(list, i), clients, &out->list[i], err);
    }
    return r;
}

int policy_conf_read(struct settings_node root, struct policy **out, struct err *err)
{
    struct policy *policy = calloc(1, sizeof(*policy));
    int r;

    *out = NULL;
    if (!policy)
        return no_memory(err);
    r = read_anyone(root, &policy->anyone, err);
    if (r == 0 && !policy->anyone)
        r = read_clients(root, &policy->clients, err);
    if (r == 0)
        r = read_rules(root, &policy->clients, &policy->rules, err);
    if (r < 0) {
        policy_free(policy);
        return r;
    }
    *out = policy;
    return 0;
}

const char *policy_conf_missing(const struct policy *policy)
{
    if (policy->anyone || policy->clients.n)
        return NULL;
    return "missing: name who may have requests signed, as in clients = ( { name = \"crm\"; user = "
           "\"crm\"; } ); or go on with every user of this machine, as it was without this "
           "setting: "
           "clients = \"anyone\";";
}

int policy_load(struct policy **out, const char *path, struct err *err)
{
    struct settings *file = NULL;
    int r = settings_open(&file, path, err);

    *out = NULL;
    if (r == 0)
        r = policy_conf_read(settings_root(file), out, err);
    settings_free(file);
    return r;
}
