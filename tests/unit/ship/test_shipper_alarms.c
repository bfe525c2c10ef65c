/* A shipper whose log, or centre, isn't what it should be: what it suspects, and what it alarms. */
#include "ship/shipper.h"

#include "unit/ship/shipper_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_alarm(void *arg)
{
    (void)arg;
    return archive->n_alarms > 0;
}

static bool is_state(void *arg)
{
    return report().state == *(enum shipper_state *)arg;
}

static bool until_state(enum shipper_state wanted)
{
    return turn_until(loop, is_state, &wanted);
}

static bool receipt_is(void *arg)
{
    struct receipt r;

    return read_receipt(&r) && r.seq == *(uint64_t *)arg;
}

/* Time passes; nothing may come of it. */
static bool never(void *arg)
{
    return loop_now() > *(uint64_t *)arg;
}

static void let_pass(uint64_t us)
{
    uint64_t end = loop_now() + us;

    CU_ASSERT(turn_until(loop, never, &end));
}

/* What is left is of another log: nothing may be relied on. */
static void a_centre_that_lost_and_is_another(void)
{
    open_all();
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, receipt_has_all, NULL));
    fake_lost(fake, "it went");
    archive_cut(archive, 7);
    archive->records[6].hash.bytes[3] ^= 1;
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_STOPPED));
    CU_ASSERT(turn_until(loop, receipt_is, &(uint64_t){0}));
    CU_ASSERT_EQUAL(archive->n_alarms, 2);
    CU_ASSERT_EQUAL(archive->alarms[1].kind, SHIP_REWRITTEN);
    close_all();
}

static void a_centre_that_lost_records(void)
{
    struct receipt r;

    open_all();
    pairs(audit, 50);
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, receipt_has_all, NULL));
    fake_lost(fake, "it went");
    archive_cut(archive, 7);
    /* Even over a restart: the receipt's file knows. */
    shipper_free(shipper);
    CU_ASSERT_EQUAL_FATAL(start(), 0);
    CU_ASSERT_EQUAL(report().acknowledged, audit_seq(audit));
    fake_ready(fake);
    fake->hold = true;
    CU_ASSERT(turn_until(loop, has_alarm, NULL));
    CU_ASSERT_EQUAL(archive->alarms[0].kind, SHIP_BEHIND);
    CU_ASSERT_EQUAL(archive->alarms[0].here.seq, audit_seq(audit));
    CU_ASSERT_EQUAL(archive->alarms[0].there.seq, 7);
    /* The keeper is told that it may not rely on them. */
    CU_ASSERT(turn_until(loop, receipt_is, &(uint64_t){7}));
    CU_ASSERT_FATAL(read_receipt(&r));
    CU_ASSERT(chain_same(&r.hash, &archive->records[6].hash));
    fake_lost(fake, "again");
    fake->hold = false;
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(archive->n_alarms, 1);
    close_all();
}

static bool no_receipt(void *arg)
{
    struct receipt r;

    (void)arg;
    return !read_receipt(&r) || r.seq == 0;
}

/* A disk that is full when the centre has lost records doesn't let the keeper go on relying on the
 * receipt. */
static void a_centre_that_lost_and_a_full_disk(void)
{
    open_all();
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, receipt_has_all, NULL));
    fake_lost(fake, "it went");
    archive_cut(archive, 7);
    fake->hold = true;
    CU_ASSERT_EQUAL(mkdirat(state_fd, ".archive.receipt.new", 0700), 0);
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_alarm, NULL));
    CU_ASSERT(turn_until(loop, no_receipt, NULL));
    CU_ASSERT_EQUAL(unlinkat(state_fd, ".archive.receipt.new", AT_REMOVEDIR), 0);
    CU_ASSERT(turn_until(loop, receipt_is, &(uint64_t){7}));
    close_all();
}

/* The centre has as much as it had acknowledged and more, but not of this log: another copy went on
 * behind what a fail-over had lost. */
static void a_centre_that_went_on_with_another(void)
{
    open_all();
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, receipt_has_all, NULL));
    fake_lost(fake, "it went");
    pairs(audit, 1);
    archive->records[archive->n] = archive->records[archive->n - 1];
    archive->records[archive->n++].seq++;
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_STOPPED));
    CU_ASSERT_EQUAL(archive->n_alarms, 1);
    CU_ASSERT_EQUAL(archive->alarms[0].kind, SHIP_REWRITTEN);
    CU_ASSERT(turn_until(loop, receipt_is, &(uint64_t){0}));
    /* The other copy is done away with. */
    fake_lost(fake, "again");
    archive->n--;
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, receipt_has_all, NULL));
    close_all();
}

/* Cuts the newest segment's file to n bytes less. */
static void cut(size_t n)
{
    const char *path = segment_path(0);
    struct stat st;

    CU_ASSERT_EQUAL_FATAL(stat(path, &st), 0);
    CU_ASSERT_EQUAL_FATAL(truncate(path, st.st_size - (off_t)n), 0);
}

static void a_truncated_log(void)
{
    size_t n = 0;
    char *text, path[128];

    open_all();
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    fake_lost(fake, "it went");
    snprintf(path, sizeof(path), "%s", segment_path(0));
    text = unit_file(path, &n);
    cut(10);
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_STOPPED));
    CU_ASSERT_EQUAL(archive->n_alarms, 1);
    CU_ASSERT_EQUAL(archive->alarms[0].kind, SHIP_TRUNCATED);
    CU_ASSERT_EQUAL(archive->alarms[0].here.seq, audit_seq(audit) - 1);
    CU_ASSERT_EQUAL(archive->alarms[0].there.seq, audit_seq(audit));
    CU_ASSERT_EQUAL(report().alarms[SHIP_TRUNCATED], 1);
    CU_ASSERT(report().why[0] != '\0');
    /* It is what it was: the keeper, or the administrator, put it back. */
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    {
        FILE *f = fopen(path, "r+");

        CU_ASSERT_PTR_NOT_NULL_FATAL(f);
        CU_ASSERT_EQUAL(fwrite(text, 1, n, f), n);
        fclose(f);
    }
    free(text);
    CU_ASSERT(until_state(SHIPPER_SHIPPING));
    pairs(audit, 1);
    shipper_wake(shipper);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(archive->n_alarms, 1);
    close_all();
}

static void a_rewritten_log(void)
{
    open_all();
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    fake_lost(fake, "it went");
    archive->records[archive->n - 1].hash.bytes[0] ^= 1;
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_STOPPED));
    CU_ASSERT_EQUAL(archive->n_alarms, 1);
    CU_ASSERT_EQUAL(archive->alarms[0].kind, SHIP_REWRITTEN);
    CU_ASSERT_EQUAL(archive->alarms[0].here.seq, archive->alarms[0].there.seq);
    CU_ASSERT_FALSE(chain_same(&archive->alarms[0].here.hash, &archive->alarms[0].there.hash));
    /* While connected it looks again, and says it once. */
    pairs(audit, 1);
    shipper_wake(shipper);
    let_pass(100000);
    CU_ASSERT_EQUAL(report().state, SHIPPER_STOPPED);
    CU_ASSERT_EQUAL(archive->n_alarms, 1);
    close_all();
}

static void a_conflict_stops_it(void)
{
    open_all();
    fake->conflict = true;
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_STOPPED));
    CU_ASSERT(turn_until(loop, has_alarm, NULL));
    CU_ASSERT_EQUAL(archive->alarms[0].kind, SHIP_CONFLICT);
    CU_ASSERT_EQUAL(archive->alarms[0].there.hash.bytes[0], 2);
    shipper_wake(shipper);
    let_pass(100000);
    CU_ASSERT_EQUAL(archive->batches, 1);
    CU_ASSERT_EQUAL(report().state, SHIPPER_STOPPED);
    close_all();
}

static void segments_that_are_gone(void)
{
    open_all();
    for (int i = 0; i < 4; i++)
        next_segment(audit);
    CU_ASSERT_EQUAL(unlink(segment_path(segment_count() - 1)), 0);
    CU_ASSERT_EQUAL(unlink(segment_path(segment_count() - 1)), 0);
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(archive->n_alarms, 1);
    CU_ASSERT_EQUAL(archive->alarms[0].kind, SHIP_MISSING);
    CU_ASSERT_EQUAL(archive->alarms[0].there.seq, 0);
    CU_ASSERT_EQUAL(archive->alarms[0].here.seq, archive->records[0].seq);
    CU_ASSERT(archive->records[0].seq > 1);
    archive->double_or_gap = false; /* it is one, and was told */
    CU_ASSERT_EQUAL(report().state, SHIPPER_SHIPPING);
    close_all();
}

static void a_broken_chain(void)
{
    char path[128];
    size_t n = 0;
    char *text;
    FILE *f;

    open_all();
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    pairs(audit, 1);
    snprintf(path, sizeof(path), "%s", segment_path(0));
    text = unit_file(path, &n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    f = fopen(path, "r+");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fseek(f, (long)(n - CHAIN_TAIL - 5), SEEK_SET);
    fputc('~', f);
    fclose(f);
    shipper_wake(shipper);
    CU_ASSERT(until_state(SHIPPER_STOPPED));
    CU_ASSERT_EQUAL(archive->n_alarms, 1);
    CU_ASSERT_EQUAL(archive->alarms[0].kind, SHIP_BROKEN);
    CU_ASSERT_EQUAL(archive->n, audit_seq(audit) - 1); /* what is good before it */
    f = fopen(path, "r+");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fwrite(text, 1, n, f);
    fclose(f);
    free(text);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(archive->n_alarms, 1);
    CU_ASSERT_EQUAL(report().state, SHIPPER_SHIPPING);
    close_all();
}

static bool has_all_unless_suspect(void *arg)
{
    if (report().state == SHIPPER_SUSPECT)
        *(bool *)arg = true;
    return has_all(NULL);
}

/* Another file with the same records, put there before anyone looked, is not even suspect. */
static void a_file_that_was_put_back(void)
{
    bool suspect = false;

    open_all();
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(unlink(segment_path(0)), 0);
    pairs(audit, 1);
    tend(audit);
    shipper_wake(shipper);
    CU_ASSERT(turn_until(loop, has_all_unless_suspect, &suspect));
    CU_ASSERT_FALSE(suspect);
    close_all();
}

/* Trouble that the keeper mends at once is no alarm. */
static void a_file_that_is_put_back(void)
{
    open_all();
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(unlink(segment_path(0)), 0);
    shipper_wake(shipper);
    CU_ASSERT(until_state(SHIPPER_SUSPECT));
    pairs(audit, 1);
    tend(audit);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(archive->n_alarms, 0);
    close_all();
}

static int failing_sync(int fd)
{
    (void)fd;
    errno = EIO;
    return -1;
}

static void nothing_before_it_is_durable(void)
{
    open_all();
    segment_fdatasync = failing_sync;
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_SUSPECT));
    CU_ASSERT_EQUAL(archive->n, 0);
    CU_ASSERT(strstr(report().why, "durable") != NULL);
    segment_fdatasync = fdatasync;
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(archive->n_alarms, 0);
    close_all();
}

static const struct unit_case CASES[] = {
    {"segments that are gone", segments_that_are_gone},
    {"a broken chain", a_broken_chain},
    {"a file that was put back", a_file_that_was_put_back},
    {"a file that is put back", a_file_that_is_put_back},
    {"nothing before it is durable", nothing_before_it_is_durable},
    {"a centre that lost records", a_centre_that_lost_records},
    {"a centre that lost and is another", a_centre_that_lost_and_is_another},
    {"a centre that lost and a full disk", a_centre_that_lost_and_a_full_disk},
    {"a centre that went on with another", a_centre_that_went_on_with_another},
    {"a truncated log", a_truncated_log},
    {"a rewritten log", a_rewritten_log},
    {"a conflict stops it", a_conflict_stops_it},
};

UNIT_MAIN("shipper_alarms", CASES)
