/*
 * Writes the audit log's newest records: numbers each record, chains it to the one before, signs
 * from time to time, and writes what a turn gathered to the active segment in one go. audit.c
 * decides what is recorded and when a new segment begins.
 *
 *   OPEN --no space to reserve--> FULL --a write or a sync fails--> FAILED
 *     \-----------------------a write or a sync fails--------------/
 *
 * FULL: nothing new is taken, but what is under way can still end: its outcomes, a signature and
 * the stop record have their space. FAILED: nothing is taken, ever.
 */
#ifndef CENTION_KEEPER_AUDIT_LEDGER_H
#define CENTION_KEEPER_AUDIT_LEDGER_H

#include "audit/record.h"
#include "base/err.h"
#include "keeper/audit/active_segment.h"
#include "keeper/audit/epoch.h"

enum ledger_state {
    LEDGER_OPEN,
    LEDGER_FULL,
    LEDGER_FAILED,
};

struct ledger {
    struct active_segment active;
    enum ledger_state state;
    char reason[256]; /* of a state that is not OPEN; "" while all is well */
    char alarm[256];  /* someone touched the active segment; "" while nobody did */
    uint64_t seq;     /* of the next record */
    struct chain *chain;
    struct chain_hash last; /* the hash of the last record */
    uint64_t written_seq;   /* seq and last as they were at the last write */
    struct chain_hash written;
    struct seal_key log;
    struct epoch *epoch;
    uint64_t uncovered;   /* records since the last signature */
    uint64_t dirty_since; /* loop_now() of the first of them; 0: none */
    uint64_t sealed_at;   /* loop_now() of the last signature */
    uint64_t checked_at;  /* loop_now() of the last look at the active file's name */
    uint64_t *open;       /* the intents without an outcome: their seqs, ascending */
    size_t n_open, open_room;
    struct buf batch;
    uint64_t records, syncs; /* since the keeper started */
};

/* An empty one without a file. 0 or -ENOMEM. */
int ledger_init(struct ledger *l, const struct audit_io *io, uint64_t step) MUST_CHECK;
void ledger_deinit(struct ledger *l); /* what is not committed is lost; a zeroed one is allowed */

/* The last record so far, which is on the disk. */
void ledger_continue(struct ledger *l, uint64_t next_seq, const struct chain_hash *last);

/* One record that is being made: draft, format its line at the end of `batch`, then add. */
struct draft {
    struct record_head head;
    size_t before; /* bytes in the batch in front of it */
};

struct draft ledger_draft(const struct ledger *l);

/*
 * What a record is for decides whether it is still taken when the disk is full: something new, or
 * the end of something that is under way.
 */
enum ledger_kind {
    LEDGER_NEW,
    LEDGER_END,
};

/*
 * `formatted` is what record.h returned. 0; or negative, and then nothing was added and the number
 * goes to the next record: what was given, -ENOSPC when the log is full, -EIO when it has failed.
 */
int ledger_add(struct ledger *l, enum ledger_kind kind, const struct draft *d,
               int formatted) MUST_CHECK;

/* What the outcomes are owed to. ledger_open before its intent is added, as ledger_add, -ENOMEM. */
int ledger_open(struct ledger *l, uint64_t seq) MUST_CHECK;
void ledger_close(struct ledger *l, uint64_t seq); /* one that isn't open is left alone */

/*
 * Whether the record of `d`, an outcome that was formatted and not added yet, leaves the space that
 * is kept for the other ends. Where more can't be reserved for it, the log is full from now on.
 */
bool ledger_has_room(struct ledger *l, const struct draft *d) MUST_CHECK;

/* Adds a signature over all records so far: a checkpoint, or with `next` the epoch's last act. */
int ledger_seal(struct ledger *l, const struct seal_key *next) MUST_CHECK;

/* Makes everything added durable: 0 (also when there was nothing), or -EIO, then and for good. */
int ledger_commit(struct ledger *l) MUST_CHECK;

/* Looks whether the active file is still there; if not, puts it back. 0, or -EIO when it can't. */
int ledger_check(struct ledger *l) MUST_CHECK;

/* Both log why. -ENOSPC and -EIO. */
int ledger_full(struct ledger *l, int code);
int ledger_fail(struct ledger *l, const char *what, int code);

#endif
