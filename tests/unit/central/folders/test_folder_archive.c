#include "central/folders/folder_archive.h"
#include "unit/central/archive_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder with two hosts, and a third one that has a copy of the first one's log. */
struct place {
    char top[64], hosts[3][80];
    struct archive *archive;
};

static void place_open(struct place *p)
{
    struct err err = ERR_INIT;
    char url[80];

    snprintf(url, sizeof(url), "dir:%s", p->top);
    CU_ASSERT_EQUAL_FATAL(FOLDER_ARCHIVE.open(&p->archive, url, &err), 0);
}

static void place_make(struct place *p)
{
    char folder[64];

    *p = (struct place){.top = "/tmp/test_place.XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(p->top));
    for (size_t i = 0; i < 3; i++) {
        static const char *const NAMES[] = {"web1", "web2", "web3"};

        snprintf(p->hosts[i], sizeof(p->hosts[i]), "%s/%s", p->top, NAMES[i]);
        if (i < 2)
            made_log(folder, 3, true);
        else
            made_copy(p->hosts[0], folder);
        CU_ASSERT_EQUAL(rename(folder, p->hosts[i]), 0);
    }
}

static void place_remove(struct place *p)
{
    if (p->archive)
        FOLDER_ARCHIVE.close(p->archive);
    for (size_t i = 0; i < 3; i++)
        unit_remove(p->hosts[i]);
    unit_remove(p->top);
}

struct seen {
    struct seal_key logs[4];
    char hosts[64];
    size_t n, records, twice;
    uint64_t last, stop_at;
};

static int on_log(void *arg, const struct archive_log *log)
{
    struct seen *s = arg;

    s->logs[s->n++] = log->log;
    CU_ASSERT_EQUAL(log->first, 1);
    CU_ASSERT_EQUAL(log->records, UINT64_MAX);
    strcat(s->hosts, log->host);
    return 0;
}

static int on_record(void *arg, const struct archive_record *record)
{
    struct seen *s = arg;

    if (record->seq == s->stop_at)
        return -ECANCELED;
    CU_ASSERT(record->seq == s->last || record->seq == s->last + 1);
    s->twice += record->seq == s->last;
    s->last = record->seq;
    s->records++;
    return 0;
}

static void test_logs(void)
{
    struct err err = ERR_INIT;
    struct seen s = {0};
    struct place p;

    place_make(&p);
    place_open(&p);
    CU_ASSERT_EQUAL(FOLDER_ARCHIVE.logs(p.archive, on_log, &s, &err), 0);
    CU_ASSERT_EQUAL_FATAL(s.n, 2);
    CU_ASSERT(strcmp(s.hosts, "web1web2") == 0 || strcmp(s.hosts, "web2web1") == 0);
    for (size_t i = 0; i < 2; i++) {
        s.records = s.last = 0;
        CU_ASSERT_EQUAL(FOLDER_ARCHIVE.records(p.archive, &s.logs[i], 1, on_record, &s, &err), 0);
        CU_ASSERT(s.records > 8 && s.records == s.last && s.twice == 0);
    }
    CU_ASSERT_EQUAL(FOLDER_ARCHIVE.alarms(p.archive, NULL, NULL, &err), 0);
    place_remove(&p);
}

/* From any record on, after any stop, of two logs in turns. */
static void test_reading_on(void)
{
    struct err err = ERR_INIT;
    struct seen s = {0};
    struct place p;

    place_make(&p);
    place_open(&p);
    CU_ASSERT_EQUAL(FOLDER_ARCHIVE.logs(p.archive, on_log, &s, &err), 0);
    for (uint64_t at = 2; at < 8; at++)
        for (size_t i = 0; i < 2; i++) {
            s.last = at - 2;
            s.stop_at = at;
            CU_ASSERT_EQUAL(
                FOLDER_ARCHIVE.records(p.archive, &s.logs[i], at - 1, on_record, &s, &err),
                -ECANCELED);
            CU_ASSERT_EQUAL(s.last, at - 1);
        }
    s.stop_at = 0;
    s.last = 2;
    CU_ASSERT_EQUAL(FOLDER_ARCHIVE.records(p.archive, &s.logs[0], 3, on_record, &s, &err), 0);
    CU_ASSERT(s.last > 8);
    CU_ASSERT_EQUAL(s.twice, 0);
    place_remove(&p);
}

/* Two keepers of one log: what they share is there once, where they differ both are. */
static void test_fork(void)
{
    struct err err = ERR_INIT;
    struct seen s = {0};
    struct place p;
    size_t of_web1;

    place_make(&p);
    made_more(p.hosts[0], 2, "one", true);
    made_more(p.hosts[2], 2, "two", true);
    place_open(&p);
    CU_ASSERT_EQUAL(FOLDER_ARCHIVE.logs(p.archive, on_log, &s, &err), 0);
    of_web1 = strcmp(s.hosts, "web1web2") == 0 ? 0 : 1;
    CU_ASSERT_EQUAL(FOLDER_ARCHIVE.records(p.archive, &s.logs[of_web1], 1, on_record, &s, &err), 0);
    CU_ASSERT(s.twice >= 6);
    CU_ASSERT_EQUAL(s.records, s.last + s.twice);
    place_remove(&p);
}

/* One audit folder itself, and places without any. */
static void test_one(void)
{
    struct err err = ERR_INIT;
    struct seen s = {0};
    struct place p;
    char url[96];

    place_make(&p);
    snprintf(url, sizeof(url), "dir:%s/", p.hosts[1]);
    CU_ASSERT_EQUAL_FATAL(FOLDER_ARCHIVE.open(&p.archive, url, &err), 0);
    CU_ASSERT_EQUAL(FOLDER_ARCHIVE.logs(p.archive, on_log, &s, &err), 0);
    CU_ASSERT(s.n == 1 && strcmp(s.hosts, "web2") == 0);
    place_remove(&p);
    CU_ASSERT_EQUAL(mkdir(p.top, 0700), 0);
    CU_ASSERT_EQUAL(mkdir(p.hosts[0], 0700), 0);
    place_open(&p);
    s.n = 0;
    CU_ASSERT_EQUAL(FOLDER_ARCHIVE.logs(p.archive, on_log, &s, &err), 0);
    CU_ASSERT_EQUAL(s.n, 0);
    FOLDER_ARCHIVE.close(p.archive);
    CU_ASSERT_EQUAL(rmdir(p.hosts[0]), 0);
    CU_ASSERT_EQUAL(rmdir(p.top), 0);
    snprintf(url, sizeof(url), "dir:%s", p.top);
    CU_ASSERT_EQUAL(FOLDER_ARCHIVE.open(&p.archive, url, &err), -ENOENT);
}

static const struct unit_case CASES[] = {
    {"logs", test_logs}, {"reading on", test_reading_on}, {"fork", test_fork}, {"one", test_one}};

UNIT_MAIN("folder_archive", CASES)
