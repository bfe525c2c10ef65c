/*
 * Whether a request is to be signed: who asks, what the policy says of it, and with which key.
 */
#ifndef CENTION_KEEPER_AUTHORIZE_H
#define CENTION_KEEPER_AUTHORIZE_H

#include "keeper/keystore.h"
#include "policy/policy.h"
#include "users/unix_peer.h"
#include "wall/wire.h"

struct authorization {
    enum wire_reason reason; /* 0: it is signed */
    char text[POLICY_TEXT_MAX];
};

/*
 * The client's place in the policy, or POLICY_NOBODY. Puts its name into client->name, whatever the
 * proxy wrote there: valid as long as the policy is. With the client's socket, the kernel is asked
 * who connected: then uid and pid are its answer, and `vouched` is set. Without one, or where the
 * socket is not that of a client that is still there, they stay the proxy's word.
 */
int authorize_client(const struct policy *policy, const struct user_map *users,
                     struct client_identity *client);

/*
 * Of a well-formed request (check_sign): fills *out, and *key when it is signed. Counts it against
 * the client's limit when nothing else is against it.
 */
void authorize_request(struct authorization *out, struct policy *policy, int client,
                       const struct keystore *keys, const struct sign_request *sign,
                       const struct keystore_key **key);

/* The reject record of a request that isn't signed; borrows what it is given. */
struct reject_request authorize_record(const struct sign_request *sign, enum wire_reason reason,
                                       const char *text);

/*
 * A refusal of the proxy's for the request's path, kind or body, whose client is nobody that the
 * policy knows: it becomes a 401 that tells none of that, with its sentence in `text`. False, and
 * nothing is changed, for any other.
 */
bool authorize_hides(const struct policy *policy, int client, struct reject_request *reject,
                     char text[POLICY_TEXT_MAX]);

void authorize_log(const struct reject_request *reject); /* one that is refused here */

/*
 * What a request to sign must look like, whoever asks. The proxy has checked the same, so anything
 * else means that it has a defect or is in the wrong hands.
 */

/*
 * NULL, or a static sentence: the request id, the method (POST, PUT, DELETE), the workspace or the
 * api-path is out of its grammar, names don't ascend strictly, or names or values aren't UTF-8.
 */
const char *check_sign(const struct sign_request *sign) MUST_CHECK;

#endif
