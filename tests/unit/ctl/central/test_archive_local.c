#include "ctl/central/archive_local.h"
#include "unit/central/archive_fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static char folder[64], copy[64];
static struct fake f;

struct result {
    char text[256];
    uint64_t behind;
};

static void found(void *arg, const struct finding *g)
{
    struct result *r = arg;
    size_t at = strlen(r->text);

    snprintf(r->text + at, sizeof(r->text) - at, "%s %" PRIu64 "-%" PRIu64 ";",
             finding_name(g->kind), g->first, g->last);
}

static int each(void *arg, const struct archive_record *record)
{
    return archive_local_record(arg, record);
}

/* The centre's rows beside the log in a directory. */
static struct result compare(const char *directory)
{
    struct archive_local l;
    struct err err = ERR_INIT;
    struct result r = {0};

    CU_ASSERT_EQUAL_FATAL(archive_local_open(&l, directory, &err), 0);
    archive_local_begin(&l, found, &r, &err);
    CU_ASSERT(l.here);
    CU_ASSERT_EQUAL(f.archive.kind->records(&f.archive, &f.rows[0].log, 1, each, &l, &err), 0);
    CU_ASSERT_EQUAL(archive_local_end(&l), 0);
    r.behind = l.behind;
    archive_local_deinit(&l);
    return r;
}

static void setup(void)
{
    made_log(folder, 14, true);
    made_copy(folder, copy);
    fake_init(&f);
    fake_load(&f, folder, "web1");
}

static void cleanup(void)
{
    fake_deinit(&f);
    unit_remove(folder);
    unit_remove(copy);
}

static void test_same(void)
{
    struct result r;

    setup();
    r = compare(folder);
    CU_ASSERT(r.text[0] == '\0' && r.behind == 0);
    for (size_t n = 1; n < 4; n++) {
        fake_delete(&f, f.n - 1);
        r = compare(folder);
        CU_ASSERT(r.text[0] == '\0' && r.behind == n);
    }
    cleanup();
}

/* Every record, and several of them. */
static void test_other(void)
{
    struct result r;
    char text[64];

    setup();
    for (size_t i = 0; i < f.n; i++) {
        f.rows[i].line[20] ^= 1;
        r = compare(folder);
        snprintf(text, sizeof(text), "rewritten %zu-%zu;", i + 1, i + 1);
        CU_ASSERT_STRING_EQUAL(r.text, text);
        f.rows[i].line[20] ^= 1;
    }
    f.rows[3].line[20] ^= 1;
    f.rows[4].line[20] ^= 1;
    f.rows[7].line[20] ^= 1;
    CU_ASSERT_STRING_EQUAL(compare(folder).text, "rewritten 4-5;rewritten 8-8;");
    cleanup();
}

/* Of two records at the centre one may be this host's. */
static void test_twice(void)
{
    setup();
    fake_double(&f, 5)->line[20] ^= 1;
    CU_ASSERT_STRING_EQUAL(compare(folder).text, "");
    f.rows[5].line[21] ^= 1;
    CU_ASSERT_STRING_EQUAL(compare(folder).text, "rewritten 6-6;");
    cleanup();
}

static void test_shorter(void)
{
    char text[64];
    uint64_t before;

    setup();
    before = f.n;
    made_more(folder, 2, "more", true);
    fake_load(&f, folder, "web1");
    snprintf(text, sizeof(text), "truncated %" PRIu64 "-%zu;", before + 1, f.n);
    CU_ASSERT_STRING_EQUAL(compare(copy).text, text);
    CU_ASSERT_STRING_EQUAL(compare(folder).text, "");
    cleanup();
}

/* A record that is gone in the middle of the log, and segments that were retired. */
static void test_gone(void)
{
    struct result r;
    char path[128];
    uint64_t next = 2;

    setup();
    while (!strstr(f.rows[next - 1].line, "\"segment\""))
        next++;
    snprintf(path, sizeof(path), "%s/audit-%" PRIu64 ".jsonl", folder, next);
    CU_ASSERT_EQUAL(remove(path), 0);
    r = compare(folder);
    CU_ASSERT_EQUAL(strncmp(r.text, "rewritten ", 10), 0);
    snprintf(path, sizeof(path), "%s/audit-1.jsonl", copy);
    CU_ASSERT_EQUAL(remove(path), 0);
    CU_ASSERT_STRING_EQUAL(compare(copy).text, "");
    cleanup();
}

static const struct unit_case CASES[] = {{"same", test_same},
                                         {"other", test_other},
                                         {"twice", test_twice},
                                         {"shorter", test_shorter},
                                         {"gone", test_gone}};

UNIT_MAIN("archive_local", CASES)
