/*
 * What stays of retired segments: `audit-retired.jsonl` holds the header of the log's first segment
 * and every `epoch` record of segments that are gone, as they were. With it the keys, and the hash
 * before the oldest segment that is left, are still proved by the log's identity
 * (doc/audit-format.md).
 */
#ifndef CENTION_KEEPER_AUDIT_RETIRED_CHAIN_H
#define CENTION_KEEPER_AUDIT_RETIRED_CHAIN_H

#include "audit/line.h"

#define PROOF_NAME "audit-retired.jsonl"

struct proof {
    int fd;            /* -1: not open */
    uint64_t last_seq; /* of the last record in it; 0: none */
};

/* Opens or makes it durably and cuts off a torn end. 0; -EBADMSG when it is not such a file; other
 * -errno. */
int proof_open(struct proof *proof, int directory) __attribute__((warn_unused_result));

/* Appends a header or epoch record's line, unless it is in already. 0 or -errno. */
int proof_add(struct proof *proof, struct slice bytes, const struct line *line)
    __attribute__((warn_unused_result));

/* Durable and closed. 0 or -errno. */
int proof_finish(struct proof *proof) __attribute__((warn_unused_result));
void proof_close(struct proof *proof); /* a closed one is fine */

#endif
