/*
 * The lines of the audit log (doc/audit-format.md): how each kind of record is written. One JSON
 * object a line (RFC 8259), keys in a fixed order, UTF-8; controls and DEL are escaped, and bytes
 * that are not UTF-8 become U+FFFD. No function here takes a secret or a signature of a request.
 * What of a request's values is kept is decided elsewhere (keeper/redaction/redaction.h); here it
 * is written.
 */
#ifndef CENTION_AUDIT_RECORD_H
#define CENTION_AUDIT_RECORD_H

#include "audit/chain.h"
#include "audit/mac.h"
#include "audit/seal.h"
#include "base/buf.h"
#include "base/request.h"

enum {
    RECORD_FORMAT = 2,
};

struct record_head {
    uint64_t seq;     /* from 1, without a gap */
    uint64_t time_us; /* since 1970, UTC, microseconds */
};

enum record_keep {
    RECORD_PLAIN, /* the value, a string */
    RECORD_MAC,   /* {"mac":"64 digits"} in its place */
    RECORD_OMIT,  /* {"omitted":true} */
};

struct record_form {
    enum record_keep keep;
    unsigned char mac[MAC_BYTES]; /* of RECORD_MAC */
};

/* What is known of a request's end. */
struct record_outcome {
    struct slice request_id;
    uint64_t intent;           /* the seq of its intent */
    uint32_t status;           /* the answer's; 0 when there was none */
    const char *sent;          /* "none", "partial", "all", "unknown" */
    bool timed;                /* duration_us is known */
    uint64_t duration_us;      /* microseconds */
    struct slice error;        /* empty when it went well */
    struct slice method, path; /* the request's: not written, its answer's redaction asks */
    struct request_answer answer;
    const struct record_form *forms; /* how its members are written, as many as it has */
};

/* How the values of an intent are written. */
struct record_redaction {
    const struct record_form *forms; /* as many as the request has fields */
    unsigned char body_mac[MAC_BYTES];
};

/* The first record of a segment. */
struct record_segment {
    struct seal_key log;        /* the log's identity */
    uint64_t epoch;             /* the current one */
    struct seal_key public_key; /* of that epoch */
    uint64_t previous_seq;      /* the last record before; 0 in a new log */
    struct chain_hash previous; /* its hash; zeros in a new log */
    unsigned format;            /* of the segment: 1 or 2; new ones are of RECORD_FORMAT */
    uint64_t n_open;            /* requests without an outcome so far */
    const uint64_t *open;       /* written: the seqs of their intents, ascending */
    struct slice open_text;     /* read, format 2: the same, for line_open */
};

/* A whole segment that is about to be removed. */
struct record_retired {
    uint64_t first, last;   /* its records */
    struct chain_hash hash; /* of the last */
    const char *reason;     /* "count", "age", "size" */
};

/*
 * Each appends one line without its end: 0, or what buf_append says, with a part of a line left
 * behind that the caller cuts off. Empty slices are left out. record_close then ends the line.
 */
int record_segment(struct buf *out, const struct record_head *head,
                   const struct record_segment *s) MUST_CHECK;
/* A signature over all records before this one; with `seal->next` the last act of its key. */
int record_seal(struct buf *out, const struct record_head *head, const struct seal *seal,
                const unsigned char signature[SEAL_SIGNATURE]) MUST_CHECK;
int record_intent(struct buf *out, const struct record_head *head, const struct sign_request *sign,
                  const struct record_redaction *redaction, struct slice key_id) MUST_CHECK;
int record_outcome(struct buf *out, const struct record_head *head,
                   const struct record_outcome *o) MUST_CHECK;
int record_reject(struct buf *out, const struct record_head *head,
                  const struct reject_request *reject) MUST_CHECK;
/*
 * `fields_key` is the key id of the keyed hashes from here on; every `heartbeat` seconds at the
 * latest there is a record.
 */
int record_start(struct buf *out, const struct record_head *head, struct slice version,
                 uint32_t pid, struct slice fields_key, uint64_t heartbeat) MUST_CHECK;
/* A new key of the keyed hashes was made. */
int record_fields_key(struct buf *out, const struct record_head *head,
                      struct slice key_id) MUST_CHECK;
/* `event` is "loaded", "removed" or "replaced". */
int record_key(struct buf *out, const struct record_head *head, struct slice workspace,
               struct slice key_id, const char *event) MUST_CHECK;
/* `result` is "applied" or "refused". */
int record_config(struct buf *out, const struct record_head *head, const char *result,
                  struct slice error) MUST_CHECK;
/* `bytes` of a truncated end, of this SHA-256, were moved from `segment` to the file `tail`. */
int record_recovery(struct buf *out, const struct record_head *head, struct slice segment,
                    uint64_t bytes, const struct chain_hash *sha256, struct slice tail) MUST_CHECK;
/* The active segment was `event` by someone; its `bytes` were put back, and what had its name by
 * then is kept in the file `kept` (empty: nothing had). */
int record_alarm(struct buf *out, const struct record_head *head, struct slice segment,
                 const char *event, uint64_t bytes, struct slice kept) MUST_CHECK;
int record_retired(struct buf *out, const struct record_head *head, struct slice segment,
                   const struct record_retired *retired) MUST_CHECK;
int record_stop(struct buf *out, const struct record_head *head) MUST_CHECK;

/* Ends the line with the record's hash: the last CHAIN_TAIL bytes and the newline. */
int record_close(struct buf *out, const struct chain_hash *hash) MUST_CHECK;

/* A time as records have it, e.g. 2026-11-23T17:07:00.123456Z, without a terminator. */
void record_time(char out[SEAL_TIME], uint64_t time_us);

/* Valid UTF-8 (RFC 3629): shortest form, no surrogate, nothing above U+10FFFF. */
bool record_text_ok(struct slice s);

/* One to REQUEST_ID_MAX of [A-Za-z0-9._:+/=@-]: never needs an escape in a record. */
bool record_request_id_ok(struct slice s);

#endif
