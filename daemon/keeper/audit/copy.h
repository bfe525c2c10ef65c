/* Copying part of a file, with its SHA-256. Blocks: at a start and for an alarm only. */
#ifndef CENTION_KEEPER_AUDIT_COPY_H
#define CENTION_KEEPER_AUDIT_COPY_H

#include "audit/chain.h"

#include <stdint.h>

/*
 * Appends bytes [offset, offset + n) of one descriptor to the other; `sha256` NULL or filled with
 * their hash. -EIO when there are fewer; -ENOMEM; what read(2) or write(2) say.
 */
int copy_bytes(int to, int from, uint64_t offset, uint64_t n, struct chain_hash *sha256)
    __attribute__((warn_unused_result));

#endif
