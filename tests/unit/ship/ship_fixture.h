/*
 * An audit log as the keeper writes it (audit_fixture.h), and a centre in memory that can be made
 * to fail, to lag, to lose and to disagree.
 */
#ifndef CENTION_TESTS_UNIT_SHIP_SHIP_FIXTURE_H
#define CENTION_TESTS_UNIT_SHIP_SHIP_FIXTURE_H

#include "ship/shipper.h"
#include "unit/keeper/audit/audit_fixture.h"

/* ---- the log ---- */

extern int audit_fd; /* of the folder */

/* A keeper with small segments, and the folder's descriptor. */
struct audit *keep(struct audit_options *options);
/* So many pairs of records, made durable. */
void pairs(struct audit *a, unsigned n);
/* What is due is done: signatures, rotation, compressing, retiring. */
void tend(struct audit *a);
/* Goes on until there is another segment. */
void next_segment(struct audit *a);
struct seal_key identity(void);

/* The path of the newest segment, or of the one `back` before it; static. */
const char *segment_path(unsigned back);
unsigned segment_count(void);

/* ---- the centre ---- */

enum { ARCHIVE_RECORDS = 20000, ARCHIVE_ALARMS = 32 };

struct fake_alarm {
    enum ship_alarm_kind kind;
    struct ship_place here, there;
};

struct fake_archive {
    struct ship_place records[ARCHIVE_RECORDS];
    size_t n;
    uint64_t bytes;
    struct fake_alarm alarms[ARCHIVE_ALARMS];
    unsigned n_alarms;
    unsigned batches, most; /* batches that came; the most at once not acknowledged */
    bool double_or_gap;     /* a record came that doesn't follow */
};

struct fake_sink {
    struct sink sink;
    struct fake_archive *archive;
    const struct sink_events *events;
    void *arg;
    bool started, freed, up;
    int fail_ship; /* the next calls of ship return this; 0: none */
    bool hold;     /* acknowledge only when told to */
    bool conflict; /* the next batch meets another record */
    unsigned unacknowledged;
    uint64_t last; /* seq of the last record taken */
    struct loop *loop;
    struct loop_hook work;
    bool acknowledging;
};

struct fake_sink *fake_new(struct loop *loop, struct fake_archive *archive);
void fake_ready(struct fake_sink *f);                   /* connected; tells the centre's head */
void fake_lost(struct fake_sink *f, const char *why);   /* what was not acknowledged is lost */
void fake_acknowledge(struct fake_sink *f);             /* all that it took */
void archive_cut(struct fake_archive *c, uint64_t seq); /* loses what is behind */

/* Turns of the loop until `done` says so, at most some seconds: whether it did. */
bool turn_until(struct loop *loop, bool (*done)(void *arg), void *arg);

#endif
