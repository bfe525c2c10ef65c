#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SHOWN_PATH = 256, /* bytes of a path in a sentence */
};

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    policy_clients_deinit(&policy->clients);
    policy_rules_deinit(&policy->rules);
    free(policy);
}

int policy_client(const struct policy *policy, const struct client_identity *client)
{
    return policy ? policy_clients_find(&policy->clients, client) : POLICY_NOBODY;
}

struct slice policy_name(const struct policy *policy, int client)
{
    return policy && client >= 0 ? slice_str(policy->clients.list[client].name) : SLICE_NULL;
}

static struct policy_decision decide_by_rules(const struct policy *policy, int client,
                                              unsigned method, const struct policy_request *request)
{
    struct policy_decision d = {.verdict = POLICY_FORBIDDEN};

    for (size_t i = 0; i < policy->rules.n; i++) {
        const struct policy_rule *rule = &policy->rules.list[i];
        struct slice field = SLICE_NULL;
        enum policy_miss miss = policy_rule_miss(rule, client, method, request, &field);

        if (miss == POLICY_MISS_NOTHING)
            return (struct policy_decision){.verdict = POLICY_ALLOWED, .rule = rule};
        if (miss > d.miss)
            d = (struct policy_decision){.rule = rule, .miss = miss, .field = field};
    }
    d.verdict = POLICY_FORBIDDEN;
    return d;
}

struct policy_decision policy_decide(const struct policy *policy, int client,
                                     const struct policy_request *request)
{
    struct policy_decision d = {.verdict = POLICY_ALLOWED};
    unsigned method = policy_method(request->method);

    if (policy && policy->anyone)
        return d;
    if (!policy || client < 0) {
        d.verdict = POLICY_UNKNOWN_CLIENT;
        return d;
    }
    if (policy->rules.n == 0)
        return d;
    d = decide_by_rules(policy, client, method, request);
    if (d.verdict == POLICY_ALLOWED && request->bare) {
        struct policy_request as_delete = *request;

        as_delete.method = SLICE_LIT("DELETE");
        if (decide_by_rules(policy, client, POLICY_DELETE, &as_delete).verdict != POLICY_ALLOWED)
            d = (struct policy_decision){
                .verdict = POLICY_FORBIDDEN, .rule = d.rule, .miss = POLICY_MISS_BARE};
    }
    return d;
}

bool policy_take(struct policy *policy, int client, uint64_t now_us)
{
    return !policy || client < 0 || rate_take(&policy->clients.list[client].rate, now_us);
}

void policy_continue(struct policy *policy, const struct policy *old)
{
    for (size_t i = 0; policy && old && i < policy->clients.n; i++) {
        struct policy_client *c = &policy->clients.list[i];
        int was = policy_clients_named(&old->clients, c->name);

        if (was >= 0)
            rate_continue(&c->rate, &old->clients.list[was].rate);
    }
}

/* Whether it would be a client if the kernel vouched for its uid. */
static bool known_if_vouched(const struct policy *policy, const struct client_identity *client)
{
    struct client_identity vouched = *client;

    vouched.vouched = true;
    return policy_client(policy, &vouched) != POLICY_NOBODY;
}

void policy_say_unknown(char out[POLICY_TEXT_MAX], const struct policy *policy,
                        const struct client_identity *client)
{
    if (!client->vouched && known_if_vouched(policy, client))
        (void)snprintf(out, POLICY_TEXT_MAX,
                       "it is a known client only over the Unix socket, where the kernel vouches "
                       "for its uid");
    else if (client->token.len)
        (void)snprintf(out, POLICY_TEXT_MAX,
                       "the token is no client's, or not that of whoever sent it");
    else if (client->uid != CLIENT_UID_UNKNOWN)
        (void)snprintf(out, POLICY_TEXT_MAX, "uid %u without a token is none of the known clients",
                       client->uid);
    else
        (void)snprintf(out, POLICY_TEXT_MAX,
                       "none of the known clients: no token came, and the uid is not known");
}

/* The name is the client's own, of any length. */
static void say_other(char *out, size_t size, struct slice field)
{
    if (field.len <= POLICY_FIELD_MAX)
        (void)snprintf(out, size, " with the field %.*s", (int)field.len,
                       field.len ? field.data : "");
    else
        (void)snprintf(out, size, " with another field than those of the rule");
}

void policy_say_forbidden(char out[POLICY_TEXT_MAX], const struct policy *policy, int client,
                          const struct policy_request *request, const struct policy_decision *d)
{
    struct slice name = policy_name(policy, client), path = slice_cut(request->path, SHOWN_PATH);
    int n = snprintf(out, POLICY_TEXT_MAX, "client %.*s may not %.*s %.*s%s in workspace %.*s",
                     (int)name.len, name.data, (int)request->method.len, request->method.data,
                     (int)path.len, path.data, path.len < request->path.len ? "..." : "",
                     (int)request->workspace.len, request->workspace.data);

    if (n < 0 || n >= POLICY_TEXT_MAX)
        return;
    if (d->miss == POLICY_MISS_FIELD)
        (void)snprintf(out + n, (size_t)(POLICY_TEXT_MAX - n), " without the field %.*s",
                       (int)d->field.len, d->field.data);
    else if (d->miss == POLICY_MISS_VALUE)
        (void)snprintf(out + n, (size_t)(POLICY_TEXT_MAX - n), " with this value of the field %.*s",
                       (int)d->field.len, d->field.data);
    else if (d->miss == POLICY_MISS_OTHER)
        say_other(out + n, (size_t)(POLICY_TEXT_MAX - n), d->field);
    else if (d->miss == POLICY_MISS_VOUCHED)
        (void)snprintf(out + n, (size_t)(POLICY_TEXT_MAX - n),
                       " but over the Unix socket, where the kernel vouches for the uid");
    else if (d->miss == POLICY_MISS_BARE)
        (void)snprintf(
            out + n, (size_t)(POLICY_TEXT_MAX - n),
            " without a field: the signature would be that of a DELETE, too, which it may "
            "not; send a field");
}

void policy_say_limit(char out[POLICY_TEXT_MAX], const struct policy *policy, int client)
{
    struct slice name = policy_name(policy, client);
    const struct rate *rate = &policy->clients.list[client].rate;

    (void)snprintf(out, POLICY_TEXT_MAX,
                   "client %.*s is over its limit of %g requests a second (%g at once)",
                   (int)name.len, name.data, rate->per_second, rate->burst);
}
