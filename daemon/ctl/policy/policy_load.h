/* What the tool knows of keeper.conf's policy: see policy/policy_conf.h. */
#ifndef CENTION_CTL_POLICY_POLICY_LOAD_H
#define CENTION_CTL_POLICY_POLICY_LOAD_H

#include "base/err.h"
#include "policy/policy.h"

/* `clients` and `rules` of the file alone. Negative with err filled; -ENOENT: there is no file. */
int policy_load(struct policy **out, const char *path, struct err *err) MUST_CHECK;

/* The commands of `cention-proxyctl policy` and `token`. See ctl.h. */
int policy_test_main(int argc, char **argv);
int policy_suggest_main(int argc, char **argv);
int token_new_main(int argc, char **argv);

#endif
