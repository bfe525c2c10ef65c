/*
 * A sink's progress, in a file: NAME.receipt for the archive of record, which the keeper may wait
 * for, or NAME.cursor for any other sink (audit/receipt.h). It is replaced as a whole and durably,
 * so it always holds what it held before or what it was given last. It is only a reminder: the
 * centre itself says where to go on.
 */
#ifndef CENTION_SHIP_CURSOR_H
#define CENTION_SHIP_CURSOR_H

#include "audit/receipt.h"
#include "base/err.h"
#include "central/sink.h"

struct cursor {
    int folder; /* the state folder; not owned */
    char file[RECEIPT_NAME + 16];
    char fresh[RECEIPT_NAME + 32]; /* the name until it is whole */
    struct receipt at;             /* what the file says; seq 0: it says nothing of this log */
};

/*
 * Reads what is there. A file of another log, or one that is no receipt, counts as none; the latter
 * is logged. 0, or -errno with err filled when it can't be read.
 */
int cursor_open(struct cursor *c, int folder, const char *name, bool receipt,
                const struct seal_key *log, struct err *err) MUST_CHECK;

/* Puts this place there, with the present time. 0 or -errno: then the file is as it was. */
int cursor_write(struct cursor *c, const struct ship_place *place) MUST_CHECK;

/*
 * It shall say nothing: nobody may rely on what it said. Where that can't be written (a full disk)
 * the file is removed. 0, or -errno: it still says what it said.
 */
int cursor_revoke(struct cursor *c) MUST_CHECK;

/* When the file was written; microseconds since 1970, UTC; 0: there was none. */
uint64_t cursor_time(const struct cursor *c);

#endif
