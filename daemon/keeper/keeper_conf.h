/*
 * keeper.conf: the keeper's settings, read and checked as a whole.
 */
#ifndef CENTION_KEEPER_KEEPER_CONF_H
#define CENTION_KEEPER_KEEPER_CONF_H

#include "base/err.h"
#include "base/log.h"
#include "keeper/audit/receipts.h"
#include "keeper/audit/retention.h"
#include "keeper/redaction/redaction_rules.h"
#include "policy/policy.h"
#include "users/unix_peer.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct keeper_conf {
    char *socket;                  /* path of the Unix socket */
    mode_t socket_mode;            /* its permissions; never any for others */
    struct unix_users proxy_users; /* that may connect there */
    char *keys;                    /* path of the keys file */
    char *audit_directory;
    struct retention_options retention;
    struct receipts_paths receipts; /* that retiring waits for; owned */
    uint64_t quota;                 /* bytes that may wait for them; 0: any number */
    uint64_t segment_bytes;         /* of the audit log, before it goes on in a new file */
    uint64_t segment_age_us;        /* microseconds; as that */
    uint64_t heartbeat_us;          /* microseconds; the audit log is signed at least this often */
    struct redaction_rules *fields; /* how the audit log keeps field values; owned, never NULL */
    struct policy *policy;          /* who may do what; owned, never NULL */
    unsigned rejects;               /* records of a user's refusals in a second */
    bool sandbox;                   /* "enforce" */
    enum log_level log_level;
};

/*
 * Reads a file into a zeroed *out. -EINVAL or the open's errno with err filled (file, line and
 * setting); nothing is held then.
 */
int keeper_conf_load(struct keeper_conf *out, const char *path, struct err *err) MUST_CHECK;
void keeper_conf_deinit(struct keeper_conf *conf);

#endif
