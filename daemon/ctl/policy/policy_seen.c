#include "ctl/policy/policy_seen.h"

#include "api/target.h"
#include "policy/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *copy_of(struct slice s)
{
    return strndup(s.data ? s.data : "", s.len);
}

/* The path with ":id" for every segment that is a number; NULL when out of memory. */
static char *general(struct slice path)
{
    char *out = malloc(2 * path.len + 5), *p = out;

    for (size_t i = 0; out && i < path.len;) {
        size_t start = ++i;
        bool number = true;

        for (; i < path.len && path.data[i] != '/'; i++)
            number = number && path.data[i] >= '0' && path.data[i] <= '9';
        *p++ = '/';
        if (number) {
            memcpy(p, ":id", 3);
            p += 3;
        } else {
            memcpy(p, path.data + start, i - start);
            p += i - start;
        }
    }
    if (out)
        *p = '\0';
    return out;
}

static bool same_client(const struct seen_client *c, struct slice name, uint32_t uid)
{
    if (c->name || name.len)
        return c->name && slice_eq(slice_str(c->name), name);
    return c->uid == uid;
}

/* Its place, or -ENOMEM. */
static ssize_t client_of(struct policy_seen *s, struct slice name, bool has_uid, uint32_t uid)
{
    struct seen_client *c = s->clients;
    size_t n = 0;

    while (n < s->n_clients && !same_client(&c[n], name, uid))
        n++;
    if (n < s->n_clients) {
        c[n].uids = c[n].uids || (has_uid && c[n].has_uid && c[n].uid != uid);
        c[n].has_uid = c[n].has_uid && has_uid;
        return (ssize_t)n;
    }
    c = reallocarray(c, n + 1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    s->clients = c;
    c[n] = (struct seen_client){.has_uid = has_uid, .uid = uid};
    if (name.len && !(c[n].name = copy_of(name)))
        return -ENOMEM;
    s->n_clients++;
    return (ssize_t)n;
}

static int compare(const struct seen_call *c, size_t client, const char *path,
                   struct slice workspace)
{
    int r = (c->client > client) - (c->client < client);

    if (r == 0)
        r = strcmp(c->path, path);
    return r ? r : slice_cmp(slice_str(c->workspace), workspace);
}

/* The first call that isn't before it. */
static size_t place_of(const struct policy_seen *s, size_t client, const char *path,
                       struct slice workspace)
{
    size_t low = 0, high = s->n_calls;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare(&s->calls[middle], client, path, workspace) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct seen_call *call_of(struct policy_seen *s, size_t client, const char *path,
                                 struct slice workspace)
{
    size_t at = place_of(s, client, path, workspace);
    struct seen_call *grown, call = {.client = client};

    if (at < s->n_calls && compare(&s->calls[at], client, path, workspace) == 0)
        return &s->calls[at];
    grown = reallocarray(s->calls, s->n_calls + 1, sizeof(*grown));
    if (!grown)
        return NULL;
    s->calls = grown;
    call.path = strdup(path);
    call.workspace = copy_of(workspace);
    if (!call.path || !call.workspace) {
        free(call.path);
        free(call.workspace);
        return NULL;
    }
    memmove(grown + at + 1, grown + at, (s->n_calls - at) * sizeof(*grown));
    grown[at] = call;
    s->n_calls++;
    return &grown[at];
}

static int add_user(struct seen_client *c, struct slice user)
{
    char *copy = !c->user && user.len ? copy_of(user) : NULL;

    if (!copy)
        return !c->user && user.len ? -ENOMEM : 0;
    if (policy_client_name_ok(copy))
        c->user = copy;
    else
        free(copy);
    return 0;
}

static int add(struct policy_seen *s, const struct audit_facts *f, struct slice name,
               const char *path)
{
    bool has_uid = f->has_uid && f->uid < CLIENT_UID_UNKNOWN;
    ssize_t client = client_of(s, name, has_uid, has_uid ? (uint32_t)f->uid : CLIENT_UID_UNKNOWN);
    struct seen_call *call;

    if (client < 0 || add_user(&s->clients[client], f->user) < 0)
        return -ENOMEM;
    call = call_of(s, (size_t)client, path, f->workspace);
    if (!call)
        return -ENOMEM;
    call->methods |= policy_method(f->method);
    call->n++;
    s->clients[client].n++;
    s->n++;
    return 0;
}

/* What the record calls the client, or what the present policy would. */
static struct slice name_of(const struct policy_seen *s, const struct audit_facts *f)
{
    struct client_identity client = {.uid = CLIENT_UID_UNKNOWN};

    if (f->name.len)
        return f->name;
    if (f->has_uid && f->uid < CLIENT_UID_UNKNOWN)
        client.uid = (uint32_t)f->uid;
    return policy_name(s->known, policy_client(s->known, &client));
}

int policy_seen_add(struct policy_seen *s, const struct audit_facts *f)
{
    struct slice name = name_of(s, f);
    char *path, *text = NULL;
    int r = 0;

    if (name.len == 0 && !(f->has_uid && f->uid < CLIENT_UID_UNKNOWN)) {
        s->anonymous++;
        return 0;
    }
    path = general(f->path);
    if (name.len)
        text = copy_of(name);
    if (!path || (name.len && !text))
        r = -ENOMEM;
    else if (!policy_method(f->method) || !target_workspace_ok(f->workspace) ||
             !target_path_ok(f->path) || !path_pattern_ok(path) ||
             (text && !policy_client_name_ok(text)))
        s->strange++;
    else
        r = add(s, f, name, path);
    free(path);
    free(text);
    return r;
}

void policy_seen_deinit(struct policy_seen *s)
{
    for (size_t i = 0; i < s->n_clients; i++) {
        free(s->clients[i].name);
        free(s->clients[i].user);
    }
    for (size_t i = 0; i < s->n_calls; i++) {
        free(s->calls[i].path);
        free(s->calls[i].workspace);
    }
    free(s->clients);
    free(s->calls);
    *s = (struct policy_seen){0};
}
