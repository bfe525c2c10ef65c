/*
 * The directory of the audit log: whether it may be used, and the lock that keeps it to one keeper.
 */
#ifndef CENTION_KEEPER_AUDIT_AUDIT_DIR_H
#define CENTION_KEEPER_AUDIT_AUDIT_DIR_H

#include "base/err.h"

/* A descriptor of the checked directory, or -errno with err filled. */
int audit_dir_open(const char *path, struct err *err) __attribute__((warn_unused_result));

/* A descriptor that holds the lock while it is open. -EAGAIN when another keeper has it. */
int audit_dir_lock(int directory, const char *path, struct err *err)
    __attribute__((warn_unused_result));

#endif
