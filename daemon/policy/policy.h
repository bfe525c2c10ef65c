/*
 * Who may do what. Nobody may do anything until the configuration names the clients, or says that
 * anyone is one. With clients and no rules every known client may do everything; with any rule
 * nobody may do anything that no rule allows.
 *
 * Nothing here allocates, blocks or reads a clock once the configuration is loaded (policy_conf.h).
 */
#ifndef CENTION_POLICY_POLICY_H
#define CENTION_POLICY_POLICY_H

#include "policy/policy_rules.h"

enum {
    POLICY_TEXT_MAX = 640, /* bytes of a sentence, terminator included; below REQUEST_TEXT_MAX */
};

struct policy {
    bool anyone; /* clients = "anyone": whoever asks may have anything signed */
    struct policy_clients clients;
    struct policy_rules rules;
};

enum policy_verdict {
    POLICY_ALLOWED,
    POLICY_UNKNOWN_CLIENT,
    POLICY_FORBIDDEN,
};

struct policy_decision {
    enum policy_verdict verdict;
    const struct policy_rule *rule; /* that allows it; or the nearest one, or NULL */
    enum policy_miss miss;          /* of the nearest one */
    struct slice field;             /* as policy_rule_miss */
};

void policy_free(struct policy *policy); /* NULL is allowed */

/* The client's place, or POLICY_NOBODY. NULL has no clients: nobody may do anything. */
int policy_client(const struct policy *policy, const struct client_identity *client);

/* The client's name; the empty slice for POLICY_NOBODY. Valid as long as the policy is. */
struct slice policy_name(const struct policy *policy, int client);

struct policy_decision policy_decide(const struct policy *policy, int client,
                                     const struct policy_request *request);

/* Counts a request against the client's limit: false when it is over. `now_us` as rate_take. */
bool policy_take(struct policy *policy, int client, uint64_t now_us) MUST_CHECK;

/* The limits go on with what the clients of the same names and limits have left. */
void policy_continue(struct policy *policy, const struct policy *old);

/* Sentences for the caller, without any secret or value: why not. */
void policy_say_unknown(char out[POLICY_TEXT_MAX], const struct policy *policy,
                        const struct client_identity *client);
void policy_say_forbidden(char out[POLICY_TEXT_MAX], const struct policy *policy, int client,
                          const struct policy_request *request, const struct policy_decision *d);
void policy_say_limit(char out[POLICY_TEXT_MAX], const struct policy *policy, int client);

#endif
