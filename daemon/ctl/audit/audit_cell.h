/*
 * Foreign text in a few columns of a terminal: harmless (ctl/show.h), and cut to fit.
 */
#ifndef CENTION_CTL_AUDIT_AUDIT_CELL_H
#define CENTION_CTL_AUDIT_AUDIT_CELL_H

#include "base/slice.h"
#include "ctl/audit/audit_facts.h"

#include <stdio.h>

/* Columns that harmless text takes: one each character, two the wide ones of East Asia. */
size_t audit_cell_width(const char *text);

/* Harmless text in at most `most` columns (at least 1), ending with an ellipsis when it was cut. */
void audit_cell_put_cut(FILE *to, const char *text, size_t most);

/*
 * Any text, made harmless. In quotes when it is empty or when, without, it could be taken for more
 * than one word.
 */
void audit_cell_put(FILE *to, struct slice text, size_t most);

/* Any text in quotes, made harmless, all of it. */
void audit_cell_put_quoted(FILE *to, struct slice text);

/* A field's value in short: the text, mac:1234abcd..., or (omitted). */
void audit_cell_put_value(FILE *to, const struct audit_value *value, size_t most);

#endif
