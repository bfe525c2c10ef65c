/*
 * The messages that cross the wall between cention-proxyd and cention-keeperd, and their limits.
 *
 * The proxy sends meaning (who asks for what, with which values), never bytes to sign; the keeper
 * answers with a key id and a signature after the intent is durable. Everything is bounded before
 * it is believed, on both sides. All integers are little-endian and of fixed size; a string is a
 * u32 length and its bytes.
 *
 *   proxy -> keeper                      keeper -> proxy
 *   HELLO    version                     WELCOME  version, state         (first on each side)
 *   SIGN     id, who, what, values       SIGNED   id, key id, signature  (intent is durable)
 *                                        REFUSED  id, why                (reject record is durable)
 *   OUTCOME  id, how it ended            RECORDED id, durable or not
 *   REJECT   id, who, what, why          RECORDED id, durable or not
 *                                        REFUSED  id, why: nobody that the keeper knows
 *   PING     id                          STATE    id, state
 *
 * A SIGN or REJECT of a Unix socket's client comes with a descriptor, its accepted connection
 * (SCM_RIGHTS, with the message's first byte), so that the keeper can ask the kernel who that is.
 *
 * Several SIGN may be under way at once; answers come in any order and carry the id, which the
 * proxy chooses: it is unique on its link for the link's life and ties OUTCOME to its SIGN.
 */
#ifndef CENTION_WALL_WIRE_H
#define CENTION_WALL_WIRE_H

#include "base/request.h"

#include <stdint.h>

enum {
    WIRE_VERSION = 7,
    WIRE_HEADER = 8,                    /* u32 length of what follows the header, u8 type, 3 zero */
    WIRE_MESSAGE_MAX = 9 * 1024 * 1024, /* bytes after the header */
    WIRE_SIGNATURE = 64,                /* hex digits of HMAC-SHA256 */
    /* Bytes of the largest OUTCOME that tells of its answer no more than length and hash. */
    WIRE_OUTCOME_MAX = WIRE_HEADER + 128 + REQUEST_TEXT_MAX,
    WIRE_PENDING_MAX = 65536,
    WIRE_RECEIPTS_MAX = 8,
};

enum wire_type {
    WIRE_HELLO = 1,
    WIRE_WELCOME,
    WIRE_SIGN,
    WIRE_SIGNED,
    WIRE_REFUSED,
    WIRE_OUTCOME,
    WIRE_REJECT,
    WIRE_RECORDED,
    WIRE_PING,
    WIRE_STATE,
};

enum wire_reason {
    WIRE_REASON_FORBIDDEN = 1, /* policy, or no key for the workspace */
    WIRE_REASON_AUDIT,         /* the audit can't be written */
    WIRE_REASON_MALFORMED,     /* order, shape or limits are wrong: a defect of the proxy */
    WIRE_REASON_OVERLOADED,
    WIRE_REASON_UNKNOWN_CLIENT, /* policy: nobody that the keeper knows */
};

/* How much of a request was handed to the upstream connection. */
enum wire_sent {
    WIRE_SENT_NONE = 0,
    WIRE_SENT_PARTIAL,
    WIRE_SENT_ALL,
};

struct wire_signed {
    uint64_t id;
    struct slice key_id;
    struct slice signature; /* WIRE_SIGNATURE lower-case hex digits */
};

struct wire_refused {
    uint64_t id;
    uint32_t reason; /* enum wire_reason */
    struct slice text;
};

struct wire_outcome {
    uint64_t id; /* of the SIGN on this link */
    uint32_t status;
    uint32_t sent; /* enum wire_sent */
    uint64_t duration_us;
    struct slice error; /* empty when it went well */
    struct request_answer answer;
};

struct wire_recorded {
    uint64_t id;
    uint32_t durable; /* 1 or 0 */
};

/* How far one of the sinks is behind that the keeper waits for. */
struct wire_receipt {
    struct slice name;
    uint64_t records; /* that it lacks */
    uint64_t age_us;  /* how long the first of them has been there; 0: it lacks none */
};

struct wire_state {
    uint64_t id;                         /* of the PING; 0 in WELCOME */
    uint32_t audit_ok;                   /* 1 or 0 */
    struct slice reason;                 /* why not, in words */
    uint64_t records, syncs, signatures; /* since the keeper started */
    uint64_t waiting, quota;             /* bytes of the log without receipts; 0: no quota */
    uint32_t n_receipts;
    const struct wire_receipt *receipts;
};

/* Where a decoded message keeps its lists. */
struct wire_space {
    struct request_field fields[REQUEST_FIELDS_MAX];
    struct request_problem problems[REQUEST_PROBLEMS_MAX];
    struct wire_receipt receipts[WIRE_RECEIPTS_MAX];
};

struct wire_message {
    enum wire_type type;
    union {
        uint32_t version; /* HELLO, and in WELCOME beside `state` */
        uint64_t id;      /* PING */
        struct sign_request sign;
        struct wire_signed signed_;
        struct wire_refused refused;
        struct wire_outcome outcome;
        struct reject_request reject;
        struct wire_recorded recorded;
        struct wire_state state; /* STATE and WELCOME */
    };
};

#endif
