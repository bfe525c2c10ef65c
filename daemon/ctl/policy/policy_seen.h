/*
 * Which calls each client made successfully, with the numbers in their paths made general.
 */
#ifndef CENTION_CTL_POLICY_POLICY_SEEN_H
#define CENTION_CTL_POLICY_POLICY_SEEN_H

#include "ctl/audit/audit_facts.h"
#include "policy/policy.h"

struct seen_client {
    char *name;   /* in the records, or by `known`; NULL: known by its uid alone */
    char *user;   /* as a client's name could be; NULL: not known */
    bool has_uid; /* of every record */
    bool uids;    /* there were different ones */
    uint32_t uid;
    uint64_t n; /* requests */
};

struct seen_call {
    size_t client; /* its place */
    char *path, *workspace;
    unsigned methods; /* policy_method */
    uint64_t n;       /* requests */
};

struct policy_seen {
    const struct policy *known; /* the present one, or NULL */
    struct seen_client *clients;
    struct seen_call *calls; /* ordered by client, path, workspace */
    size_t n_clients, n_calls;
    uint64_t n;         /* requests that are in them */
    uint64_t anonymous; /* that have neither a name nor a uid */
    uint64_t strange;   /* that no rule could be written for */
};

/* Adds an intent that was done. 0 or -ENOMEM. */
int policy_seen_add(struct policy_seen *seen, const struct audit_facts *intent) MUST_CHECK;
void policy_seen_deinit(struct policy_seen *seen); /* a zeroed one is allowed */

#endif
