#include "keeper/audit/backlog.h"

#include "base/log.h"
#include "base/loop.h"
#include "unit/keeper/audit/audit_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct receipts_paths paths;
static struct backlog b;
static struct ledger l;
static int directory = -1;

enum { LIVE = 201 };

/* Segments of 1000 and 2000 bytes with 100 records each, and a active one of 400 with 50. */
static void begin(unsigned receipts, uint64_t quota)
{
    log_set_level(LOG_LEVEL_ERROR);
    setup();
    paths = (struct receipts_paths){0};
    if (receipts > 0)
        CU_ASSERT_PTR_NULL(receipts_paths_add(&paths, in_folder("a.receipt")));
    if (receipts > 1)
        CU_ASSERT_PTR_NULL(receipts_paths_add(&paths, in_folder("b.receipt")));
    directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL(directory >= 0);
    put_file("audit-1.jsonl.zst", "");
    CU_ASSERT_EQUAL(truncate(in_folder("audit-1.jsonl.zst"), 1000), 0);
    put_file("audit-101.jsonl", "");
    CU_ASSERT_EQUAL(truncate(in_folder("audit-101.jsonl"), 2000), 0);
    put_file("audit-201.jsonl", "");
    l = (struct ledger){.seq = 251, .active = {.size = 400}, .batch = BUF_INIT(1000)};
    backlog_init(&b, &paths, quota, directory);
}

static void end(void)
{
    buf_deinit(&l.batch);
    receipts_paths_deinit(&paths);
    close(directory);
    cleanup();
}

static bool look(void)
{
    return backlog_look(&b, &l, LIVE);
}

static void covers(const char *name, uint64_t seq)
{
    struct receipt r = {.sink = "x", .log = l.log, .epoch = 1, .seq = seq};
    struct buf text = BUF_INIT(RECEIPT_MAX);
    char to[128];

    memcpy(r.time, "2026-01-01T00:00:00.000000Z", SEAL_TIME);
    CU_ASSERT_EQUAL_FATAL(receipt_write(&text, &r), 0);
    CU_ASSERT_EQUAL_FATAL(buf_append(&text, "", 1), 0);
    put_file("new", text.data);
    buf_deinit(&text);
    strcpy(to, in_folder(name));
    CU_ASSERT_EQUAL(rename(in_folder("new"), to), 0);
}

static void test_no_receipts(void)
{
    begin(0, 0);
    CU_ASSERT_EQUAL(backlog_due(&b), UINT64_MAX);
    CU_ASSERT_EQUAL(b.covered, UINT64_MAX);
    backlog_segments(&b, LIVE);
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 0);
    CU_ASSERT_TRUE(backlog_takes(&b, &l));
    end();
}

static void test_bytes(void)
{
    begin(2, 0);
    CU_ASSERT_EQUAL(backlog_due(&b), 0);
    CU_ASSERT_FALSE(look());
    CU_ASSERT(backlog_due(&b) > 0 && backlog_due(&b) <= BACKLOG_LOOK_US);
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 3400);
    covers("a.receipt", 250);
    CU_ASSERT_FALSE(look());
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 3400);
    covers("b.receipt", 99);
    CU_ASSERT_FALSE(look());
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 3400);
    covers("b.receipt", 100);
    CU_ASSERT_TRUE(look());
    CU_ASSERT_FALSE(look());
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 2400);
    CU_ASSERT_EQUAL(b.covered, 100);
    covers("b.receipt", 249);
    CU_ASSERT_TRUE(look());
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 400);
    CU_ASSERT_EQUAL(buf_append(&l.batch, "12345", 5), 0);
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 405);
    covers("b.receipt", 250);
    CU_ASSERT_FALSE(look());
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 0);
    l.seq++;
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 405);
    /* A receipt that goes takes what it covered with it. */
    CU_ASSERT_EQUAL(unlink(in_folder("a.receipt")), 0);
    CU_ASSERT_FALSE(look());
    CU_ASSERT_EQUAL(b.covered, 0);
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 3405);
    end();
}

/* Compressed or gone, they weigh what lies there. */
static void test_other_segments(void)
{
    begin(1, 0);
    (void)look();
    CU_ASSERT_EQUAL(truncate(in_folder("audit-101.jsonl"), 1500), 0);
    backlog_segments(&b, LIVE);
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 2900);
    CU_ASSERT_EQUAL(unlink(in_folder("audit-1.jsonl.zst")), 0);
    backlog_segments(&b, LIVE);
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 1900);
    /* The active one was finished, and another begun. */
    CU_ASSERT_EQUAL(truncate(in_folder("audit-201.jsonl"), 400), 0);
    put_file("audit-251.jsonl", "");
    l.active.size = 0;
    backlog_segments(&b, 251);
    CU_ASSERT_EQUAL(backlog_bytes(&b, &l), 1900);
    end();
}

static void test_quota(void)
{
    begin(1, 3400);
    (void)look();
    CU_ASSERT_TRUE(backlog_takes(&b, &l));
    l.active.size++;
    CU_ASSERT_FALSE(backlog_takes(&b, &l));
    CU_ASSERT_STRING_EQUAL(b.reason, "audit.quota: 3401 bytes of the audit log wait for the "
                                     "receipt of a");
    /* It is a look that ends it, and the reason keeps up. */
    l.active.size += 10;
    (void)look();
    CU_ASSERT_FALSE(backlog_takes(&b, &l));
    CU_ASSERT_PTR_NOT_NULL(strstr(b.reason, " 3411 bytes"));
    covers("a.receipt", 100);
    CU_ASSERT_FALSE(backlog_takes(&b, &l));
    CU_ASSERT_TRUE(look());
    CU_ASSERT_TRUE(backlog_takes(&b, &l));
    CU_ASSERT_STRING_EQUAL(b.reason, "");
    /* A look finds it out, too. */
    CU_ASSERT_EQUAL(unlink(in_folder("a.receipt")), 0);
    (void)look();
    CU_ASSERT_TRUE(b.over);
    end();
}

/* Moments are a second apart at least, so these are made up. */
static void moments(void)
{
    uint64_t now = loop_now();

    b.n_moments = 4;
    b.moments[0] = (struct backlog_moment){10, now - 90000000};
    b.moments[1] = (struct backlog_moment){100, now - 60000000};
    b.moments[2] = (struct backlog_moment){200, now - 30000000};
    b.moments[3] = (struct backlog_moment){250, now - 5000000};
}

static uint64_t age(uint64_t seq)
{
    struct receipts_one one = {.seq = seq};

    return (backlog_age(&b, &one, &l) + 500000) / 1000000;
}

static void test_age(void)
{
    struct receipts_one one = {.seq = 5};

    begin(1, 0);
    moments();
    CU_ASSERT_EQUAL(age(0), 90);
    CU_ASSERT_EQUAL(age(10), 60);
    CU_ASSERT_EQUAL(age(99), 60);
    CU_ASSERT_EQUAL(age(100), 30);
    CU_ASSERT_EQUAL(age(249), 5);
    CU_ASSERT_EQUAL(age(250), 0);
    l.seq++;
    CU_ASSERT_EQUAL(age(250), 0); /* younger than the last look */
    CU_ASSERT_EQUAL(backlog_records(&one, &l), 246);
    one.seq = 251;
    CU_ASSERT_EQUAL(backlog_records(&one, &l), 0);
    /* From before the start: since the receipt was written. */
    one = (struct receipts_one){.seq = 5, .time_us = loop_wall() - 3600000000};
    CU_ASSERT_EQUAL(backlog_age(&b, &one, &l) / 1000000, 3600);
    one.seq = 10;
    CU_ASSERT_EQUAL((backlog_age(&b, &one, &l) + 500000) / 1000000, 60);
    end();
}

/* They are few, whatever waits, and what is covered is forgotten but for its last. */
static void test_moments(void)
{
    begin(1, 0);
    moments();
    covers("a.receipt", 220);
    (void)look();
    CU_ASSERT_EQUAL(b.n_moments, 2);
    CU_ASSERT_EQUAL(b.moments[0].seq, 200);
    for (unsigned i = 0; i < 1000; i++) {
        l.seq++;
        (void)look();
        CU_ASSERT_FATAL(b.n_moments <= BACKLOG_MOMENTS);
        for (unsigned k = 1; k < b.n_moments; k++)
            CU_ASSERT(b.moments[k - 1].seq < b.moments[k].seq &&
                      b.moments[k - 1].at <= b.moments[k].at);
        CU_ASSERT_EQUAL(b.moments[0].seq, 200);
        CU_ASSERT_EQUAL(b.moments[b.n_moments - 1].seq, l.seq - 1);
    }
    end();
}

static const struct unit_case CASES[] = {
    {"no receipts", test_no_receipts},
    {"bytes", test_bytes},
    {"other segments", test_other_segments},
    {"quota", test_quota},
    {"age", test_age},
    {"moments", test_moments},
};

UNIT_MAIN("backlog", CASES)
