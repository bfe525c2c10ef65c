/*
 * Who asks, in the words of the wall: what the kernel tells of the connection, and the token that
 * the request carries. The token goes to the keeper and nowhere else.
 */
#ifndef CENTION_PROXY_IDENTIFY_H
#define CENTION_PROXY_IDENTIFY_H

#include "proxy/front/client.h"
#include "wall/wire.h"

enum {
    IDENTIFY_TOKEN_MAX = 128, /* bytes of a token */
};

/*
 * A request may carry one token, as `Authorization: Bearer TOKEN` (RFC 6750, 2.1) or as
 * `X-Cention-Token: TOKEN`; a token is 1 to IDENTIFY_TOKEN_MAX bytes of token68 (RFC 9110, 11.2).
 * False, with *why naming the field and never its value, when there are two or a malformed one.
 * An Authorization field of another scheme is no business of ours, and is not passed on.
 */
bool identify_check(const struct http_head *head, struct refusal *why);

/*
 * What is known now; the peer of a TCP connection is looked up again. The slices point into the
 * client and the head, and live as long. `head` is NULL when there is no well-formed one.
 */
struct client_identity identify_client(struct client *client, const struct http_head *head);

#endif
