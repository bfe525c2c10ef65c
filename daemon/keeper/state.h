/*
 * What the keeper tells the proxies of itself: whether requests are recorded, why not, its
 * counters, and what waits for receipts.
 */
#ifndef CENTION_KEEPER_STATE_H
#define CENTION_KEEPER_STATE_H

#include "keeper/audit/audit.h"
#include "wall/wire.h"

struct state {
    struct wire_message message; /* borrows from the audit log and from `receipts` */
    struct wire_receipt receipts[WIRE_RECEIPTS_MAX];
};

/* Of the type WIRE_WELCOME or WIRE_STATE; valid until the audit log is touched again. */
void state_make(struct state *out, enum wire_type type, uint64_t id, const struct audit *audit,
                uint64_t signatures);

/* Why a request or a refusal is not recorded, for the caller. */
struct slice state_refusal(const struct audit *audit);

#endif
