/* A shipper between the keeper's own log and a centre in memory. */
#include "ship/shipper.h"

#include "unit/ship/shipper_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void ships_all_and_goes_on(void)
{
    struct receipt r;

    open_all();
    CU_ASSERT_EQUAL(report().state, SHIPPER_DOWN);
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(archive->n, audit_seq(audit));
    for (int i = 0; i < 5; i++) {
        next_segment(audit);
        shipper_wake(shipper);
        CU_ASSERT(turn_until(loop, has_all, NULL));
    }
    CU_ASSERT(turn_until(loop, receipt_has_all, NULL));
    CU_ASSERT_FATAL(read_receipt(&r));
    CU_ASSERT_EQUAL(r.epoch, archive->records[archive->n - 1].epoch);
    CU_ASSERT(chain_same(&r.hash, &archive->records[archive->n - 1].hash));
    CU_ASSERT_STRING_EQUAL(r.sink, "archive");
    CU_ASSERT_EQUAL(report().records, archive->n);
    CU_ASSERT_EQUAL(report().batches, archive->batches);
    CU_ASSERT_EQUAL(archive->n_alarms, 0);
    close_all();
}

static bool is_held(void *arg)
{
    (void)arg;
    return fake->unacknowledged == 3;
}

static void as_many_batches_as_the_sink_takes(void)
{
    open_all();
    pairs(audit, 3000);
    tend(audit);
    fake->hold = true;
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, is_held, NULL));
    CU_ASSERT_EQUAL(report().under_way, 3);
    CU_ASSERT_FALSE(shipper_idle(shipper));
    CU_ASSERT_EQUAL(archive->batches, 3);
    CU_ASSERT_EQUAL(report().acknowledged, 0);
    /* What was under way is lost with the connection; the centre had taken it. */
    fake_lost(fake, "gone");
    CU_ASSERT(shipper_idle(shipper));
    CU_ASSERT_STRING_EQUAL(report().why, "gone");
    fake->hold = false;
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(archive->most, 3);
    close_all();
}

static bool is_under_way(void *arg)
{
    (void)arg;
    return report().under_way > 0;
}

static void nothing_doubled_when_it_is_killed(void)
{
    open_all();
    for (int i = 0; i < 20; i++) {
        pairs(audit, 400);
        tend(audit);
        fake->hold = i % 2;
        fake_ready(fake);
        CU_ASSERT(turn_until(loop, fake->hold ? is_under_way : has_all, NULL));
        /* As after kill -9: the cursor is what was written last. */
        shipper_free(shipper);
        CU_ASSERT_EQUAL_FATAL(start(), 0);
    }
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(archive->n, audit_seq(audit));
    CU_ASSERT_EQUAL(archive->n_alarms, 0);
    close_all();
}

static void a_full_sink_is_asked_again(void)
{
    open_all();
    fake->fail_ship = -ENOMEM;
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    close_all();
}

static bool cursor_failed(void *arg)
{
    return report().cursor_failed == *(bool *)arg;
}

static void a_cursor_that_cannot_be_written(void)
{
    bool yes = true, no = false;

    open_all();
    CU_ASSERT_EQUAL(mkdirat(state_fd, ".archive.receipt.new", 0700), 0);
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL)); /* shipping doesn't wait for it */
    CU_ASSERT(turn_until(loop, cursor_failed, &yes));
    CU_ASSERT_EQUAL(unlinkat(state_fd, ".archive.receipt.new", AT_REMOVEDIR), 0);
    CU_ASSERT(turn_until(loop, cursor_failed, &no));
    CU_ASSERT(turn_until(loop, receipt_has_all, NULL));
    close_all();
}

static void the_lag(void)
{
    struct newest newest;

    open_all();
    CU_ASSERT_EQUAL(newest_look(&newest, audit_fd), 0);
    shipper_newest(shipper, &newest);
    CU_ASSERT_EQUAL(report().lag_records, audit_seq(audit));
    fake->hold = true;
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, is_under_way, NULL));
    CU_ASSERT_EQUAL(report().lag_records, audit_seq(audit));
    CU_ASSERT(report().lag_us > 0);
    fake_acknowledge(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(report().lag_records, 0);
    CU_ASSERT_EQUAL(report().lag_us, 0);
    /* It begins anew with the next record. */
    pairs(audit, 1);
    CU_ASSERT_EQUAL(newest_look(&newest, audit_fd), 0);
    shipper_newest(shipper, &newest);
    CU_ASSERT_EQUAL(report().lag_records, 2);
    CU_ASSERT(report().lag_us < 10000000);
    close_all();
}

static bool is_idle(void *arg)
{
    (void)arg;
    return shipper_idle(shipper);
}

static void the_end_waits_for_what_is_under_way(void)
{
    struct receipt r;
    uint64_t taken;

    open_all();
    shipper_free(shipper);
    cursor_us = 60000000;
    CU_ASSERT_EQUAL_FATAL(start(), 0);
    fake->hold = true;
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, is_under_way, NULL));
    fake_acknowledge(fake);
    CU_ASSERT(turn_until(loop, receipt_has_all, NULL));
    pairs(audit, 1);
    shipper_wake(shipper);
    CU_ASSERT(turn_until(loop, is_under_way, NULL));
    taken = audit_seq(audit);
    shipper_drain(shipper);
    pairs(audit, 1);
    shipper_wake(shipper);
    CU_ASSERT_FALSE(shipper_idle(shipper));
    fake_acknowledge(fake);
    CU_ASSERT(turn_until(loop, is_idle, NULL));
    CU_ASSERT_EQUAL(archive->n, taken); /* and takes no more */
    shipper_free(shipper);
    shipper = NULL;
    CU_ASSERT_FATAL(read_receipt(&r));
    CU_ASSERT_EQUAL(r.seq, taken);
    close_all();
}

static const struct unit_case CASES[] = {
    {"a cursor that can't be written", a_cursor_that_cannot_be_written},
    {"the lag", the_lag},
    {"the end waits for what is under way", the_end_waits_for_what_is_under_way},
    {"ships all and goes on", ships_all_and_goes_on},
    {"as many batches as the sink takes", as_many_batches_as_the_sink_takes},
    {"nothing doubled when it is killed", nothing_doubled_when_it_is_killed},
    {"a full sink is asked again", a_full_sink_is_asked_again},
};

UNIT_MAIN("shipper", CASES)
