#include "keeper/audit/truncated_tail.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_torn.XXXXXX";
static int directory;
static struct truncated_tail seen[4];
static int n_seen;

static void setup(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void cleanup(void)
{
    close(directory);
    unit_remove(folder);
}

/* Writes a segment of four good bytes and the text, and sets the text aside. */
static int tear(const char *text)
{
    int fd = openat(directory, "audit-7.jsonl", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640), r;
    struct stat st;

    CU_ASSERT_EQUAL(write(fd, "good", 4), 4);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    r = truncated_tail_set_aside(directory, "audit-7.jsonl", fd, 4, strlen(text));
    CU_ASSERT_EQUAL(fstat(fd, &st), 0);
    CU_ASSERT_EQUAL(st.st_size, r == 0 ? 4 : 4 + (off_t)strlen(text));
    close(fd);
    return r;
}

static bool there(const char *name)
{
    return faccessat(directory, name, F_OK, 0) == 0;
}

static int see(void *arg, const struct truncated_tail *tail)
{
    CU_ASSERT_FATAL(n_seen < 4);
    seen[n_seen++] = *tail;
    return *(int *)arg;
}

static int look(int result)
{
    n_seen = 0;
    memset(seen, 0, sizeof(seen));
    return truncated_tail_each(directory, see, &result);
}

static void test_pending(void)
{
    /* echo -n abc | sha256sum */
    static const unsigned char ABC[4] = {0xba, 0x78, 0x16, 0xbf};

    setup();
    CU_ASSERT_EQUAL(look(0), 0);
    CU_ASSERT_EQUAL(n_seen, 0);
    CU_ASSERT_EQUAL(truncated_tail_settle(directory), 0);
    CU_ASSERT_EQUAL(tear("abc"), 0);
    CU_ASSERT(there("audit-7.jsonl.torn.pending"));
    CU_ASSERT_EQUAL(look(0), 0);
    CU_ASSERT_EQUAL(n_seen, 1);
    CU_ASSERT_STRING_EQUAL(seen[0].segment, "audit-7.jsonl");
    CU_ASSERT_STRING_EQUAL(seen[0].name, "audit-7.jsonl.torn");
    CU_ASSERT_EQUAL(seen[0].bytes, 3);
    CU_ASSERT_EQUAL(memcmp(seen[0].sha256.bytes, ABC, sizeof(ABC)), 0);
    /* A crash before it was recorded, and the next end is torn too. */
    CU_ASSERT_EQUAL(tear("defg"), 0);
    CU_ASSERT_EQUAL(look(0), 0);
    CU_ASSERT_EQUAL(n_seen, 2);
    CU_ASSERT_EQUAL(seen[0].bytes + seen[1].bytes, 7);
    CU_ASSERT_EQUAL(look(-EIO), -EIO);
    CU_ASSERT_EQUAL(n_seen, 1);
    CU_ASSERT_EQUAL(truncated_tail_settle(directory), 0);
    CU_ASSERT(there("audit-7.jsonl.torn") && there("audit-7.jsonl.2.torn"));
    CU_ASSERT_EQUAL(look(0), 0);
    CU_ASSERT_EQUAL(n_seen, 0);
    /* What is settled is never written over. */
    CU_ASSERT_EQUAL(tear("h"), 0);
    CU_ASSERT_EQUAL(truncated_tail_settle(directory), 0);
    CU_ASSERT(there("audit-7.jsonl.3.torn"));
    cleanup();
}

static void test_trouble(void)
{
    int fd;

    setup();
    fd = openat(directory, "audit-7.jsonl", O_RDONLY | O_CREAT | O_CLOEXEC, 0640);
    CU_ASSERT_EQUAL(truncated_tail_set_aside(directory, "audit-7.jsonl", fd, 0, 5), -EIO);
    close(fd);
    CU_ASSERT_EQUAL(truncated_tail_set_aside(-1, "audit-7.jsonl", -1, 0, 5), -EBADF);
    CU_ASSERT_EQUAL(truncated_tail_settle(-1), -EBADF);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"pending until it is recorded", test_pending},
    {"trouble", test_trouble},
};

UNIT_MAIN("truncated_tail", CASES)
