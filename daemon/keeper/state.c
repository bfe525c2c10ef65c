#include "keeper/state.h"

_Static_assert((int)RECEIPTS_MAX <= (int)WIRE_RECEIPTS_MAX, "all receipts fit the message");

static void make_receipts(struct state *out, const struct audit *audit)
{
    struct wire_state *s = &out->message.state;
    const struct ledger *ledger;
    const struct backlog *b = audit_backlog(audit, &ledger);

    s->waiting = backlog_bytes(b, ledger);
    s->quota = b->quota;
    s->n_receipts = b->receipts.n;
    s->receipts = out->receipts;
    for (unsigned i = 0; i < b->receipts.n; i++) {
        const struct receipts_one *one = &b->receipts.list[i];

        out->receipts[i] = (struct wire_receipt){
            .name = slice_str(one->name),
            .records = backlog_records(one, ledger),
            .age_us = backlog_age(b, one, ledger),
        };
    }
}

void state_make(struct state *out, enum wire_type type, uint64_t id, const struct audit *audit,
                uint64_t signatures)
{
    struct audit_state s = audit_state(audit);

    out->message = (struct wire_message){
        .type = type,
        .state =
            {
                .id = id,
                .audit_ok = s.ok,
                .reason = slice_str(s.reason),
                .records = s.records,
                .syncs = s.syncs,
                .signatures = signatures,
            },
    };
    make_receipts(out, audit);
}

struct slice state_refusal(const struct audit *audit)
{
    struct audit_state s = audit_state(audit);

    /* What else may be wrong names files: it is for monitors, not for clients. */
    return s.passing ? slice_str(s.reason) : SLICE_LIT("the audit log can't be written");
}
