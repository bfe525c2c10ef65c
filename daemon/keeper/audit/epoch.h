/*
 * The private keys of the audit log's epochs. Each epoch has its own; it lives in one file,
 * `.epoch-<number>.key` of the audit directory (32 bytes, owner only), and in OpenSSL's secure
 * heap. After its last signature, over its successor's public half, it is erased from both: who
 * takes over the machine later can't sign for what was before.
 */
#ifndef CENTION_KEEPER_AUDIT_EPOCH_H
#define CENTION_KEEPER_AUDIT_EPOCH_H

#include "audit/seal.h"
#include "base/err.h"

struct epoch;

/* A new key, durable in its file. A file of that number that was left behind is erased first. */
int epoch_create(struct epoch **out, int directory, uint64_t number, struct err *err) MUST_CHECK;

/* The key of the file. -ENOENT; -EPERM when others can read it; -EINVAL when it isn't the private
 * half of `expected`. err filled. */
int epoch_load(struct epoch **out, int directory, uint64_t number, const struct seal_key *expected,
               struct err *err) MUST_CHECK;

/* Forgets the key in memory, not in its file. NULL is allowed. */
void epoch_free(struct epoch *epoch);

/* Overwrites and removes the file. 0 (also when there is none), or -errno. */
int epoch_erase(int directory, uint64_t number) MUST_CHECK;

/* The highest number of a key file in the directory; 0 when there is none. */
uint64_t epoch_newest(int directory);

uint64_t epoch_number(const struct epoch *epoch);
const struct seal_key *epoch_public(const struct epoch *epoch);

/* 0, or -ENOMEM when the library failed. */
int epoch_sign(const struct epoch *epoch, const struct seal *seal,
               unsigned char signature[SEAL_SIGNATURE]) MUST_CHECK;

#endif
