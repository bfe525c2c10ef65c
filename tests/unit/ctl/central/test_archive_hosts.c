#include "ctl/central/archive_hosts.h"
#include "unit/unit.h"

#include <stdlib.h>

static void test_span(void)
{
    static const struct {
        uint64_t seconds;
        const char *text;
    } CASES[] = {{0, "0s"},    {119, "119s"},   {120, "2m"},    {7199, "119m"},
                 {7200, "2h"}, {172799, "47h"}, {172800, "2d"}, {1u << 31, "24855d"}};
    char out[24];

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        archive_hosts_span(out, CASES[i].seconds * 1000000 + 999999);
        CU_ASSERT_STRING_EQUAL(out, CASES[i].text);
    }
}

static void test_table(void)
{
    struct seal_key a = {{1}}, b = {{2}};
    struct archive_hosts all = {0};
    struct archive_host *h = archive_hosts_add(&all, "web1", &a);
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    h->records = 5;
    h->head = 7;
    h->signed_seq = 6;
    memcpy(h->time, "2026-11-24T09:15:02.123456Z", SEAL_TIME);
    h->time_us = 1000000;
    h->kinds = 1u << FINDING_GAP | 1u << FINDING_SILENT;
    CU_ASSERT_PTR_NOT_NULL(archive_hosts_add(&all, "\x1bo b", &b));
    archive_hosts_print(&all, 91000000, f);
    fclose(f);
    CU_ASSERT_PTR_NULL(strchr(text, '\x1b'));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\n\"\\u001bo b\"  02"));
    CU_ASSERT_EQUAL(strncmp(text, "HOST ", 5), 0);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text, "01000000-00000000  5        7     2026-11-24T09:15:02Z  90s  6       "
                     "gap,silent\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(
        text, "02000000-00000000  0        0     -                     -    0       sound\n"));
    free(text);
    archive_hosts_deinit(&all);
}

static const struct unit_case CASES[] = {{"span", test_span}, {"table", test_table}};

UNIT_MAIN("archive_hosts", CASES)
