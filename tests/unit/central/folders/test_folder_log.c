#include "central/folders/folder_log.h"
#include "unit/central/archive_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];

static struct folder_log *opened(void)
{
    struct folder_log *log = NULL;
    struct err err = ERR_INIT;

    CU_ASSERT_EQUAL_FATAL(folder_log_open(&log, folder, "web1", &err), 0);
    return log;
}

/* Reads all that is there; the number of the last record, its epoch in *epoch. */
static uint64_t read_all(struct folder_log *log, uint64_t *epoch)
{
    struct archive_record record = {0};
    struct err err = ERR_INIT;
    uint64_t before = 0;
    int r;

    while ((r = folder_log_next(log, &record, &err)) == 1) {
        CU_ASSERT(before == 0 || record.seq == before + 1);
        CU_ASSERT_STRING_EQUAL(record.host, "web1");
        before = record.seq;
    }
    CU_ASSERT_EQUAL(r, 0);
    *epoch = record.epoch;
    return before;
}

static void test_segments(void)
{
    struct folder_log *log;
    struct err err = ERR_INIT;
    uint64_t epoch, last, again;

    made_log(folder, 12, true);
    log = opened();
    last = read_all(log, &epoch);
    CU_ASSERT(last > 30 && epoch >= 3);
    CU_ASSERT_EQUAL(folder_log_first(log), 1);
    for (uint64_t first = 1; first <= last + 1; first++) {
        struct archive_record record;
        int r;

        folder_log_seek(log, first);
        r = folder_log_next(log, &record, &err);
        CU_ASSERT_EQUAL(r, first <= last);
        if (r == 1)
            CU_ASSERT_EQUAL(record.seq, first);
        if (first == last)
            CU_ASSERT_EQUAL(record.epoch, epoch);
    }
    /* A keeper goes on, over several segments, while it is read. */
    folder_log_seek(log, 1);
    (void)read_all(log, &epoch);
    CU_ASSERT_EQUAL(read_all(log, &epoch), 0);
    made_more(folder, 12, "more", true);
    again = read_all(log, &epoch);
    CU_ASSERT(again > last + 30);
    CU_ASSERT_EQUAL(read_all(log, &epoch), 0);
    folder_log_free(log);
    unit_remove(folder);
}

static void put(const char *name, const char *text, bool at_end)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, at_end ? "a" : "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

/* What is no record stands at the number that is due. */
static void test_damage(void)
{
    static const struct chain_hash ZEROS;
    struct archive_record record;
    struct folder_log *log;
    struct err err = ERR_INIT;
    uint64_t epoch, last;

    made_log(folder, 1, true);
    log = opened();
    last = read_all(log, &epoch);
    put("audit-1.jsonl", "rubbish\n{\"seq\":7,\"ti", true);
    CU_ASSERT_EQUAL_FATAL(folder_log_next(log, &record, &err), 1);
    CU_ASSERT_EQUAL(record.seq, last + 1);
    CU_ASSERT(chain_same(&record.hash, &ZEROS));
    CU_ASSERT(slice_eq(record.line, SLICE_LIT("rubbish")));
    /* Torn for good: waited for, then given once. */
    CU_ASSERT_EQUAL_FATAL(folder_log_next(log, &record, &err), 1);
    CU_ASSERT_EQUAL(record.seq, last + 2);
    CU_ASSERT_EQUAL(folder_log_next(log, &record, &err), 0);
    CU_ASSERT_EQUAL(folder_log_next(log, &record, &err), 0);
    /* A compressed segment that is none. */
    put("audit-900.jsonl.zst", "no such thing", false);
    CU_ASSERT_EQUAL_FATAL(folder_log_next(log, &record, &err), 1);
    CU_ASSERT_EQUAL(record.seq, 900);
    CU_ASSERT_EQUAL(folder_log_next(log, &record, &err), 0);
    folder_log_free(log);
    unit_remove(folder);
}

/* Behind an epoch record the epoch is the next one, in the same segment, too. */
static void test_epochs(void)
{
    struct archive_record record;
    struct folder_log *log;
    struct err err = ERR_INIT;
    char path[128], *text, *epoch, *end;
    size_t n;

    made_log(folder, 12, true);
    snprintf(path, sizeof(path), "%s/audit-1.jsonl", folder);
    text = unit_file(path, &n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    end = strchr(text, '\n');
    *end = '\0';
    put("audit-1.jsonl", text, false);
    put("audit-1.jsonl", "\n", true);
    text[n - 1] = '\0';
    epoch = strrchr(end + 1, '\n');
    put("audit-1.jsonl", epoch + 1, true);
    put("audit-1.jsonl", "\nrubbish\n", true);
    log = opened();
    for (uint64_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(folder_log_next(log, &record, &err), 1);
        CU_ASSERT_EQUAL(record.epoch, i < 2 ? 1 : 2);
    }
    folder_log_free(log);
    free(text);
    unit_remove(folder);
}

static void test_none(void)
{
    static const struct seal_key NONE;
    struct folder_log *log = NULL;
    struct err err = ERR_INIT;

    strcpy(folder, "/tmp/test_centre.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    CU_ASSERT_EQUAL(folder_log_open(&log, folder, "web1", &err), -ENOENT);
    put("audit-1.jsonl", "rubbish\n", false);
    log = opened();
    CU_ASSERT_EQUAL(memcmp(folder_log_identity(log), &NONE, sizeof(NONE)), 0);
    folder_log_free(log);
    unit_remove(folder);
    CU_ASSERT_EQUAL(folder_log_open(&log, folder, "web1", &err), -ENOENT);
    folder_log_free(NULL);
}

static int count(void *arg, struct slice line)
{
    unsigned *n = arg;

    CU_ASSERT(line.len > 0);
    return ++*n == 3 ? -ECANCELED : 0;
}

static void test_proof(void)
{
    struct folder_log *log;
    struct err err = ERR_INIT;
    unsigned n = 0;

    made_log(folder, 1, true);
    log = opened();
    CU_ASSERT_EQUAL(folder_log_retired(log, count, &n, &err), 0);
    CU_ASSERT_EQUAL(n, 0);
    put("audit-retired.jsonl", "a\nb\n", false);
    CU_ASSERT_EQUAL(folder_log_retired(log, count, &n, &err), 0);
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT_EQUAL(folder_log_retired(log, count, &n, &err), -ECANCELED);
    folder_log_free(log);
    unit_remove(folder);
}

static const struct unit_case CASES[] = {{"segments", test_segments},
                                         {"damage", test_damage},
                                         {"epochs", test_epochs},
                                         {"none", test_none},
                                         {"proof", test_proof}};

UNIT_MAIN("folder_log", CASES)
