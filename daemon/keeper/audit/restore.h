/*
 * Puts the active segment back under its name after someone removed, replaced or altered it. The
 * open descriptor still leads to what was written; it is copied, verified and given the name. A
 * file that has the name by then is kept as evidence, `<segment>.replaced`.
 */
#ifndef CENTION_KEEPER_AUDIT_RESTORE_H
#define CENTION_KEEPER_AUDIT_RESTORE_H

#include "audit/chain.h"
#include "base/err.h"
#include "keeper/audit/active_segment.h"

struct restored {
    char kept[SEGMENT_NAME + 16]; /* the name of what was set aside; "" when nothing was */
};

/*
 * The copy's descriptor, open as the active one is and durable; the caller takes it over. It holds
 * the first live->size bytes and ends with the record before `next_seq`, of hash `last`: -EBADMSG
 * when they are not what was written. Other -errno; err filled, and the active segment left as it
 * is.
 */
int restore_segment(struct restored *out, const struct active_segment *active, uint64_t next_seq,
                    const struct chain_hash *last, struct err *err) MUST_CHECK;

#endif
