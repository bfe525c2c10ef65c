/*
 * The lines of the audit log: how each kind of record is written, and a strict reader of the part
 * that every line begins with. One JSON object a line (RFC 8259), keys in a fixed order, UTF-8;
 * controls and DEL are escaped, and bytes that are not UTF-8 become U+FFFD. No function here takes
 * a secret or a signature.
 */
#ifndef CENTION_KEEPER_RECORD_H
#define CENTION_KEEPER_RECORD_H

#include "base/buf.h"
#include "wire/wire.h"

struct record_head {
    uint64_t seq;     /* from 1, without a gap */
    uint64_t time_us; /* since 1970, UTC, microseconds */
};

/* What is known of a request's end. */
struct record_outcome {
    struct slice request_id;
    uint32_t status;      /* the answer's; 0 when there was none */
    const char *sent;     /* "none", "partial", "all", "unknown" */
    bool timed;           /* duration_us is known */
    uint64_t duration_us; /* microseconds */
    struct slice error;   /* empty when it went well */
};

/*
 * Each appends one line with its newline: 0, or what buf_append says, with a part of a line left
 * behind that the caller cuts off. Empty slices are left out.
 */
int record_intent(struct buf *out, const struct record_head *head, const struct wire_sign *sign,
                  struct slice key_id) __attribute__((warn_unused_result));
int record_outcome(struct buf *out, const struct record_head *head, const struct record_outcome *o)
    __attribute__((warn_unused_result));
int record_reject(struct buf *out, const struct record_head *head, const struct wire_reject *reject)
    __attribute__((warn_unused_result));
int record_start(struct buf *out, const struct record_head *head, struct slice version,
                 uint32_t pid) __attribute__((warn_unused_result));
/* `event` is "loaded", "removed" or "replaced". */
int record_key(struct buf *out, const struct record_head *head, struct slice workspace,
               struct slice key_id, const char *event) __attribute__((warn_unused_result));
/* `result` is "applied" or "refused". */
int record_config(struct buf *out, const struct record_head *head, const char *result,
                  struct slice error) __attribute__((warn_unused_result));
/* `bytes` of a torn line were moved from `segment` to the file `torn`. */
int record_recovery(struct buf *out, const struct record_head *head, struct slice segment,
                    uint64_t bytes, struct slice torn) __attribute__((warn_unused_result));
int record_stop(struct buf *out, const struct record_head *head)
    __attribute__((warn_unused_result));

/* Valid UTF-8 (RFC 3629): shortest form, no surrogate, nothing above U+10FFFF. */
bool record_text_ok(struct slice s);

/* One to WIRE_REQUEST_ID_MAX of [A-Za-z0-9._:+/=@-]: never needs an escape in a record. */
bool record_request_id_ok(struct slice s);

struct record_line {
    uint64_t seq;
    struct slice type; /* [a-z]+ */
    struct slice id;   /* of an intent or outcome; empty in others */
};

/*
 * Reads a line without its newline, as the functions above write it. NULL, or a static sentence
 * saying what is wrong: the beginning is not ours, an intent or outcome has no id, a control
 * character, or the object does not end exactly where the line does.
 */
const char *record_read(struct slice line, struct record_line *out)
    __attribute__((warn_unused_result));

#endif
