#include "audit/segments.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

/* A crash's end was read, and cut off and written over before the reader looked again. */
static void test_an_end_that_was_written_over(void)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    struct segment_reader r = SEGMENT_READER_INIT;
    struct slice line;

    CU_ASSERT_EQUAL(write(fd, "first\ntorn", 10), 10);
    segment_reader_borrow(&r, fd, false);
    CU_ASSERT(segment_read(&r, &line) == 1 && slice_eq(line, SLICE_LIT("first")));
    CU_ASSERT(segment_read(&r, &line) == 0 && slice_eq(line, SLICE_LIT("torn")));
    CU_ASSERT_EQUAL(ftruncate(fd, 6), 0);
    CU_ASSERT_EQUAL(pwrite(fd, "another\nlast\n", 13, 6), 13);
    CU_ASSERT(segment_read(&r, &line) == 1 && slice_eq(line, SLICE_LIT("another")));
    CU_ASSERT(r.line == 2 && r.offset == 6 && r.next == 14);
    CU_ASSERT(segment_read(&r, &line) == 1 && slice_eq(line, SLICE_LIT("last")));
    CU_ASSERT(segment_read(&r, &line) == 0 && line.len == 0);
    /* The same beside lines that are kept, and in three pieces. */
    CU_ASSERT_EQUAL(pwrite(fd, "a\nb", 3, 19), 3);
    CU_ASSERT(segment_read(&r, &line) == 1 && slice_eq(line, SLICE_LIT("a")));
    CU_ASSERT(segment_read_more(&r, &line) == 0 && slice_eq(line, SLICE_LIT("b")));
    CU_ASSERT_EQUAL(pwrite(fd, "xyz", 3, 21), 3);
    CU_ASSERT(segment_read_more(&r, &line) == 0 && line.len == 3);
    CU_ASSERT_EQUAL(pwrite(fd, "new line\n", 9, 21), 9);
    CU_ASSERT(segment_read_more(&r, &line) == 1 && slice_eq(line, SLICE_LIT("new line")));
    CU_ASSERT_EQUAL(memcmp(segment_held(&r), "a\nnew line\n", 11), 0);
    segment_reader_close(&r);
    close(fd);
}

/* Short lines, empty ones, one that is longer than several reads, and an end without newline. */
static void test_read(void)
{
    enum { LONG = 3 * SEGMENT_READ + 5 };
    int fd = memfd_create("segment", MFD_CLOEXEC);
    struct segment_reader r = SEGMENT_READER_INIT;
    struct slice line;
    char *text = malloc(LONG);

    memset(text, 'x', LONG);
    CU_ASSERT_EQUAL(write(fd, "ab\n\n", 4), 4);
    CU_ASSERT_EQUAL(write(fd, text, LONG), LONG);
    CU_ASSERT_EQUAL(write(fd, "\nend", 4), 4);
    segment_reader_borrow(&r, fd, false);
    CU_ASSERT_EQUAL(segment_read(&r, &line), 1);
    CU_ASSERT(slice_eq(line, SLICE_LIT("ab")) && r.line == 1 && r.offset == 0);
    CU_ASSERT_EQUAL(segment_read(&r, &line), 1);
    CU_ASSERT(line.len == 0 && r.line == 2 && r.offset == 3);
    CU_ASSERT_EQUAL(segment_read(&r, &line), 1);
    CU_ASSERT(line.len == LONG && r.offset == 4);
    CU_ASSERT_EQUAL(segment_read(&r, &line), 0);
    CU_ASSERT(slice_eq(line, SLICE_LIT("end")) && r.offset == LONG + 5);
    segment_reader_close(&r);
    segment_reader_borrow(&r, -1, false);
    CU_ASSERT_EQUAL(segment_read(&r, &line), -EBADF);
    segment_reader_close(&r);
    free(text);
    close(fd);
}

/* Held lines stay one after the other; one can be put back; a part of a line is read again. */
static void test_hold(void)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);
    struct segment_reader r = SEGMENT_READER_INIT;
    struct slice line;

    CU_ASSERT_EQUAL(write(fd, "a\nbc\ndef\ng", 10), 10);
    segment_reader_borrow(&r, fd, false);
    CU_ASSERT(segment_read(&r, &line) == 1 && segment_read_more(&r, &line) == 1);
    CU_ASSERT(slice_eq(line, SLICE_LIT("bc")) && r.line == 2 && r.offset == 2);
    CU_ASSERT_EQUAL(memcmp(segment_held(&r), "a\nbc\n", 5), 0);
    segment_put_back(&r);
    CU_ASSERT(segment_read_more(&r, &line) == 1 && slice_eq(line, SLICE_LIT("bc")) && r.line == 2);
    CU_ASSERT_EQUAL(segment_release(&r), 0);
    CU_ASSERT(segment_read_more(&r, &line) == 1 && slice_eq(line, SLICE_LIT("def")));
    CU_ASSERT(segment_read_more(&r, &line) == 0 && slice_eq(line, SLICE_LIT("g")) && r.line == 4);
    segment_reader_back(&r);
    CU_ASSERT_EQUAL(ftruncate(fd, 9), 0);
    CU_ASSERT_EQUAL(pwrite(fd, "xyz\n", 4, 9), 4);
    CU_ASSERT(segment_read(&r, &line) == 1 && slice_eq(line, SLICE_LIT("xyz")) && r.line == 4);
    segment_reader_close(&r);
    close(fd);
}

/* Only regular files; the plain form before the compressed one. */
static void test_open(void)
{
    char folder[] = "/tmp/test_segments.XXXXXX";
    struct segment_reader r = SEGMENT_READER_INIT;
    int directory;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    directory = open(folder, O_RDONLY | O_DIRECTORY);
    CU_ASSERT_EQUAL(segment_reader_open(&r, directory, 7), -ENOENT);
    close(openat(directory, "audit-7.jsonl.zst", O_WRONLY | O_CREAT, 0600));
    CU_ASSERT(segment_reader_open(&r, directory, 7) == 0 && r.packed);
    close(openat(directory, "audit-7.jsonl", O_WRONLY | O_CREAT, 0600));
    CU_ASSERT(segment_reader_open(&r, directory, 7) == 0 && !r.packed && r.first == 7);
    CU_ASSERT_EQUAL(segment_check(&r, directory), SEGMENT_SAME);
    CU_ASSERT_EQUAL(unlinkat(directory, "audit-7.jsonl", 0), 0);
    CU_ASSERT_EQUAL(segment_check(&r, directory), SEGMENT_NO_NAME);
    close(openat(directory, "audit-7.jsonl", O_WRONLY | O_CREAT, 0600));
    CU_ASSERT_EQUAL(segment_check(&r, directory), SEGMENT_ANOTHER);
    CU_ASSERT_EQUAL(mkdirat(directory, "audit-8.jsonl", 0700), 0);
    CU_ASSERT_EQUAL(segment_reader_open(&r, directory, 8), -EISDIR);
    CU_ASSERT_EQUAL(mkfifoat(directory, "audit-6.jsonl", 0600), 0);
    CU_ASSERT_EQUAL(segment_reader_open(&r, directory, 6), -EINVAL);
    CU_ASSERT(segment_is_no_file(-EINVAL) && !segment_is_no_file(-ENOENT));
    CU_ASSERT_EQUAL(unlinkat(directory, "audit-6.jsonl", 0), 0);
    CU_ASSERT_EQUAL(symlinkat("audit-7.jsonl", directory, "audit-9.jsonl"), 0);
    CU_ASSERT_EQUAL(segment_reader_open(&r, directory, 9), -ELOOP);
    CU_ASSERT_EQUAL(unlinkat(directory, "audit-8.jsonl", AT_REMOVEDIR), 0);
    CU_ASSERT_EQUAL(unlinkat(directory, "audit-9.jsonl", 0), 0);
    segment_reader_close(&r);
    close(directory);
    unit_remove(folder);
}

static const struct unit_case CASES[] = {
    {"an end that was written over", test_an_end_that_was_written_over},
    {"names", test_names},
    {"a folder", test_list},
    {"lines", test_read},
    {"held lines", test_hold},
    {"opening", test_open},
};

UNIT_MAIN("segments", CASES)
