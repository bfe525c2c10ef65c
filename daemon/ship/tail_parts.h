/* What tail.c and tail_look.c share. */
#ifndef CENTION_SHIP_TAIL_PARTS_H
#define CENTION_SHIP_TAIL_PARTS_H

#include "ship/tail.h"

/* Sets t->why, with the segment's name before it, and returns `answer`. */
int tail_say(struct tail *t, int answer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Goes to the beginning of that segment. */
int tail_open(struct tail *t, uint64_t first, bool trusting) __attribute__((warn_unused_result));

/* The next whole line from that offset of t->in on, without its newline: 1. 0: there is none yet.
 * -errno as source_read, -ENOBUFS when it is too long. */
int tail_line(struct tail *t, size_t from, struct slice *out) __attribute__((warn_unused_result));

/* What -errno of tail_line means: TAIL_BROKEN for damage, the rest as it is. */
int tail_damage(struct tail *t, int failed) __attribute__((warn_unused_result));

/* Whether the line follows t->last, which it then is: 0, TAIL_BROKEN, TAIL_FOREIGN or -ENOMEM. */
int tail_accept(struct tail *t, struct slice bytes, struct line *line)
    __attribute__((warn_unused_result));

/* Reads the header of the segment of that number: 1; 0: it has no whole line; TAIL_BROKEN; -errno.
 * Of *line only seq, type and hash are left. */
int tail_header(struct tail *t, uint64_t first, struct line *line, struct record_segment *out)
    __attribute__((warn_unused_result));

#endif
