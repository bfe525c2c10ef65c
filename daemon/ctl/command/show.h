/*
 * Untrusted text on a terminal. A value may hold anything, also the terminal's escape sequences, so
 * it is never written unchanged.
 */
#ifndef CENTION_CTL_COMMAND_SHOW_H
#define CENTION_CTL_COMMAND_SHOW_H

#include "base/slice.h"

#include <stdio.h>

/*
 * Writes UTF-8 with a backslash as \\ and with everything escaped (\n, \t, \r, \u00xx, \xXX for
 * bytes that aren't UTF-8) that a terminal could take as a command or that would make the text look
 * like another: C0 and C1 controls, DEL, line separators, direction marks, invisible characters.
 * True when something was escaped.
 */
bool show_text(FILE *to, struct slice text);

/* The same for a message, whose backslashes stay: it needn't be read back. */
void show_message(FILE *to, const char *text);

/* The same for a JSON text in UTF-8 without line ends: what is escaped is so as JSON escapes it. */
void show_json(FILE *to, struct slice text);

/* Standard output is a terminal that may be coloured: NO_COLOR isn't set. */
bool show_colour(void);

/* Nothing in it would be escaped, but backslashes. */
bool show_harmless(struct slice text);

/* The program's name, the message and a newline, to standard error. Returns `code`. */
int show_failure(const char *text, int code);

/* ---- in a few columns, cut to fit ---- */

/* Columns that harmless text takes: one each character, two the wide ones of East Asia. */
size_t show_cell_width(const char *text);

/* Harmless text in at most `most` columns (at least 1), ending with an ellipsis when it was cut. */
void show_cell_put_cut(FILE *to, const char *text, size_t most);

/*
 * Any text, made harmless. In quotes when it is empty or when, without, it could be taken for more
 * than one word.
 */
void show_cell_put(FILE *to, struct slice text, size_t most);

/* Any text in quotes, made harmless, all of it. */
void show_cell_put_quoted(FILE *to, struct slice text);

#endif
