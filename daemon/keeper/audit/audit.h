/*
 * The audit log: records are numbered, appended to the newest `audit-<first seq>.jsonl` of a
 * directory, and made durable together: one write and one fdatasync(2) for all records of a turn.
 * Nothing that depends on a record may be reported to anyone before audit_commit returned 0.
 *
 * The records form a hash chain that is signed from time to time, by a key that is replaced and
 * erased at least at every new segment (doc/audit-format.md).
 *
 * Space is reserved ahead. When there is none for more, nothing new is taken, and what is under way
 * still gets its outcome recorded. A failed write or sync is final: after a failed fdatasync(2) the
 * kernel may have dropped what it could not write and report success the next time, so there is no
 * second try, and every record is refused. In both cases the keeper ends, and the next start finds
 * out what is on the disk.
 *
 * The active segment is looked after: when it was removed, replaced or altered while it was
 * written, it is put back if that can be done whole (restore.h), with an `alarm` record; else that
 * is a failure too.
 */
#ifndef CENTION_KEEPER_AUDIT_AUDIT_H
#define CENTION_KEEPER_AUDIT_AUDIT_H

#include "audit/record.h"
#include "base/buf.h"
#include "base/err.h"
#include "keeper/audit/backlog.h"
#include "keeper/audit/retention.h"
#include "keeper/redaction/redaction_rules.h"

struct audit;

struct audit_options {
    const struct audit_io *io; /* NULL: the kernel's own */
    uint64_t segment_bytes;    /* a segment that has them is followed by a new one; 0: default */
    uint64_t segment_age_us;   /* or is this old; 0: default */
    uint64_t heartbeat_us;     /* a signature at least this often; 0: default */
    struct retention_options retention;
    const struct receipts_paths *receipts; /* to wait for; borrowed; NULL: none */
    uint64_t quota; /* bytes of segments that may wait for them; 0: any number */
    const struct redaction_rules *fields; /* as for audit_fields; NULL: the defaults alone */
};

enum {
    AUDIT_CHECKPOINT_RECORDS = 1024, /* a signature after so many records at the latest */
    AUDIT_CHECKPOINT_US = 1000000,   /* and so long after a record */
    AUDIT_SEGMENT_BYTES = 64 * 1024 * 1024,
};

#define AUDIT_DAY_US       UINT64_C(86400000000) /* the longest epoch, and the default of segments */
#define AUDIT_HEARTBEAT_US UINT64_C(3600000000)

/*
 * Whether a keeper could use the directory: it is there, it belongs to this user or root, no one
 * else may write in it, and this process may, and the fields' key in it, if any, is one. -errno
 * with err filled.
 */
int audit_check(const char *directory, struct err *err) MUST_CHECK;

/*
 * Locks the directory against other keepers, verifies the end of the log and sets a truncated end
 * aside, or begins a log; finds the current epoch's key. `options` NULL: all defaults. -EAGAIN when
 * another keeper has the directory, -EBADMSG when a record is damaged, other -errno; err filled.
 */
int audit_open(struct audit **out, const char *directory, const struct audit_options *options,
               struct err *err) MUST_CHECK;
void audit_free(struct audit *audit); /* what is not committed is lost; NULL is allowed */

/* How field values are kept (redaction.h) in what is added from now on; borrowed until the next
 * call. */
void audit_fields(struct audit *audit, const struct redaction_rules *rules);

/* Records the start, what was recovered, and an outcome for every request left open; commits. */
int audit_begin(struct audit *audit, const char *version, uint32_t pid, struct err *err) MUST_CHECK;

/*
 * Each adds one record to the next commit. 0, or a negative errno: then nothing was added, and the
 * number is given to the next one. What they take is as in record.h. Over the quota intents and
 * rejects are not taken: -EDQUOT.
 */
int audit_intent(struct audit *audit, const struct sign_request *sign,
                 struct slice key_id) MUST_CHECK;
int audit_outcome(struct audit *audit, const struct record_outcome *outcome) MUST_CHECK;
int audit_reject(struct audit *audit, const struct reject_request *reject) MUST_CHECK;
int audit_key(struct audit *audit, struct slice workspace, struct slice key_id,
              const char *event) MUST_CHECK;
int audit_config(struct audit *audit, const char *result, struct slice error) MUST_CHECK;
int audit_stop(struct audit *audit) MUST_CHECK;

/* The seq of the record added last; 0: none yet. */
uint64_t audit_seq(const struct audit *audit);

/* The seq of the intent that was added last, while it is open; a checkpoint may have come since. */
uint64_t audit_last_intent(const struct audit *audit);

/* Makes everything added durable: 0 (also when there was nothing), or -EIO, then and for good. */
int audit_commit(struct audit *audit) MUST_CHECK;

/*
 * What is due by time or size: a signature, a new epoch, a new segment, a piece of the work on
 * finished ones; commits it. For the end of a turn, after the answers have left. A finished segment
 * that holds an open intent is left alone, and so is every later one. 0, or -EIO as audit_commit.
 */
int audit_tend(struct audit *audit) MUST_CHECK;
/* Microseconds until audit_tend has something to do, 0 when it has now. */
uint64_t audit_due(const struct audit *audit);

struct audit_state {
    bool ok;                 /* new requests are recorded */
    bool passing;            /* not ok, but it may be again: too much waits for receipts */
    const char *reason;      /* why not; while ok: an alarm, "" when there is none */
    uint64_t records, syncs; /* since the keeper started */
};

struct audit_state audit_state(const struct audit *audit);

/* What waits for receipts, and the ledger to ask about it with. */
const struct backlog *audit_backlog(const struct audit *audit, const struct ledger **ledger);

/* Nothing can be recorded any more, not even the end of what is under way. */
bool audit_failed(const struct audit *audit);

#endif
