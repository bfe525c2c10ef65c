/*
 * The request that `audit diff` is asked about, and what else was done to the same object. The log
 * is read twice; what stays in memory is the requests that are open at a time and the object's
 * fields.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_FOUND_H
#define CENTION_CTL_AUDIT_AUDIT_FOUND_H

#include "audit/requests.h"
#include "ctl/audit/audit_history.h"
#include "ctl/audit/audit_log.h"

enum {
    AUDIT_FOUND_TIMES = 8, /* times of other requests with the same id */
};

struct audit_found {
    struct slice id; /* set before reading, as the next two */
    bool has_time;
    char time[SEAL_TIME];

    /* The first reading: */
    char *made_object;               /* that `object` points at, of a creation */
    char *intent, *outcome, *reject; /* records, terminated; NULL: none */
    uint64_t seq, end;               /* of intent (else reject) and of outcome, 0: none */
    uint64_t first_seq;              /* of the log */
    uint64_t found;                  /* requests with the id */
    char times[AUDIT_FOUND_TIMES + 1][SEAL_TIME]; /* of the last ones, a ring */
    struct audit_facts facts;
    struct requests open;

    /* The second: */
    struct audit_facts target; /* the request */
    struct slice object;       /* its path, or what it created; empty: not known */
    struct json_object *made;  /* by whom the object was created; NULL: not known */
    struct audit_facts done;   /* its outcome; empty when there is none */
    struct audit_facts other;
    struct audit_history history;
    struct json_object *overlapping;
    uint64_t later; /* changes of the object that began after the request had ended */
};

void audit_found_deinit(struct audit_found *d);

/*
 * Fills *d, whose id and time are set, the rest zeroed. 0; -ENOENT when there is no such request;
 * other -errno; err filled, but when out of memory. *damaged: records had to be skipped.
 */
int audit_found_read(struct audit_found *d, const struct audit_log *log, bool *damaged,
                     struct err *err) MUST_CHECK;

#endif
