/*
 * Where the records that were asked for go: standard output, as JSON lines or as a table, at once
 * or, of those that are there already, only the last ones.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_PRINT_H
#define CENTION_CTL_AUDIT_AUDIT_PRINT_H

#include "ctl/audit/audit_table.h"

struct audit_entry; /* a copy of one or two records */

struct audit_print {
    /* Set before the first entry: */
    bool as_table;
    bool terminal; /* standard output is one: JSON, too, must be harmless there */
    bool keep;     /* show the last `most` only, by audit_print_kept */
    size_t most;
    struct audit_table table;

    /* Set before each entry, or always NULL: whose record it is. In JSON it is the first member,
     * `host`, of the record. */
    const char *host;

    struct audit_entry **kept; /* a ring */
    size_t n, first, cap;
};

void audit_print_deinit(struct audit_print *p);

/*
 * A request (its intent, its outcome; either may be empty) or one other record, as their own bytes:
 * in JSON lines each is one line, unchanged. 0, -EBADMSG when one is no JSON, -ENOMEM.
 */
int audit_print(struct audit_print *p, struct slice first, struct slice second) MUST_CHECK;

/* Prints what was kept; from now on entries are printed at once. */
int audit_print_kept(struct audit_print *p) MUST_CHECK;

#endif
