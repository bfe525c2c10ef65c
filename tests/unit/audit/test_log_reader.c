/* A log as one sequence of lines, in a folder that the test writes. */
#include "audit/log_reader.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static char folder[] = "/tmp/test_log_reader.XXXXXX";

static void put(const char *name, const char *text)
{
    char path[128];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static void begin(struct log_reader *r, bool waits)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/test_log_reader.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    *r = LOG_READER_INIT;
    r->waits = waits;
    CU_ASSERT_EQUAL_FATAL(log_reader_open(r, folder), 0);
}

static void end(struct log_reader *r)
{
    log_reader_close(r);
    unit_remove(folder);
}

static void expect(struct log_reader *r, int answer, const char *text)
{
    struct slice line = SLICE_NULL;

    CU_ASSERT_EQUAL(log_reader_next(r, &line), answer);
    if (text)
        CU_ASSERT(slice_eq(line, slice_str(text)));
}

/* Over segments as they come; the end of one is believed once another is there. */
static void test_grows(void)
{
    struct log_reader r;

    begin(&r, false);
    expect(&r, LOG_END, NULL);
    put("audit-1.jsonl", "one\ntw");
    expect(&r, LOG_SEGMENT, NULL);
    CU_ASSERT_EQUAL(r.number, 1);
    expect(&r, LOG_LINE, "one");
    expect(&r, LOG_END, NULL);
    put("audit-1.jsonl", "o\n");
    expect(&r, LOG_LINE, "two");
    put("audit-1.jsonl", "three\n");
    put("audit-4.jsonl", "four\n");
    expect(&r, LOG_LINE, "three");
    expect(&r, LOG_SEGMENT, NULL);
    CU_ASSERT(r.number == 4 && strstr(r.path, "/audit-4.jsonl") != NULL);
    expect(&r, LOG_LINE, "four");
    expect(&r, LOG_END, NULL);
    CU_ASSERT_FALSE(log_reader_shrank(&r));
    log_reader_seek(&r, 3);
    expect(&r, LOG_SEGMENT, NULL);
    expect(&r, LOG_LINE, "one");
    log_reader_seek(&r, 9);
    expect(&r, LOG_SEGMENT, NULL);
    expect(&r, LOG_LINE, "four");
    end(&r);
}

/* What a finished segment ends with is given; at the log's end, once the writer has stopped. */
static void test_truncated(void)
{
    struct log_reader r;
    char path[128];

    begin(&r, true);
    put("audit-1.jsonl", "one\ntw");
    put("audit-3.jsonl", "three\nfo");
    expect(&r, LOG_SEGMENT, NULL);
    expect(&r, LOG_LINE, "one");
    expect(&r, LOG_TRUNCATED, "tw");
    expect(&r, LOG_SEGMENT, NULL);
    expect(&r, LOG_LINE, "three");
    expect(&r, LOG_TRUNCATED, "fo");
    expect(&r, LOG_END, NULL);
    /* The next keeper cuts it off and writes something else. */
    (void)snprintf(path, sizeof(path), "%s/audit-3.jsonl", folder);
    CU_ASSERT_EQUAL(truncate(path, 6), 0);
    put("audit-3.jsonl", "else\n");
    expect(&r, LOG_LINE, "else");
    CU_ASSERT_EQUAL(truncate(path, 6), 0);
    CU_ASSERT(log_reader_shrank(&r));
    end(&r);
}

static void *finish_line(void *arg)
{
    (void)arg;
    usleep(1500000);
    put("audit-1.jsonl", "o");
    usleep(800000);
    put("audit-1.jsonl", "\n");
    return NULL;
}

/* Growth keeps the waiting up, and so does a held lock. */
static void test_waits(void)
{
    char path[128];
    struct log_reader r;
    pthread_t thread;
    int lock;

    begin(&r, true);
    put("audit-1.jsonl", "one\ntw");
    (void)snprintf(path, sizeof(path), "%s/.lock", folder);
    lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CU_ASSERT_FALSE(segments_are_written(r.directory));
    CU_ASSERT_EQUAL_FATAL(flock(lock, LOCK_EX), 0);
    CU_ASSERT(segments_are_written(r.directory));
    expect(&r, LOG_SEGMENT, NULL);
    expect(&r, LOG_LINE, "one");
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, finish_line, NULL), 0);
    expect(&r, LOG_LINE, "two");
    pthread_join(thread, NULL);
    close(lock);
    end(&r);
}

static void test_files(void)
{
    char one[128], three[128], *files[2] = {one, three};
    struct log_reader r;

    begin(&r, false);
    log_reader_close(&r);
    put("audit-1.jsonl", "one\n");
    put("audit-3.jsonl", "three\n");
    put("audit-5.jsonl", "five\n");
    (void)snprintf(one, sizeof(one), "%s/audit-1.jsonl", folder);
    (void)snprintf(three, sizeof(three), "%s/audit-3.jsonl", folder);
    CU_ASSERT_EQUAL_FATAL(log_reader_open_files(&r, files, 2), 0);
    expect(&r, LOG_SEGMENT, NULL);
    expect(&r, LOG_LINE, "one");
    expect(&r, LOG_SEGMENT, NULL);
    expect(&r, LOG_LINE, "three");
    expect(&r, LOG_END, NULL);
    r.follows = true;
    expect(&r, LOG_SEGMENT, NULL);
    expect(&r, LOG_LINE, "five");
    expect(&r, LOG_END, NULL);
    log_reader_close(&r);
    (void)snprintf(one, sizeof(one), "%s/none", folder);
    CU_ASSERT_EQUAL_FATAL(log_reader_open_files(&r, files, 1), 0);
    expect(&r, -ENOENT, NULL);
    end(&r);
    r = LOG_READER_INIT;
    CU_ASSERT_EQUAL(log_reader_open(&r, "/nowhere/at/all"), -ENOENT);
    log_reader_close(&r);
}

static void test_damaged(void)
{
    struct log_reader r;

    begin(&r, true);
    put("audit-1.jsonl.zst", "this is not compressed");
    put("audit-3.jsonl", "three\n");
    expect(&r, LOG_SEGMENT, NULL);
    CU_ASSERT(strstr(r.path, "audit-1.jsonl.zst") != NULL);
    expect(&r, -EBADMSG, NULL);
    log_reader_skip(&r);
    expect(&r, LOG_SEGMENT, NULL);
    expect(&r, LOG_LINE, "three");
    end(&r);
}

static const struct unit_case CASES[] = {
    {"it grows", test_grows}, {"truncated", test_truncated}, {"waits", test_waits},
    {"files", test_files},    {"damaged", test_damaged},
};

UNIT_MAIN("log_reader", CASES)
