/*
 * What `audit verify --from` finds, and a list of it in words: one line each, of one log at most so
 * many, and then how many more there were.
 */
#ifndef CENTION_CTL_CENTRAL_FINDING_H
#define CENTION_CTL_CENTRAL_FINDING_H

#include "audit/seal.h"

#include <stdbool.h>
#include <stdio.h>

enum finding_kind {
    FINDING_GAP,       /* records are missing */
    FINDING_FORK,      /* a place has two records */
    FINDING_ALTERED,   /* a record is not what its hash was made of */
    FINDING_BROKEN,    /* a record that has its hash doesn't fit into the log */
    FINDING_TRUNCATED, /* the log ends before a record that was there */
    FINDING_REWRITTEN, /* another record stands where one was */
    FINDING_ALARM,     /* a shipper's word */
    FINDING_SILENT,    /* nothing came for longer than its heartbeat */
    FINDING_STOPPED,   /* the last thing that it tells is that the keeper stopped */
    FINDING_UNKNOWN,   /* an identity that nobody expects */
    FINDING_MISSING,   /* an expected one that has no record */
    FINDING_UNPROVED,  /* no fault, but nothing proves that there is none */
};

/* "gap" and so on. */
const char *finding_name(enum finding_kind kind);

enum {
    FINDING_MOST = 20,   /* of one log that are listed */
    FINDING_ALL = 10000, /* in all */
    FINDING_LOG = 18,    /* bytes of a log's short name, terminator included */
};

struct finding {
    enum finding_kind kind;
    const struct seal_key *log;
    const char *host, *other; /* the second one of a fork; NULL or the same: none */
    uint64_t first, last;     /* seq; 0: it isn't about records */
    const char *time;         /* SEAL_TIME bytes, of the first record; NULL: not known */
    const char *what;         /* a sentence */
};

/* A log's first 16 digits: enough to tell logs apart, and to ask for one. */
void finding_log(char out[FINDING_LOG], const struct seal_key *log);

struct findings {
    char **lines;
    size_t n, room;
    uint64_t all;        /* with those that are not listed */
    struct seal_key log; /* of the last one, */
    uint64_t of_log;     /* and how many that log has in a row */
    bool failed;         /* out of memory: the list is not complete */
};

void findings_deinit(struct findings *f); /* a zeroed one is allowed */
/* Copies it. Those of one log come one after the other. */
void findings_add(struct findings *f, const struct finding *finding);
/* All lines, made harmless for a terminal. */
void findings_print(const struct findings *f, FILE *to);

#endif
