/*
 * `clients` and `rules` of keeper.conf, read and checked as a whole. Users and groups are looked up
 * here, and only here.
 */
#ifndef CENTION_POLICY_POLICY_CONF_H
#define CENTION_POLICY_POLICY_CONF_H

#include "base/settings.h"
#include "policy/policy.h"

/*
 * -EINVAL or -ENOMEM with err filled (file, line and setting); *out is NULL then. Without `clients`
 * the policy has none, which policy_conf_missing tells.
 */
int policy_conf_read(struct settings_node root, struct policy **out, struct err *err) MUST_CHECK;

/* Whether `clients` is not there, so that nobody may do anything: what to write, or NULL. */
const char *policy_conf_missing(const struct policy *policy);

/* The same from a file, of which nothing else is looked at. -ENOENT: there is none. */
int policy_load(struct policy **out, const char *path, struct err *err) MUST_CHECK;

#endif
