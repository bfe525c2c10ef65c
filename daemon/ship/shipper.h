/*
 * Brings the audit log to one sink, for ever: asks the centre how far it is, goes on behind that,
 * keeps as many batches under way as the sink allows, and remembers durably what was acknowledged.
 * Nothing is sent that tail.h doesn't vouch for, nothing twice in one connection, and nothing at
 * all while this host's log and the centre's don't agree: that is an alarm.
 */
#ifndef CENTION_SHIP_SHIPPER_H
#define CENTION_SHIP_SHIPPER_H

#include "base/err.h"
#include "central/sink.h"
#include "ship/cursor.h"
#include "ship/newest.h"
#include "ship/tail.h"

/*
 *   DOWN --ready(head)--> LOOKING --found, or a gap--> SHIPPING --its file is another--> LOOKING
 *    ^                       |  ^                         |
 *    |                     amiss|                       amiss
 *    |                       v  |after a moment           |
 *    |                     SUSPECT <----------------------+
 *    |                       |
 *    |                     amiss again
 *    |                       v
 *    |                     STOPPED --after a while--> looks whether the log is what it was
 *    |                       ^
 *    |                    conflict, from SHIPPING: until the sink is connected anew
 *    +--lost(why), from every state
 *
 * DOWN      the sink is not connected: waits for it
 * LOOKING   for the record behind which to go on: reads the log
 * SHIPPING  reads the log and hands batches over; at the log's end: waits for more
 * SUSPECT   the log is not what it should be; the keeper may be about to mend it (a start after a
 *           crash, a file that it puts back): waits to look a second time
 * STOPPED   it is not what it should be, or the centre isn't: an alarm was raised
 */
enum shipper_state {
    SHIPPER_DOWN,
    SHIPPER_LOOKING,
    SHIPPER_SHIPPING,
    SHIPPER_SUSPECT,
    SHIPPER_STOPPED,
};

const char *shipper_state_name(enum shipper_state state); /* "down", "looking" and so on */

struct shipper_options {
    const char *name; /* of the sink */
    const char *host;
    bool receipt; /* the sink is an archive: its cursor is a receipt */
    struct seal_key log;
    int audit; /* the audit folder; not owned */
    int state; /* the folder of cursors; not owned */
    /* Microseconds; 0: as it is for everyone. For tests. */
    uint64_t suspect_us, stopped_us, retry_us, cursor_us;
};

struct shipper;

/* Takes over the sink, also when it fails, and starts it. The options' texts stay the caller's and
 * valid. -errno with err filled. */
int shipper_new(struct shipper **out, struct loop *loop, const struct shipper_options *options,
                struct sink *sink, struct err *err) MUST_CHECK;
/* Remembers what was acknowledged, and closes everything. NULL is allowed. */
void shipper_free(struct shipper *shipper);

/* There may be something new in the folder. */
void shipper_wake(struct shipper *shipper);

/* What the folder holds now, to measure against; called now and then. */
void shipper_newest(struct shipper *shipper, const struct newest *newest);

/* Hands no more batches over. */
void shipper_drain(struct shipper *shipper);
bool shipper_idle(const struct shipper *shipper); /* no batch is under way */

struct shipper_report {
    const char *name, *kind;
    enum shipper_state state;
    bool receipt;
    uint64_t acknowledged; /* the last record that the centre is known to have */
    uint64_t lag_records;
    uint64_t lag_us;           /* how long the oldest record that isn't there may have waited */
    uint64_t records, batches; /* acknowledged since the start */
    uint64_t under_way;        /* batches */
    uint64_t alarms[SHIP_BEHIND + 1];
    const char *why; /* the last error; "" */
    bool cursor_failed;
};

/* Its texts are valid until the shipper is called or the loop goes on. */
void shipper_report(struct shipper_report *out, const struct shipper *shipper);

#endif
