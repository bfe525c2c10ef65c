/*
 * The clients of the configuration, and which of them made a request. And the token bucket of their
 * limits.
 */
#ifndef CENTION_POLICY_POLICY_CLIENTS_H
#define CENTION_POLICY_POLICY_CLIENTS_H

#include "base/attributes.h"
#include "base/request.h"
#include "policy/token.h"

#include <stdbool.h>
#include <stdint.h>

struct rate {
    double per_second, burst; /* per_second 0: no limit */
    double level;             /* what may be taken at `at` */
    uint64_t at;
};

/* A full bucket. `burst` 0: the larger of 1 and `per_second`. */
void rate_init(struct rate *rate, double per_second, double burst);

/* Takes one; false when there is none. A clock that steps back fills nothing. */
bool rate_take(struct rate *rate, uint64_t now_us) MUST_CHECK;

/* Goes on with what `old` has left, when both have the same limits. */
void rate_continue(struct rate *rate, const struct rate *old);

enum {
    POLICY_CLIENTS_MAX = 256,
    POLICY_NAME_MAX = 64, /* bytes of a client's name */
    POLICY_NOBODY = -1,
};

/* What it gives must all hold. */
struct policy_client {
    char *name;
    bool has_uid;
    uint32_t uid;      /* of `user`, or as it is given */
    char *user;        /* as the file has it; NULL: not given */
    char *group;       /* as the file has it; NULL: not given */
    uint32_t *members; /* of the group, ascending */
    size_t n_members;
    bool has_token;
    struct token_hash token;
    char *certificate; /* NULL: not given */
    bool vouched;      /* its uid has to come from the kernel: client_identity.vouched */
    struct rate rate;
    unsigned line; /* in the file */
};

struct policy_clients {
    struct policy_client *list;
    size_t n;
};

/* One to POLICY_NAME_MAX of [A-Za-z0-9._@-], without NUL. */
bool policy_client_name_ok(const char *name);

/*
 * The first client in the file's order that a request belongs to, or POLICY_NOBODY. A request with
 * a token belongs only to clients with that token, which is compared with every client's in the
 * same time. CLIENT_UID_UNKNOWN is nobody's number.
 */
int policy_clients_find(const struct policy_clients *clients, const struct client_identity *client);

/* By its name, or POLICY_NOBODY. */
int policy_clients_named(const struct policy_clients *clients, const char *name);

/* Both are asked for by the same attributes: `second`, behind `first`, would never be found. */
bool policy_client_same(const struct policy_client *first, const struct policy_client *second);

void policy_clients_deinit(struct policy_clients *clients); /* a zeroed one is allowed */

#endif
