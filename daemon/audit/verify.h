/*
 * Verifies an audit log line by line (doc/audit-format.md), in memory that does not grow with it:
 * the chain, the numbering, the segments' links, the signatures of checkpoints and epochs, and
 * that every outcome has an intent, which one of format 2 names. It may begin at any segment; what
 * is then taken on trust from that segment's header (the hash before it, the epoch and its key) is
 * `given` until a pin or a head confirms it. Behind a place that is broken, the caller may let it
 * go on (verify_resume).
 */
#ifndef CENTION_AUDIT_VERIFY_H
#define CENTION_AUDIT_VERIFY_H

#include "audit/line.h"
#include "audit/requests.h"
#include "base/buf.h"

/* A checkpoint that was kept elsewhere: the log must contain it. */
struct verify_head {
    struct seal_key log;
    uint64_t seq;
    struct chain_hash hash;
};

struct verify {
    const struct seal_key *pin;     /* set before the first line, or NULL */
    const struct verify_head *head; /* set before the first line, or NULL */
    bool whole; /* set before the first line: segments that are missing in front must be retired */

    bool begun;       /* the first header has been read */
    bool boundary;    /* the next line must open a segment */
    bool adrift;      /* resumed: up to the next header, requests that weren't seen may be open */
    uint64_t resumed; /* the seq that it went on behind; 0: never */
    struct seal_key log;
    uint64_t epoch;
    struct seal_key key;    /* of that epoch */
    uint64_t first_seq;     /* of the first record verified */
    uint64_t next_seq;      /* that the next record must have */
    struct chain_hash last; /* the hash of the last record */
    enum line_type last_type;
    char last_time[SEAL_TIME];
    uint64_t segment_time; /* of the last header; microseconds since 1970, UTC */
    uint64_t epoch_time;   /* when the epoch began, or the first header seen of it */
    unsigned format;       /* of the segment */
    struct requests open;
    uint64_t unseen; /* of these, how many intents are before first_seq */
    uint64_t strays; /* format 1: outcomes that may still come for such intents, beside `open` */

    bool sealed;      /* a signature was verified; `seal` and `signature` are the last one */
    struct seal seal; /* what it covers */
    struct seal_key seal_key; /* the key that made it */
    bool seal_hands_over;     /* it is that of an epoch record, to this key: */
    struct seal_key seal_next;
    unsigned char signature[SEAL_SIGNATURE];
    bool proved;        /* the first header follows from verify_retired's lines */
    uint64_t chain_seq; /* of the last of them */
    struct chain_hash chain_hash_before;
    struct chain_hash before; /* the hash that the first header gives for the record before it */
    uint64_t retired;         /* the last seq that a `retired` record names */
    bool pin_seen;            /* an epoch of this log has the pinned key */
    bool head_seen;           /* the log holds the head's record, with its hash */

    uint64_t records, segments, checkpoints, epochs;

    struct chain *chain; /* private */
    struct seal_verifier *verifier;
    char why[160];
};

/* Returned in place of a reason when memory ran out: nothing was found or proved. Compare the
 * pointer. */
extern const char VERIFY_NO_MEMORY[];

int verify_init(struct verify *v) MUST_CHECK; /* 0 or -ENOMEM */
void verify_deinit(struct verify *v);         /* a zeroed one is allowed */

/*
 * A line of the file that stays of retired segments (keeper/audit/retention.h), in order, before
 * the first segment, which begins with the record `before`: lines from there on are skipped. NULL,
 * or why the proof is broken.
 */
const char *verify_retired(struct verify *v, struct slice bytes, uint64_t before) MUST_CHECK;

/* The next line is the first of a segment. */
void verify_segment(struct verify *v);

/* A line without its newline. NULL, or why the log is broken there (valid until the next call). */
const char *verify_line(struct verify *v, struct slice bytes) MUST_CHECK;

/*
 * Goes on behind the record `seq`, which wasn't seen whole: its hash, and the epoch in force behind
 * it, are taken from the caller. Until the next header nothing is said about requests that may have
 * been open; when it is another epoch than before, and not the first, whose key is the identity,
 * nothing about signatures either: what a record says of the epoch, and that header's key, are
 * given.
 */
void verify_resume(struct verify *v, const struct seal_key *log, uint64_t seq,
                   const struct chain_hash *hash, uint64_t epoch);

/* After the last line: NULL, or why the log as a whole is broken. */
const char *verify_end(struct verify *v) MUST_CHECK;

/* Records at the end that no signature covers (a last checkpoint covers itself). */
uint64_t verify_unsigned(const struct verify *v);

/*
 * A head: a checkpoint in a form to be kept elsewhere, so that later the log can be shown to hold
 * all records up to it. One line of JSON with the members in a fixed order:
 * {"log":..,"epoch":..,"seq":..,"hash":..,"time":..,"public_key":..,"signature":..}
 * with "next_key" before the signature when it is that of an epoch record.
 */

/* Appends the last signature that was verified, with a newline. -ENOENT when there is none. */
int head_write(struct buf *out, const struct verify *v) MUST_CHECK;

/*
 * Reads one, with or without the newline, and checks its own signature (with the key that it
 * names). NULL, or a static sentence.
 */
const char *head_read(struct slice text, struct verify_head *out) MUST_CHECK;

#endif
