#include "ctl/policy/policy_write.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct writing {
    FILE *to;
    const struct policy_seen *seen;
    bool *done; /* of each call */
    size_t n;   /* elements of the list */
};

/* A string of libconfig's. */
static void put_string(FILE *to, const char *text)
{
    (void)fputc('"', to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            (void)fprintf(to, "\\%c", *text);
        else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            (void)fprintf(to, "\\x%02x", (unsigned char)*text);
        else
            (void)fputc(*text, to);
    }
    (void)fputc('"', to);
}

static void put_member(FILE *to, const char *name, const char *value)
{
    if (!value)
        return;
    (void)fprintf(to, " %s = ", name);
    put_string(to, value);
    (void)fputc(';', to);
}

static void begin_element(struct writing *w)
{
    (void)fputs(w->n++ ? ",\n    " : "\n    ", w->to);
}

/* ---- clients ---- */

/* Whether the name stands for another client that was seen, or is in the present policy. */
static bool taken(const struct policy_seen *s, size_t i, const char *name)
{
    if (s->known && policy_clients_named(&s->known->clients, name) >= 0)
        return true;
    for (size_t k = 0; k < s->n_clients; k++) {
        const struct seen_client *c = &s->clients[k];

        if (k != i && ((c->name && strcmp(c->name, name) == 0) ||
                       (!c->name && c->user && strcmp(c->user, name) == 0)))
            return true;
    }
    return false;
}

/* What the client is to be called. */
static void put_name(const struct writing *w, size_t i, char out[POLICY_NAME_MAX + 1])
{
    const struct seen_client *c = &w->seen->clients[i];

    if (c->name)
        (void)snprintf(out, POLICY_NAME_MAX + 1, "%s", c->name);
    else if (c->user && !taken(w->seen, i, c->user))
        (void)snprintf(out, POLICY_NAME_MAX + 1, "%s", c->user);
    else
        (void)snprintf(out, POLICY_NAME_MAX + 1, "uid-%" PRIu32, c->uid);
}

static const struct policy_client *known_as(const struct policy_seen *s,
                                            const struct seen_client *c)
{
    int at =
        s->known && c->name ? policy_clients_named(&s->known->clients, c->name) : POLICY_NOBODY;

    return at < 0 ? NULL : &s->known->clients.list[at];
}

static bool can_be_known(const struct policy_seen *s, const struct seen_client *c)
{
    return known_as(s, c) || (c->has_uid && !c->uids);
}

static void put_known(FILE *to, const struct policy_client *c)
{
    char token[TOKEN_HASH_TEXT + 1];

    put_member(to, "user", c->user);
    if (c->has_uid && !c->user)
        (void)fprintf(to, " uid = %" PRIu32 "%s;", c->uid, c->uid > INT32_MAX ? "L" : "");
    put_member(to, "group", c->group);
    if (c->has_token) {
        token_hash_text(token, &c->token);
        put_member(to, "token", token);
    }
    put_member(to, "certificate", c->certificate);
    if (c->rate.per_second > 0)
        (void)fprintf(to, " rate = %.9g; burst = %.9g;", c->rate.per_second, c->rate.burst);
}

static void put_client(struct writing *w, size_t i)
{
    const struct seen_client *c = &w->seen->clients[i];
    const struct policy_client *known = known_as(w->seen, c);
    char name[POLICY_NAME_MAX + 1];

    put_name(w, i, name);
    begin_element(w);
    (void)fprintf(w->to, "# %" PRIu64 " requests\n    { name = ", c->n);
    put_string(w->to, name);
    (void)fputc(';', w->to);
    if (known)
        put_known(w->to, known);
    else
        (void)fprintf(w->to, " uid = %" PRIu32 "%s;", c->uid, c->uid > INT32_MAX ? "L" : "");
    (void)fputs(" }", w->to);
}

/* ---- rules ---- */

/* The next call after `from` of the same client, workspace and methods as `like`; or n_calls. */
static size_t next_like(const struct policy_seen *s, size_t from, const struct seen_call *like)
{
    for (; from < s->n_calls; from++)
        if (s->calls[from].client == like->client && s->calls[from].methods == like->methods &&
            strcmp(s->calls[from].workspace, like->workspace) == 0)
            return from;
    return from;
}

/* Whether with these methods the same paths were called in both workspaces. */
static bool same_paths(const struct policy_seen *s, const struct seen_call *a,
                       const struct seen_call *b)
{
    size_t i = next_like(s, 0, a), k = next_like(s, 0, b);

    while (i < s->n_calls && k < s->n_calls && strcmp(s->calls[i].path, s->calls[k].path) == 0) {
        i = next_like(s, i + 1, a);
        k = next_like(s, k + 1, b);
    }
    return i == s->n_calls && k == s->n_calls;
}

/* Marks all calls like this one as done, and adds them up. */
static uint64_t take_all(struct writing *w, const struct seen_call *like)
{
    const struct policy_seen *s = w->seen;
    uint64_t n = 0;

    for (size_t i = next_like(s, 0, like); i < s->n_calls; i = next_like(s, i + 1, like)) {
        w->done[i] = true;
        n += s->calls[i].n;
    }
    return n;
}

/* The workspaces of the rule that begins with call `at`, into `to`; takes their calls. */
static uint64_t put_workspaces(struct writing *w, size_t at, FILE *to)
{
    const struct policy_seen *s = w->seen;
    const struct seen_call *like = &s->calls[at];
    uint64_t n = take_all(w, like);

    put_string(to, like->workspace);
    for (size_t i = at + 1; i < s->n_calls; i++) {
        const struct seen_call *other = &s->calls[i];

        if (w->done[i] || other->client != like->client || other->methods != like->methods ||
            !same_paths(s, like, other))
            continue;
        n += take_all(w, other);
        (void)fputs(", ", to);
        put_string(to, other->workspace);
    }
    return n;
}

static void put_methods(FILE *to, unsigned methods)
{
    static const char *const WORDS[] = {"POST", "PUT", "DELETE"};
    const char *comma = "";

    for (unsigned i = 0; i < 3; i++) {
        if (!(methods >> i & 1))
            continue;
        (void)fprintf(to, "%s\"%s\"", comma, WORDS[i]);
        comma = ", ";
    }
}

/* False when out of memory. */
static bool put_rule(struct writing *w, size_t at)
{
    const struct policy_seen *s = w->seen;
    const struct seen_call *like = &s->calls[at];
    char name[POLICY_NAME_MAX + 1], *workspaces = NULL;
    size_t size = 0;
    FILE *text = open_memstream(&workspaces, &size);
    uint64_t n = text ? put_workspaces(w, at, text) : 0;

    if (!text || fclose(text) != 0) {
        free(workspaces);
        return false;
    }
    put_name(w, like->client, name);
    begin_element(w);
    (void)fprintf(w->to, "# %" PRIu64 " requests\n    { client = ", n);
    put_string(w->to, name);
    (void)fprintf(w->to, "; workspaces = ( %s ); methods = ( ", workspaces);
    put_methods(w->to, like->methods);
    (void)fputs(" );\n      paths = ( ", w->to);
    for (size_t i = next_like(s, 0, like), k = 0; i < s->n_calls; i = next_like(s, i + 1, like)) {
        (void)fputs(k++ ? ",\n                " : "", w->to);
        put_string(w->to, s->calls[i].path);
    }
    (void)fputs(" ); }", w->to);
    free(workspaces);
    return true;
}

static bool put_rules(struct writing *w)
{
    const struct policy_seen *s = w->seen;

    for (size_t i = 0; i < s->n_calls; i++)
        if (!w->done[i] && can_be_known(s, &s->clients[s->calls[i].client]) && !put_rule(w, i))
            return false;
    return true;
}

static void put_remarks(FILE *to, const struct policy_seen *s)
{
    (void)fprintf(to,
                  "# What %" PRIu64 " requests did that the upstream answered 2xx. Both lists take "
                  "the place of\n# those in keeper.conf; look at them first.\n",
                  s->n);
    if (s->anonymous)
        (void)fprintf(to,
                      "# %" PRIu64 " more requests had no name and no uid: their clients need a "
                      "token (cention-proxyctl token new).\n",
                      s->anonymous);
    if (s->strange)
        (void)fprintf(to, "# %" PRIu64 " more requests were such that no rule can be written.\n",
                      s->strange);
    for (size_t i = 0; i < s->n_clients; i++)
        if (!can_be_known(s, &s->clients[i]))
            (void)fprintf(to,
                          "# Not here: client \"%s\" (%" PRIu64 " requests). keeper.conf has no "
                          "such client, and no one uid is its own.\n",
                          s->clients[i].name, s->clients[i].n);
}

bool policy_write(FILE *to, const struct policy_seen *seen)
{
    struct writing w = {.to = to, .seen = seen};
    bool written = false;

    put_remarks(to, seen);
    for (size_t i = 0; i < seen->n_clients; i++)
        written = written || can_be_known(seen, &seen->clients[i]);
    if (!written)
        return false;
    w.done = calloc(seen->n_calls, sizeof(*w.done));
    if (!w.done)
        return false;
    (void)fputs("clients = (", to);
    for (size_t i = 0; i < seen->n_clients; i++)
        if (can_be_known(seen, &seen->clients[i]))
            put_client(&w, i);
    (void)fputs("\n);\nrules = (", to);
    w.n = 0;
    written = put_rules(&w);
    (void)fputs("\n);\n", to);
    free(w.done);
    return written;
}
