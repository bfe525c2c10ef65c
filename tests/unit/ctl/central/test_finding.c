#include "ctl/central/finding.h"
#include "unit/unit.h"

#include <stdlib.h>

static const struct seal_key A = {{0x1a, 0x2b, 0x3c, 0x4d, 0x5e, 0x6f, 0x70, 0x81}}, B = {{9}};

/* What the list prints. The caller frees it. */
static char *printed(const struct findings *all)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    findings_print(all, f);
    fclose(f);
    return text;
}

static void test_lines(void)
{
    struct findings all = {0};
    struct finding g = {.kind = FINDING_GAP,
                        .log = &A,
                        .host = "web1",
                        .first = 3,
                        .last = 5,
                        .time = "2026-11-24T09:15:02.123456Z and more",
                        .what = "they are gone"};
    char *text;

    findings_add(&all, &g);
    g = (struct finding){.kind = FINDING_FORK,
                         .log = &A,
                         .host = "web1",
                         .other = "web2",
                         .first = 7,
                         .last = 7,
                         .what = "two"};
    findings_add(&all, &g);
    g = (struct finding){.kind = FINDING_MISSING, .log = &B, .host = "\x1b[31m", .what = "no"};
    findings_add(&all, &g);
    g.host = NULL;
    findings_add(&all, &g);
    text = printed(&all);
    CU_ASSERT_STRING_EQUAL(
        text, "gap: web1, log 1a2b3c4d-5e6f7081, seq 3 to 5, 2026-11-24T09:15:02.123456Z: they are "
              "gone\n"
              "fork: web1 and web2, log 1a2b3c4d-5e6f7081, seq 7: two\n"
              "missing: \\u001b[31m, log 09000000-00000000: no\n"
              "missing: -, log 09000000-00000000: no\n");
    CU_ASSERT_EQUAL(all.all, 4);
    free(text);
    findings_deinit(&all);
}

/* So many of a log, then their number; in all so many. */
static void test_bounds(void)
{
    struct findings all = {0};
    struct finding g = {.kind = FINDING_ALTERED, .log = &A, .host = "web1", .what = "it was"};
    char *text;

    for (unsigned i = 0; i < FINDING_MOST + 5; i++)
        findings_add(&all, &g);
    g.log = &B;
    for (unsigned i = 0; i < FINDING_MOST + 2; i++)
        findings_add(&all, &g);
    CU_ASSERT_EQUAL(all.n, 2 * FINDING_MOST + 1);
    text = printed(&all);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n5 more of log 1a2b3c4d-5e6f7081\naltered"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n2 more of log 09000000-00000000\n"));
    free(text);
    for (unsigned i = 0; i < 3 * FINDING_ALL; i++) {
        g.log = i % 2 ? &A : &B;
        findings_add(&all, &g);
    }
    CU_ASSERT(all.n <= FINDING_ALL + 1);
    CU_ASSERT_EQUAL(all.all, 2 * FINDING_MOST + 7 + 3 * FINDING_ALL);
    text = printed(&all);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "in all; not all of them are listed\n"));
    free(text);
    findings_deinit(&all);
}

static void test_names(void)
{
    for (enum finding_kind k = FINDING_GAP; k <= FINDING_UNPROVED; k++)
        for (enum finding_kind other = FINDING_GAP; other < k; other++)
            CU_ASSERT_STRING_NOT_EQUAL(finding_name(k), finding_name(other));
}

static const struct unit_case CASES[] = {
    {"lines", test_lines}, {"bounds", test_bounds}, {"names", test_names}};

UNIT_MAIN("finding", CASES)
