/*
 * One sink's place in the audit folder. From behind a given record on it gives out the log's
 * records in batches: whole lines only, numbered without a gap, their chain verified from the
 * segment's header on and behind the record given out last, and durable: fdatasync(2) of the file
 * has succeeded since they were read, so that a power loss takes nothing from this host that is
 * elsewhere. The keeper may meanwhile write, rotate, compress, put back and remove segments, or be
 * started again over a truncated line. Memory is bounded by one batch, or the longest line.
 *
 *   tail_seek --> SEEKING --tail_look--> FOUND or GONE --> READING --tail_next--> batches
 *                     \--> anything else: seek again, at once or later
 *
 * A call never waits for more to be written; it reads at most a megabyte or two, or one line.
 */
#ifndef CENTION_SHIP_TAIL_H
#define CENTION_SHIP_TAIL_H

#include "audit/line.h"
#include "audit/segments.h"
#include "central/sink.h"

enum tail_answer {
    TAIL_BUSY = 1, /* call again, there is more to read */
    TAIL_FOUND,    /* the record is there with its hash: tail_next gives what is behind it */
    TAIL_BATCH,    /* *batch is filled, valid until the next call */
    TAIL_END,      /* nothing more is there now */
    TAIL_GONE,     /* segments are missing; tail_next gives what is there behind the gap */
    TAIL_ENDS,     /* the log ends before the record */
    TAIL_OTHER,    /* another record stands there */
    TAIL_FOREIGN,  /* the folder holds another log */
    TAIL_BROKEN,   /* a whole line is no record that follows the one before */
    TAIL_LOST,     /* the file is another one, or shorter, than what was read: seek again */
};

struct tail {
    int directory; /* not owned */
    struct seal_key log;
    struct chain *chain;
    struct segment_reader reader; /* holds the lines of the last batch */
    bool boundary;                /* the next line must be the segment's header */
    bool trusting;                /* that header says what is before it */
    uint64_t epoch;               /* of the next record */
    uint64_t next;   /* the number of the segment behind this one, which so is complete; 0 */
    uint64_t listed; /* loop_now() of the last look through the folder */
    uint64_t behind; /* tail_look: the number of the segment behind the one searched; 0: none */
    uint64_t under;  /* tail_look: segments from this number on have no header yet */
    struct ship_record *records;
    uint64_t last_time; /* of the last record given out; microseconds since 1970, UTC */
    /* The last record that was given out, or sought; in FOUND, OTHER, ENDS, GONE: see tail_look. */
    struct ship_place last;
    enum line_type last_type;
    struct ship_place sought;
    struct ship_place here;
    char why[SHIP_WHY]; /* of every answer from GONE on */
};

/* For the log of this identity. 0 or -ENOMEM. */
int tail_init(struct tail *t, int directory, const struct seal_key *log) MUST_CHECK;
void tail_deinit(struct tail *t); /* a zeroed one is allowed */

/* The identity of the folder's log: 0; -ENOENT: there is none yet; -EBADMSG: it can't be made out;
 * what reading says. */
int tail_identity(struct seal_key *out, int directory) MUST_CHECK;

/* Will look for this record, to go on behind it; seq 0: from the log's first record. */
void tail_seek(struct tail *t, const struct ship_place *place);

/*
 * Goes on looking: BUSY, FOUND, END (there is no log), GONE, ENDS, OTHER, FOREIGN, BROKEN, LOST or
 * -errno. t->here is then the local record at that place (FOUND, OTHER), the log's last one (ENDS),
 * the first one that is there (GONE), the last good one (BROKEN).
 */
int tail_look(struct tail *t) MUST_CHECK;

/*
 * The next records: BATCH, BUSY, END, GONE, BROKEN, LOST or -errno (of reading, or of fdatasync:
 * the records were not given out). After the last three, seek behind the last record that is wanted
 * no more.
 */
int tail_next(struct tail *t, struct ship_batch *batch) MUST_CHECK;

/* Closes the file; seek before reading on. */
void tail_rest(struct tail *t);

#endif
