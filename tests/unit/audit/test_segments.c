#include "audit/segments.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void test_names(void)
{
    static const char *const BAD[] = {"audit-0.jsonl",
                                      "audit-01.jsonl",
                                      "audit-.jsonl",
                                      "audit-1.jsonl.torn",
                                      "audit--1.jsonl",
                                      "audit-x.jsonl",
                                      "audit-18446744073709551616.jsonl",
                                      ""};
    char name[SEGMENT_NAME];

    segment_name(name, UINT64_MAX);
    CU_ASSERT_STRING_EQUAL(name, "audit-18446744073709551615.jsonl");
    CU_ASSERT_EQUAL(segment_first(name), UINT64_MAX);
    CU_ASSERT_EQUAL(segment_first("audit-7.jsonl"), 7);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        CU_ASSERT_EQUAL(segment_first(BAD[i]), 0);
}

static void test_list(void)
{
    static const char *const NAMES[] = {"audit-10.jsonl", "audit-2.jsonl", "audit-x.jsonl",
                                        "other"};
    char folder[] = "/tmp/test_segments.XXXXXX";
    struct segments s;
    int directory;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    directory = open(folder, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < 4; i++)
        close(openat(directory, NAMES[i], O_WRONLY | O_CREAT, 0600));
    CU_ASSERT_EQUAL_FATAL(segments_list(&s, directory), 0);
    CU_ASSERT_EQUAL_FATAL(s.n, 2);
    CU_ASSERT(s.first[0] == 2 && s.first[1] == 10);
    segments_deinit(&s);
    close(directory);
    CU_ASSERT_EQUAL(segments_list(&s, -1), -EBADF);
    unit_remove(folder);
}

static const struct unit_case CASES[] = {
    {"names", test_names},
    {"a folder", test_list},
};

UNIT_MAIN("segments", CASES)
