#include "audit/line.h"
#include "ctl/central/audit_merge.h"
#include "unit/central/archive_fixture.h"

#include <errno.h>
#include <stdlib.h>

enum {
    HOSTS = 3,
};

static char folders[HOSTS][64];
static struct fake f;
static struct archive_entries logs;

/* The hosts wrote in turns. */
static void setup(void)
{
    static const char *const NAMES[HOSTS] = {"web1", "web2", "web3"};
    struct err err = ERR_INIT;

    fake_init(&f);
    for (unsigned i = 0; i < HOSTS; i++)
        made_log(folders[i], 2, true);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < HOSTS; i++)
            made_more(folders[i], 2, "more", true);
    for (unsigned i = 0; i < HOSTS; i++)
        fake_load(&f, folders[i], NAMES[i]);
    CU_ASSERT_EQUAL_FATAL(archive_entries_read(&logs, &f.archive, SLICE_NULL, &err), 0);
    CU_ASSERT_EQUAL_FATAL(logs.n, HOSTS);
}

static void cleanup(void)
{
    archive_entries_deinit(&logs);
    fake_deinit(&f);
    for (unsigned i = 0; i < HOSTS; i++)
        unit_remove(folders[i]);
}

struct seen {
    char time[SEAL_TIME];
    uint64_t seq[HOSTS];
    size_t n, changes, before;
};

static int each(void *arg, size_t of, const struct archive_record *record)
{
    struct seen *s = arg;
    struct line line;

    CU_ASSERT_FATAL(of < HOSTS);
    CU_ASSERT_STRING_EQUAL(record->host, logs.list[of].host);
    CU_ASSERT_EQUAL(record->seq, s->seq[of] + 1);
    s->seq[of] = record->seq;
    s->changes += of != s->before;
    s->before = of;
    s->n++;
    if (line_read(record->line, &line))
        return 0;
    CU_ASSERT(memcmp(s->time, line.time.data, SEAL_TIME) <= 0);
    memcpy(s->time, line.time.data, SEAL_TIME);
    return s->n == 1000 ? -ECANCELED : 0;
}

static void test_order(void)
{
    struct err err = ERR_INIT;
    struct seen s = {0};

    setup();
    CU_ASSERT_EQUAL(audit_merge(&f.archive, &logs, each, &s, &err), 0);
    CU_ASSERT_EQUAL(s.n, f.n);
    CU_ASSERT(s.changes >= 10);
    /* What is no record comes in its log's order. */
    f.rows[12].line[0] = 'x';
    s = (struct seen){0};
    CU_ASSERT_EQUAL(audit_merge(&f.archive, &logs, each, &s, &err), 0);
    CU_ASSERT_EQUAL(s.n, f.n);
    cleanup();
}

static void test_ends(void)
{
    struct err err = ERR_INIT;
    struct seen s = {.n = 990};

    setup();
    CU_ASSERT_EQUAL(audit_merge(&f.archive, &logs, each, &s, &err), -ECANCELED);
    CU_ASSERT_EQUAL(s.n, 1000);
    f.fail = -EPIPE;
    s = (struct seen){0};
    CU_ASSERT_EQUAL(audit_merge(&f.archive, &logs, each, &s, &err), -EPIPE);
    f.fail = 0;
    archive_entries_deinit(&logs);
    CU_ASSERT_EQUAL(audit_merge(&f.archive, &logs, each, &s, &err), 0);
    cleanup();
}

static const struct unit_case CASES[] = {{"order", test_order}, {"ends", test_ends}};

UNIT_MAIN("audit_merge", CASES)
