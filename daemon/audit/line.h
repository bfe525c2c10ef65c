/*
 * A strict reader of the audit log's lines (doc/audit-format.md). It is no JSON parser: it knows
 * the fixed beginning and the fixed end of every line, all of the lines that hold the chain
 * together, and otherwise only that there is no control character: the hash stands for the rest.
 * Nothing is ever written again to
 * be compared: what is hashed is the line's own bytes.
 */
#ifndef CENTION_AUDIT_LINE_H
#define CENTION_AUDIT_LINE_H

#include "audit/record.h"

enum line_type {
    LINE_OTHER, /* start, stop, key ...: chained like the rest */
    LINE_SEGMENT,
    LINE_CHECKPOINT,
    LINE_EPOCH,
    LINE_INTENT,
    LINE_OUTCOME,
    LINE_STOP,
    LINE_RETIRED,
};

struct line {
    uint64_t seq;
    enum line_type type;
    struct slice word;    /* the type as written, [a-z]+ */
    struct slice time;    /* SEAL_TIME bytes */
    struct slice id;      /* of an intent or outcome; empty in others */
    uint64_t intent;      /* of an outcome of format 2: its intent's seq; 0: not said */
    struct slice rest;    /* what stands between the type (or the id) and the hash */
    struct slice covered; /* what the hash covers */
    struct chain_hash hash;
};

/* NULL, or a static sentence: why these bytes (without newline) are no record. */
const char *line_read(struct slice bytes, struct line *out) MUST_CHECK;

/* When it was written: microseconds since 1970, UTC. Days that no month has count on. */
uint64_t line_time(const struct line *line);

/* The members of a line of that type. NULL, or a static sentence. */
const char *line_segment(const struct line *line, struct record_segment *out) MUST_CHECK;
/* The next seq of a header's open_text, ascending and below `before`: 1; 0 at its end; -1: it is no
 * such list. */
int line_open(struct slice *open_text, uint64_t before, uint64_t *seq) MUST_CHECK;
/* LINE_RETIRED: fills all but the reason. */
const char *line_retired(const struct line *line, struct record_retired *out) MUST_CHECK;
/* LINE_CHECKPOINT or LINE_EPOCH: fills epoch, hash, seq (of the record before) and time of *out,
 * and *next of an epoch; leaves log and next of *out alone. */
const char *line_seal(const struct line *line, struct seal *out, struct seal_key *next,
                      unsigned char signature[SEAL_SIGNATURE]) MUST_CHECK;

#endif
