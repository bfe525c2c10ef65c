#include "ctl/central/archive_entries.h"
#include "unit/central/archive_fixture.h"

static void test_matches(void)
{
    struct seal_key log = {{0x1a, 0x2b, 0x3c, 0x4d, 0x5e}};

    CU_ASSERT(archive_entry_matches(&log, SLICE_NULL));
    CU_ASSERT(archive_entry_matches(&log, SLICE_LIT("1")));
    CU_ASSERT(archive_entry_matches(&log, SLICE_LIT("1a2b3c4d-5e0")));
    CU_ASSERT(archive_entry_matches(&log, SLICE_LIT("1A2B3C4D5E")));
    CU_ASSERT_FALSE(archive_entry_matches(&log, SLICE_LIT("1a2b3c4d-5f")));
    CU_ASSERT_FALSE(archive_entry_matches(&log, SLICE_LIT("x")));
    CU_ASSERT_FALSE(archive_entry_matches(
        &log, SLICE_LIT("1a2b3c4d5e0000000000000000000000000000000000000000000000000000000")));
}

static void test_order(void)
{
    static const char *const NAMES[] = {"web2", "", "web1"};
    struct archive_entries all;
    struct err err = ERR_INIT;
    struct fake f;

    fake_init(&f);
    for (unsigned char i = 0; i < 3; i++) {
        f.rows[i] = (struct row){.seq = 4, .host = NAMES[i], .log = {{(unsigned char)(i + 1)}}};
        f.n++;
    }
    CU_ASSERT_EQUAL_FATAL(archive_entries_read(&all, &f.archive, SLICE_NULL, &err), 0);
    CU_ASSERT_EQUAL_FATAL(all.n, 3);
    CU_ASSERT_STRING_EQUAL(all.list[0].host, "");
    CU_ASSERT_STRING_EQUAL(all.list[1].host, "web1");
    CU_ASSERT_STRING_EQUAL(all.list[2].host, "web2");
    CU_ASSERT(all.list[1].first == 4 && all.list[1].last == 4);
    archive_entries_deinit(&all);
    CU_ASSERT_EQUAL_FATAL(archive_entries_read(&all, &f.archive, SLICE_LIT("01"), &err), 0);
    CU_ASSERT(all.n == 1 && strcmp(all.list[0].host, "web2") == 0);
    archive_entries_deinit(&all);
}

static const struct unit_case CASES[] = {{"matches", test_matches}, {"order", test_order}};

UNIT_MAIN("archive_entries", CASES)
