/* A policy as text for keeper.conf, from what was seen. */
#ifndef CENTION_CTL_POLICY_POLICY_WRITE_H
#define CENTION_CTL_POLICY_POLICY_WRITE_H

#include "ctl/policy/policy_seen.h"

#include <stdio.h>

/* False when there is no client that could be known; comments may have been written then. */
bool policy_write(FILE *to, const struct policy_seen *seen);

#endif
