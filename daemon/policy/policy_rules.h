/*
 * What a client may do: rules that allow, and what of one a request does not meet.
 */
#ifndef CENTION_POLICY_POLICY_RULES_H
#define CENTION_POLICY_POLICY_RULES_H

#include "policy/policy_clients.h"

enum {
    POLICY_RULES_MAX = 1024,
    POLICY_FIELD_MAX = 128, /* bytes of a field's name */
    POLICY_POST = 1,        /* methods are sets of these */
    POLICY_PUT = 2,
    POLICY_DELETE = 4,
    POLICY_METHODS = 7,
};

/* Words of the configuration, owned. */
struct policy_words {
    struct slice *list;
    size_t n; /* 0: any */
};

/* One that a field may have: 1, "1" and [1] are signed alike, and are three different ones. */
struct policy_value {
    enum request_type type;
    struct slice text; /* canonical, as it is signed; owned */
};

/* Of the body's object. */
struct policy_field {
    struct slice name; /* owned */
    struct policy_value *values;
    size_t n_values; /* 0: any */
    bool required;
};

struct policy_rule {
    bool everyone; /* any known client */
    uint64_t clients[POLICY_CLIENTS_MAX / 64];
    unsigned methods;
    struct policy_words workspaces, paths;
    size_t *literal; /* of each path: path_pattern_literal */
    struct policy_field *fields;
    size_t n_fields;
    bool closed;   /* other_fields = false: the body has no field but these */
    bool vouched;  /* only where the kernel told the keeper the uid */
    unsigned line; /* in the file */
};

struct policy_rules {
    struct policy_rule *list;
    size_t n;
};

struct policy_request {
    struct slice method, workspace, path;
    uint32_t n_fields;
    const struct request_field *fields; /* names strictly ascending by bytes */
    bool vouched;                       /* client_identity.vouched */
    bool bare; /* no field and no DELETE: the signature would be that of a DELETE, too */
};

/* In the order in which it is looked at: the higher, the nearer a request came to a rule. */
enum policy_miss {
    POLICY_MISS_NOTHING, /* allowed */
    POLICY_MISS_CLIENT,
    POLICY_MISS_WORKSPACE,
    POLICY_MISS_METHOD,
    POLICY_MISS_PATH,
    POLICY_MISS_VOUCHED, /* the uid is the proxy's word */
    POLICY_MISS_FIELD,   /* a required one is not there */
    POLICY_MISS_VALUE,   /* one has a value that isn't among the rule's */
    POLICY_MISS_OTHER,   /* there is one that isn't among the rule's */
    POLICY_MISS_BARE,    /* it is bare, and no rule allows the client the DELETE */
};

/* The set that has the method alone; 0 for any other word. */
unsigned policy_method(struct slice method);

/*
 * `client` is a client's place, `method` the policy_method of the request's. *field is the one
 * meant by MISS_FIELD, _VALUE and _OTHER, valid as the rule and the request are.
 */
enum policy_miss policy_rule_miss(const struct policy_rule *rule, int client, unsigned method,
                                  const struct policy_request *request, struct slice *field);

/* Appends copies. -ENOMEM. */
int policy_words_add(struct policy_words *words, const char *word) MUST_CHECK;
bool policy_words_has(const struct policy_words *words, struct slice word);

void policy_rules_deinit(struct policy_rules *rules); /* a zeroed one is allowed */

#endif
