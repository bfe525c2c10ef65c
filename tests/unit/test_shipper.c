/* A shipper between the keeper's own log and a centre in memory. */
#include "base/file.h"
#include "ship/shipper.h"
#include "unit/ship_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct audit_options options;
static struct loop *loop;
static struct fake_centre *centre;
static struct fake_sink *fake;
static struct shipper *shipper;
static struct audit *audit;
static char state[] = "/tmp/test_shipper.XXXXXX";
static int state_fd;
static uint64_t cursor_us;

static int start(void)
{
    const struct shipper_options o = {
        .name = "archive",
        .host = "here",
        .receipt = true,
        .log = identity(),
        .audit = audit_fd,
        .state = state_fd,
        .suspect_us = 20000,
        .stopped_us = 30000,
        .retry_us = 20000,
        .cursor_us = cursor_us,
    };
    struct err err = ERR_INIT;

    fake = fake_new(loop, centre);
    return shipper_new(&shipper, loop, &o, &fake->sink, &err);
}

/* A log of some records, and a shipper that waits for its sink. */
static void open_all(void)
{
    setup();
    strcpy(state + strlen(state) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(state));
    state_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cursor_us = 10000;
    options = (struct audit_options){0};
    audit = keep(&options);
    pairs(audit, 5);
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    centre = calloc(1, sizeof(*centre));
    CU_ASSERT_PTR_NOT_NULL_FATAL(centre);
    CU_ASSERT_EQUAL_FATAL(start(), 0);
}

static void close_all(void)
{
    CU_ASSERT_FALSE(centre->double_or_gap);
    shipper_free(shipper);
    shipper = NULL;
    loop_free(loop);
    free(centre);
    audit_free(audit);
    close(state_fd);
    unit_remove(state);
    cleanup();
}

static struct shipper_report report(void)
{
    struct shipper_report r;

    shipper_report(&r, shipper);
    return r;
}

static bool has_all(void *arg)
{
    (void)arg;
    return centre->n && centre->records[centre->n - 1].seq == audit_seq(audit) &&
           report().acknowledged == audit_seq(audit);
}

static bool has_alarm(void *arg)
{
    (void)arg;
    return centre->n_alarms > 0;
}

static bool is_state(void *arg)
{
    return report().state == *(enum shipper_state *)arg;
}

static bool until_state(enum shipper_state wanted)
{
    return turn_until(loop, is_state, &wanted);
}

/* What the cursor's file says. */
static bool read_receipt(struct receipt *out)
{
    struct buf text = BUF_INIT(RECEIPT_MAX);
    char path[128];
    bool good;

    snprintf(path, sizeof(path), "%s/archive.receipt", state);
    good = file_read(&text, path) == 0 && !receipt_read(buf_slice(&text), out);
    buf_deinit(&text);
    return good;
}

static bool receipt_has_all(void *arg)
{
    struct receipt r;

    (void)arg;
    return read_receipt(&r) && r.seq == audit_seq(audit);
}

static void ships_all_and_goes_on(void)
{
    struct receipt r;

    open_all();
    CU_ASSERT_EQUAL(report().state, SHIPPER_DOWN);
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(centre->n, audit_seq(audit));
    for (int i = 0; i < 5; i++) {
        next_segment(audit);
        shipper_wake(shipper);
        CU_ASSERT(turn_until(loop, has_all, NULL));
    }
    CU_ASSERT(turn_until(loop, receipt_has_all, NULL));
    CU_ASSERT_FATAL(read_receipt(&r));
    CU_ASSERT_EQUAL(r.epoch, centre->records[centre->n - 1].epoch);
    CU_ASSERT(chain_same(&r.hash, &centre->records[centre->n - 1].hash));
    CU_ASSERT_STRING_EQUAL(r.sink, "archive");
    CU_ASSERT_EQUAL(report().records, centre->n);
    CU_ASSERT_EQUAL(report().batches, centre->batches);
    CU_ASSERT_EQUAL(centre->n_alarms, 0);
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
    CU_ASSERT_EQUAL(centre->batches, 3);
    CU_ASSERT_EQUAL(report().acknowledged, 0);
    /* What was under way is lost with the connection; the centre had taken it. */
    fake_lost(fake, "gone");
    CU_ASSERT(shipper_idle(shipper));
    CU_ASSERT_STRING_EQUAL(report().why, "gone");
    fake->hold = false;
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(centre->most, 3);
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
    CU_ASSERT_EQUAL(centre->n, audit_seq(audit));
    CU_ASSERT_EQUAL(centre->n_alarms, 0);
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
    centre_cut(centre, 7);
    centre->records[6].hash.bytes[3] ^= 1;
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_STOPPED));
    CU_ASSERT(turn_until(loop, receipt_is, &(uint64_t){0}));
    CU_ASSERT_EQUAL(centre->n_alarms, 2);
    CU_ASSERT_EQUAL(centre->alarms[1].kind, SHIP_REWRITTEN);
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
    centre_cut(centre, 7);
    /* Even over a restart: the receipt's file knows. */
    shipper_free(shipper);
    CU_ASSERT_EQUAL_FATAL(start(), 0);
    CU_ASSERT_EQUAL(report().acknowledged, audit_seq(audit));
    fake_ready(fake);
    fake->hold = true;
    CU_ASSERT(turn_until(loop, has_alarm, NULL));
    CU_ASSERT_EQUAL(centre->alarms[0].kind, SHIP_BEHIND);
    CU_ASSERT_EQUAL(centre->alarms[0].here.seq, audit_seq(audit));
    CU_ASSERT_EQUAL(centre->alarms[0].there.seq, 7);
    /* The keeper is told that it may not rely on them. */
    CU_ASSERT(turn_until(loop, receipt_is, &(uint64_t){7}));
    CU_ASSERT_FATAL(read_receipt(&r));
    CU_ASSERT(chain_same(&r.hash, &centre->records[6].hash));
    fake_lost(fake, "again");
    fake->hold = false;
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(centre->n_alarms, 1);
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
    centre_cut(centre, 7);
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
    centre->records[centre->n] = centre->records[centre->n - 1];
    centre->records[centre->n++].seq++;
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_STOPPED));
    CU_ASSERT_EQUAL(centre->n_alarms, 1);
    CU_ASSERT_EQUAL(centre->alarms[0].kind, SHIP_REWRITTEN);
    CU_ASSERT(turn_until(loop, receipt_is, &(uint64_t){0}));
    /* The other copy is done away with. */
    fake_lost(fake, "again");
    centre->n--;
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
    CU_ASSERT_EQUAL(centre->n_alarms, 1);
    CU_ASSERT_EQUAL(centre->alarms[0].kind, SHIP_TRUNCATED);
    CU_ASSERT_EQUAL(centre->alarms[0].here.seq, audit_seq(audit) - 1);
    CU_ASSERT_EQUAL(centre->alarms[0].there.seq, audit_seq(audit));
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
    CU_ASSERT_EQUAL(centre->n_alarms, 1);
    close_all();
}

static void a_rewritten_log(void)
{
    open_all();
    fake_ready(fake);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    fake_lost(fake, "it went");
    centre->records[centre->n - 1].hash.bytes[0] ^= 1;
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_STOPPED));
    CU_ASSERT_EQUAL(centre->n_alarms, 1);
    CU_ASSERT_EQUAL(centre->alarms[0].kind, SHIP_REWRITTEN);
    CU_ASSERT_EQUAL(centre->alarms[0].here.seq, centre->alarms[0].there.seq);
    CU_ASSERT_FALSE(chain_same(&centre->alarms[0].here.hash, &centre->alarms[0].there.hash));
    /* While connected it looks again, and says it once. */
    pairs(audit, 1);
    shipper_wake(shipper);
    let_pass(100000);
    CU_ASSERT_EQUAL(report().state, SHIPPER_STOPPED);
    CU_ASSERT_EQUAL(centre->n_alarms, 1);
    close_all();
}

static void a_conflict_stops_it(void)
{
    open_all();
    fake->conflict = true;
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_STOPPED));
    CU_ASSERT(turn_until(loop, has_alarm, NULL));
    CU_ASSERT_EQUAL(centre->alarms[0].kind, SHIP_CONFLICT);
    CU_ASSERT_EQUAL(centre->alarms[0].there.hash.bytes[0], 2);
    shipper_wake(shipper);
    let_pass(100000);
    CU_ASSERT_EQUAL(centre->batches, 1);
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
    CU_ASSERT_EQUAL(centre->n_alarms, 1);
    CU_ASSERT_EQUAL(centre->alarms[0].kind, SHIP_MISSING);
    CU_ASSERT_EQUAL(centre->alarms[0].there.seq, 0);
    CU_ASSERT_EQUAL(centre->alarms[0].here.seq, centre->records[0].seq);
    CU_ASSERT(centre->records[0].seq > 1);
    centre->double_or_gap = false; /* it is one, and was told */
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
    CU_ASSERT_EQUAL(centre->n_alarms, 1);
    CU_ASSERT_EQUAL(centre->alarms[0].kind, SHIP_BROKEN);
    CU_ASSERT_EQUAL(centre->n, audit_seq(audit) - 1); /* what is good before it */
    f = fopen(path, "r+");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fwrite(text, 1, n, f);
    fclose(f);
    free(text);
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(centre->n_alarms, 1);
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
    CU_ASSERT_EQUAL(centre->n_alarms, 0);
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
    source_fdatasync = failing_sync;
    fake_ready(fake);
    CU_ASSERT(until_state(SHIPPER_SUSPECT));
    CU_ASSERT_EQUAL(centre->n, 0);
    CU_ASSERT(strstr(report().why, "durable") != NULL);
    source_fdatasync = fdatasync;
    CU_ASSERT(turn_until(loop, has_all, NULL));
    CU_ASSERT_EQUAL(centre->n_alarms, 0);
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
    CU_ASSERT_EQUAL(centre->n, taken); /* and takes no more */
    shipper_free(shipper);
    shipper = NULL;
    CU_ASSERT_FATAL(read_receipt(&r));
    CU_ASSERT_EQUAL(r.seq, taken);
    close_all();
}

static const struct unit_case CASES[] = {
    {"segments that are gone", segments_that_are_gone},
    {"a broken chain", a_broken_chain},
    {"a file that was put back", a_file_that_was_put_back},
    {"a file that is put back", a_file_that_is_put_back},
    {"nothing before it is durable", nothing_before_it_is_durable},
    {"a cursor that can't be written", a_cursor_that_cannot_be_written},
    {"the lag", the_lag},
    {"the end waits for what is under way", the_end_waits_for_what_is_under_way},
    {"ships all and goes on", ships_all_and_goes_on},
    {"as many batches as the sink takes", as_many_batches_as_the_sink_takes},
    {"nothing doubled when it is killed", nothing_doubled_when_it_is_killed},
    {"a full sink is asked again", a_full_sink_is_asked_again},
    {"a centre that lost records", a_centre_that_lost_records},
    {"a centre that lost and is another", a_centre_that_lost_and_is_another},
    {"a centre that lost and a full disk", a_centre_that_lost_and_a_full_disk},
    {"a centre that went on with another", a_centre_that_went_on_with_another},
    {"a truncated log", a_truncated_log},
    {"a rewritten log", a_rewritten_log},
    {"a conflict stops it", a_conflict_stops_it},
};

UNIT_MAIN("shipper", CASES)
