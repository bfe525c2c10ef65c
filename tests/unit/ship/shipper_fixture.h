/*
 * A shipper between an audit log as the keeper writes it and a centre in memory (ship_fixture.h).
 */
#ifndef CENTION_TESTS_UNIT_SHIP_SHIPPER_FIXTURE_H
#define CENTION_TESTS_UNIT_SHIP_SHIPPER_FIXTURE_H

#include "ship/shipper.h"
#include "unit/ship/ship_fixture.h"

extern struct loop *loop;
extern struct fake_archive *archive;
extern struct fake_sink *fake;
extern struct shipper *shipper;
extern struct audit *audit;
extern int state_fd;       /* of the folder of cursors */
extern uint64_t cursor_us; /* of the next start */

/* A log of some records, and a shipper that waits for its sink. */
void open_all(void);
/* Nothing was doubled and nothing left out; all of it is gone. */
void close_all(void);
/* Another sink and shipper, when the last ones are freed: what shipper_new says. */
int start(void);

struct shipper_report report(void);
/* What the cursor's file says: whether it is there and good. */
bool read_receipt(struct receipt *out);

/* For turn_until; arg is not used. */
bool has_all(void *arg);         /* the centre has the whole log, and the shipper knows */
bool receipt_has_all(void *arg); /* the cursor's file says so */

#endif
