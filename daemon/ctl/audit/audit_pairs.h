/*
 * Intents that wait for their outcomes, while a log of any length is read. Ids are the clients' own
 * and may repeat: an outcome belongs to the oldest open intent of its id. Kept in a balanced tree,
 * as in audit/requests.h, and in the order of the log.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_PAIRS_H
#define CENTION_CTL_AUDIT_AUDIT_PAIRS_H

#include "base/slice.h"

#include <stdint.h>

struct audit_open {
    struct audit_open *before, *after; /* in the log */
    struct audit_open *same;           /* the next one of the same id */
    struct slice id;
    struct slice record; /* a copy of the intent; empty when nobody asks for it */
    bool wanted;         /* the caller's, as is: */
    bool has_text;
    uint64_t seq;
    char bytes[];
};

struct audit_pairs {
    struct audit_open *first, *last;
    void *tree;
};

void audit_pairs_deinit(struct audit_pairs *p); /* a zeroed one is allowed */

/* Copies id and record. NULL when out of memory. */
struct audit_open *audit_pairs_open(struct audit_pairs *p, struct slice id,
                                    struct slice record) MUST_CHECK;

/* Takes the oldest of that id out, to be freed with free(3). NULL when there is none. */
struct audit_open *audit_pairs_close(struct audit_pairs *p, struct slice id) MUST_CHECK;

#endif
