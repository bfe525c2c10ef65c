/* A policy from the text of a keeper.conf's part. */
#ifndef CENTION_TESTS_UNIT_POLICY_POLICY_FIXTURE_H
#define CENTION_TESTS_UNIT_POLICY_POLICY_FIXTURE_H

#include "policy/policy_conf.h"
#include "unit/unit.h"

/* 0, or what policy_conf_read says, with err filled. The caller frees the policy. */
int policy_read(struct policy **out, const char *text, struct err *err);

/* A good one. */
struct policy *policy_of(const char *text);

/* The hash of "cpt_one" with a salt of zeros, and of "cpt_two". */
#define HASH_ONE                                                                                   \
    "sha256:00000000000000000000000000000000:"                                                     \
    "f381ec99c812296d3da2be4bcade860a593b18367d55c0992b807f42332e83fd"
#define HASH_TWO                                                                                   \
    "sha256:00000000000000000000000000000000:"                                                     \
    "2f9699fa58d13652abf8684c6ec0c9feddd980dcfbea5221aa57fbcf3272e9ba"

#endif
