/*
 * What is known of one object (a path of a workspace) from the audited changes of it: each field's
 * last value, and who set it. Changes may be added in any order; what counts is their intents'
 * order in the log.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_HISTORY_H
#define CENTION_CTL_AUDIT_AUDIT_HISTORY_H

#include "ctl/audit/audit_facts.h"

enum audit_effect {
    AUDIT_EFFECT_DONE,  /* the upstream answered 2xx */
    AUDIT_EFFECT_NONE,  /* it refused (4xx), or nothing was sent */
    AUDIT_EFFECT_DOUBT, /* no answer, another status, or no outcome: nobody knows */
};

/* `outcome` is NULL while there is none. */
enum audit_effect audit_effect_of(const struct audit_facts *outcome);

/*
 * `fields` maps a name to {"value", "by"}, with "maybe": {"value", "by"} when a later change of
 * doubtful effect may have set it to something else. `deleted` and `maybe_deleted` are the last
 * such deletions, or NULL; what was set before a deletion is forgotten. A `by` is {"time", "seq",
 * "id", "client"}.
 */
struct audit_history {
    struct json_object *fields, *deleted, *maybe_deleted;
};

int audit_history_init(struct audit_history *h) MUST_CHECK;
void audit_history_deinit(struct audit_history *h); /* a zeroed one is allowed */

/* Adds a PUT or DELETE of the object. 0 or -ENOMEM. */
int audit_history_add(struct audit_history *h, const struct audit_facts *intent, uint64_t seq,
                      enum audit_effect effect) MUST_CHECK;

/* Who made the change, or NULL when out of memory. */
struct json_object *audit_history_by(const struct audit_facts *intent, uint64_t seq) MUST_CHECK;

/* A member of an object, or NULL. */
struct json_object *audit_history_get(struct json_object *of, const char *name);

#endif
