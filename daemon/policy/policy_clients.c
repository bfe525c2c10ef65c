#include "policy/policy_clients.h"

#include <stdlib.h>

bool policy_client_name_ok(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-");

    return n > 0 && n <= POLICY_NAME_MAX && name[n] == '\0';
}

static bool is_member(const struct policy_client *c, uint32_t uid)
{
    size_t low = 0, high = c->n_members;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (c->members[middle] < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->n_members && c->members[low] == uid;
}

/* All but the token. */
static bool holds(const struct policy_client *c, const struct client_identity *client)
{
    bool uid_needed = c->has_uid || c->group;

    if (uid_needed && client->uid == CLIENT_UID_UNKNOWN)
        return false;
    if (c->vouched && !client->vouched)
        return false;
    if (c->has_uid && c->uid != client->uid)
        return false;
    if (c->group && !is_member(c, client->uid))
        return false;
    return !c->certificate ||
           (client->certificate.len && slice_eq(slice_str(c->certificate), client->certificate));
}

int policy_clients_find(const struct policy_clients *clients, const struct client_identity *client)
{
    bool carries = client->token.len > 0;
    int found = POLICY_NOBODY;

    /* No early end: how long it takes says nothing of which hash was near. */
    for (size_t i = 0; i < clients->n; i++) {
        const struct policy_client *c = &clients->list[i];
        bool good = c->has_token == carries;

        if (c->has_token && carries)
            good = token_is(&c->token, client->token);
        good &= holds(c, client);
        if (good && found == POLICY_NOBODY)
            found = (int)i;
    }
    return found;
}

int policy_clients_named(const struct policy_clients *clients, const char *name)
{
    for (size_t i = 0; i < clients->n; i++)
        if (strcmp(clients->list[i].name, name) == 0)
            return (int)i;
    return POLICY_NOBODY;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool policy_client_same(const struct policy_client *first, const struct policy_client *second)
{
    const struct policy_client *a = first, *b = second;

    return (!a->vouched || b->vouched) && a->has_uid == b->has_uid &&
           (!a->has_uid || a->uid == b->uid) && same_text(a->group, b->group) &&
           same_text(a->certificate, b->certificate) && a->has_token == b->has_token &&
           (!a->has_token || memcmp(&a->token, &b->token, sizeof(a->token)) == 0);
}

void policy_clients_deinit(struct policy_clients *clients)
{
    for (size_t i = 0; i < clients->n; i++) {
        struct policy_client *c = &clients->list[i];

        free(c->name);
        free(c->user);
        free(c->group);
        free(c->members);
        free(c->certificate);
    }
    free(clients->list);
    *clients = (struct policy_clients){0};
}

void rate_init(struct rate *rate, double per_second, double burst)
{
    if (!(burst > 0))
        burst = per_second > 1 ? per_second : 1;
    *rate = (struct rate){.per_second = per_second, .burst = burst, .level = burst};
}

bool rate_take(struct rate *rate, uint64_t now_us)
{
    if (!(rate->per_second > 0))
        return true;
    if (now_us > rate->at) {
        rate->level += (double)(now_us - rate->at) * rate->per_second / 1e6;
        if (rate->level > rate->burst)
            rate->level = rate->burst;
        rate->at = now_us;
    }
    /* Rounding errors of many small steps are forgiven. */
    if (rate->level < 1 - 1e-9)
        return false;
    rate->level -= 1;
    return true;
}

void rate_continue(struct rate *rate, const struct rate *old)
{
    if (rate->per_second <= old->per_second && rate->per_second >= old->per_second &&
        rate->burst <= old->burst && rate->burst >= old->burst)
        *rate = *old;
}
