/*
 * The answers of one turn, which wait until the records that they speak of are durable. They hold
 * signatures: every byte is wiped when it is no longer needed.
 */
#ifndef CENTION_KEEPER_ANSWERS_H
#define CENTION_KEEPER_ANSWERS_H

#include "keeper/audit/pending.h"
#include "keeper/keystore.h"
#include "wall/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer;

struct answer {
    struct peer *peer;   /* who asked; NULL once that one has gone */
    enum wire_type type; /* WIRE_SIGNED, WIRE_REFUSED, WIRE_RECORDED */
    uint64_t id;
    enum wire_reason reason;         /* of a refusal */
    char *text;                      /* of a refusal; freed with the answer */
    const struct keystore_key *key;  /* of a signature; the keys must stay until it is sent */
    struct pending_request *request; /* of a signature; the peer's, as long as there is one */
    char signature[WIRE_SIGNATURE];  /* of a signature */
};

struct answers {
    struct answer *list;
    size_t n, room;
    size_t n_signed; /* of n, signatures */
};

/* Makes sure that the next answers_add has room, before the record is made. -ENOMEM. */
int answers_reserve(struct answers *answers) MUST_CHECK;

/* A new answer at the end, after answers_reserve. Valid until the next one. */
struct answer *answers_add(struct answers *answers, struct peer *peer, enum wire_type type,
                           uint64_t id);

/* The peer has gone: its answers stay, without a peer. */
void answers_forget(struct answers *answers, const struct peer *peer);

void answers_clear(struct answers *answers);
void answers_deinit(struct answers *answers); /* a zeroed one is allowed */

/*
 * When a batch is committed. A sync costs the same for one record as for hundreds. While other
 * requests are under way, the keeper yields the processor before it commits, and again as long as
 * that brings more records, but only for a short time. A lone request is committed at once.
 */

enum {
    GROUP_COMMIT_LOOKS = 16,   /* at most, for one batch */
    GROUP_COMMIT_ENOUGH = 256, /* answers */
    GROUP_COMMIT_US = 1000,    /* from the first look */
};

/* Zeroed for each batch. */
struct group_commit {
    unsigned looks;
    size_t seen;
    uint64_t since;
};

/*
 * Whether to look for more messages before the batch is committed: `waiting` answers wait for it,
 * `others` requests are under way beside them, `now` is in monotonic microseconds.
 */
bool group_commit_more(struct group_commit *group_commit, size_t waiting, size_t others,
                       uint64_t now);

#endif
