/*
 * The audit log as a table for a person: one row for each request (its intent and its outcome) and
 * for each other record. Nothing of a record reaches the terminal but as harmless text.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_TABLE_H
#define CENTION_CTL_AUDIT_AUDIT_TABLE_H

#include "base/slice.h"
#include "ctl/audit/audit_facts.h"

#include <stdio.h>

enum {
    AUDIT_TABLE_COLUMNS = 9,
};

struct audit_table {
    FILE *to;
    size_t width; /* the terminal's columns; 0: rows may be of any length */
    bool colour;
    const char
        *host; /* of the next row, for a column of its own; NULL in all rows: there is none */

    size_t host_width;
    size_t widths[AUDIT_TABLE_COLUMNS]; /* they grow with what comes */
    bool headed;
    struct audit_facts first, second;
};

/* Zeroed but for the public members. The facts are its own. */
void audit_table_deinit(struct audit_table *t);

/*
 * One row. `first` is an intent, or a record of any other type, or empty when only the outcome is
 * at hand; `second` is the outcome, or empty. 0, -EBADMSG when one is no JSON, or -ENOMEM.
 */
int audit_table_row(struct audit_table *t, struct slice first, struct slice second) MUST_CHECK;

/* A field's value in short: the text, mac:1234abcd..., or (omitted). */
void audit_table_put_value(FILE *to, const struct audit_value *value, size_t most);

/* A field's value in full: a text in quotes, anything else as above. */
void audit_table_put_whole(FILE *to, struct json_object *value);

#endif
