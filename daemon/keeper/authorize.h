/*
 * Whether a request is to be signed: who asks, what the policy says of it, and with which key.
 */
#ifndef CENTION_KEEPER_AUTHORIZE_H
#define CENTION_KEEPER_AUTHORIZE_H

#include "keeper/keystore.h"
#include "policy/policy.h"

struct permit {
    enum wire_reason reason; /* 0: it is signed */
    char text[POLICY_TEXT_MAX];
};

/*
 * The client's place in the policy, or POLICY_NOBODY. Puts its name into who->name, whatever the
 * proxy wrote there: valid as long as the policy is.
 */
int permit_who(const struct policy *policy, struct wire_client *who);

/*
 * Of a well-formed request (check_sign): fills *out, and *key when it is signed. Counts it against
 * the client's limit when nothing else is against it.
 */
void permit_request(struct permit *out, struct policy *policy, int who, const struct keystore *keys,
                    const struct wire_sign *sign, const struct keystore_key **key);

/* The reject record of a request that isn't signed; borrows what it is given. */
struct wire_reject permit_record(const struct wire_sign *sign, enum wire_reason reason,
                                 const char *text);
void permit_log(const struct wire_sign *sign, const char *text);

#endif
