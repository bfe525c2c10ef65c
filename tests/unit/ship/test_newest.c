#include "ship/newest.h"
#include "unit/ship/ship_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct audit_options options;

static void the_last_record(void)
{
    struct newest newest = {0};
    struct audit *a;
    uint64_t now = (uint64_t)time(NULL) * 1000000;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    for (int i = 0; i < 3; i++) {
        pairs(a, 2);
        CU_ASSERT_EQUAL(newest_look(&newest, audit_fd), 0);
        CU_ASSERT_EQUAL(newest.seq, audit_seq(a));
        CU_ASSERT(newest.time_us + 60000000 > now && newest.time_us < now + 60000000);
        next_segment(a);
        CU_ASSERT_EQUAL(newest_look(&newest, audit_fd), 0);
        CU_ASSERT_EQUAL(newest.seq, audit_seq(a));
    }
    /* A part of a line is none. */
    append(strrchr(segment_path(0), '/') + 1, "{\"seq\":9999,\"time\":\"");
    CU_ASSERT_EQUAL(newest_look(&newest, audit_fd), 0);
    CU_ASSERT_EQUAL(newest.seq, audit_seq(a));
    audit_free(a);
    cleanup();
}

static void a_new_segment_without_a_record(void)
{
    struct newest newest = {0};
    struct audit *a;

    setup();
    options = (struct audit_options){0};
    a = keep(&options);
    pairs(a, 2);
    put_file("audit-1000.jsonl", "");
    CU_ASSERT_EQUAL(newest_look(&newest, audit_fd), 0);
    CU_ASSERT_EQUAL(newest.seq, audit_seq(a));
    put_file("audit-1000.jsonl", "{\"seq\":1000");
    CU_ASSERT_EQUAL(newest_look(&newest, audit_fd), 0);
    CU_ASSERT_EQUAL(newest.seq, audit_seq(a));
    audit_free(a);
    cleanup();
}

static void a_very_long_record(void)
{
    const size_t n = 3 * 1024 * 1024;
    struct newest newest = {0};
    struct audit *a;
    char *text = malloc(n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'e', n);
    setup();
    options = (struct audit_options){.segment_bytes = 64 * 1024 * 1024};
    a = keep(&options);
    pairs(a, 2);
    CU_ASSERT_EQUAL(audit_config(a, "refused", slice_of(text, n)), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT_EQUAL(newest_look(&newest, audit_fd), 0);
    CU_ASSERT_EQUAL(newest.seq, audit_seq(a));
    free(text);
    audit_free(a);
    cleanup();
}

static void no_log(void)
{
    struct newest newest = {.seq = 7};

    setup();
    audit_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_EQUAL(newest_look(&newest, audit_fd), -ENOENT);
    put_file("audit-1.jsonl", "no record\nneither\n");
    CU_ASSERT_EQUAL(newest_look(&newest, audit_fd), -ENOENT);
    CU_ASSERT_EQUAL(newest.seq, 7);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"the last record", the_last_record},
    {"a new segment without a record", a_new_segment_without_a_record},
    {"a very long record", a_very_long_record},
    {"no log", no_log},
};

UNIT_MAIN("newest", CASES)
