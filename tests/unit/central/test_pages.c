#include "central/pages.h"
#include "unit/central/archive_fixture.h"

#include <errno.h>

static char folder[64];
static struct fake f;

static void setup(void)
{
    fake_begin(&f, folder, 8);
}

static void cleanup(void)
{
    fake_end(&f, folder);
}

/* All records, in pages of so many bytes; how many there were. */
static size_t read_all(size_t most)
{
    struct archive_record record;
    struct err err = ERR_INIT;
    struct pages p;
    size_t n = 0;
    int r;

    pages_init(&p, &f.archive, &f.rows[0].log, most);
    while ((r = pages_next(&p, &record, &err)) == 1) {
        CU_ASSERT_FATAL(n < f.n);
        CU_ASSERT_EQUAL(record.seq, f.rows[n].seq);
        CU_ASSERT_EQUAL(record.epoch, f.rows[n].epoch);
        CU_ASSERT_STRING_EQUAL(record.host, f.rows[n].host);
        CU_ASSERT(slice_eq(record.line, slice_str(f.rows[n].line)));
        n++;
    }
    CU_ASSERT_EQUAL(r, 0);
    CU_ASSERT_EQUAL(pages_next(&p, &record, &err), 0);
    pages_deinit(&p);
    return n;
}

static void test_all(void)
{
    static const size_t MOST[] = {1, 500, 1000, 4096, 1024 * 1024};

    setup();
    for (size_t i = 0; i < sizeof(MOST) / sizeof(MOST[0]); i++)
        CU_ASSERT_EQUAL(read_all(MOST[i]), f.n);
    /* Two records of one number are never on two pages. */
    fake_double(&f, 5)->epoch++;
    fake_double(&f, 5)->epoch++;
    for (size_t i = 0; i < sizeof(MOST) / sizeof(MOST[0]); i++)
        CU_ASSERT_EQUAL(read_all(MOST[i]), f.n);
    cleanup();
}

/* What comes out of order ends in finite time, and never goes back. */
static void test_disorder(void)
{
    struct archive_record record;
    struct err err = ERR_INIT;
    struct pages p;

    setup();
    f.rows[7].seq = 2;
    f.rows[8].seq = 1;
    f.rows[9].seq = UINT64_MAX - 1;
    for (size_t most = 1; most < 2000; most += 300) {
        uint64_t before = 0;
        size_t n = 0;

        pages_init(&p, &f.archive, &f.rows[0].log, most);
        while (pages_next(&p, &record, &err) == 1 && n <= f.n) {
            CU_ASSERT(record.seq >= before);
            before = record.seq;
            n++;
        }
        CU_ASSERT(n <= f.n);
        pages_deinit(&p);
    }
    cleanup();
}

static void test_failure(void)
{
    struct archive_record record;
    struct err err = ERR_INIT;
    struct pages p;
    int r = 1;

    setup();
    f.fail = -EPIPE;
    pages_init(&p, &f.archive, &f.rows[0].log, 2000);
    while (r == 1)
        r = pages_next(&p, &record, &err);
    CU_ASSERT_EQUAL(r, -EPIPE);
    CU_ASSERT_STRING_EQUAL(err.text, "the centre went away");
    pages_deinit(&p);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"all", test_all}, {"disorder", test_disorder}, {"failure", test_failure}};

UNIT_MAIN("pages", CASES)
