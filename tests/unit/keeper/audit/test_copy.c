#include "keeper/audit/copy.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int file(void)
{
    char name[] = "/tmp/test_copy.XXXXXX";
    int fd = mkstemp(name);

    CU_ASSERT_FATAL(fd >= 0);
    (void)unlink(name);
    return fd;
}

/* More than a block, from the middle, and the hash of "b" times 100,000 as sha256sum(1) has it. */
static void test_copy(void)
{
    static const unsigned char SHA256[4] = {0x76, 0x8b, 0x54, 0xe3};
    static char text[100000], back[100001];
    struct chain_hash hash;
    int from = file(), to = file();

    memset(text, 'b', sizeof(text));
    CU_ASSERT_EQUAL(write(from, "aaa", 3), 3);
    CU_ASSERT_EQUAL(write(from, text, sizeof(text)), sizeof(text));
    CU_ASSERT_EQUAL(write(from, "ccc", 3), 3);
    CU_ASSERT_EQUAL(copy_bytes(to, from, 3, sizeof(text), &hash), 0);
    CU_ASSERT_EQUAL(memcmp(hash.bytes, SHA256, sizeof(SHA256)), 0);
    CU_ASSERT_EQUAL(pread(to, back, sizeof(back), 0), sizeof(text));
    CU_ASSERT_EQUAL(memcmp(back, text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(copy_bytes(to, from, 100003, 3, NULL), 0);
    CU_ASSERT_EQUAL(pread(to, back, 4, 100000), 3);
    CU_ASSERT_EQUAL(memcmp(back, "ccc", 3), 0);
    close(from);
    close(to);
}

static void test_failures(void)
{
    int from = file(), to = file(), full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    CU_ASSERT_EQUAL(write(from, "aaa", 3), 3);
    CU_ASSERT_EQUAL(copy_bytes(to, from, 0, 4, NULL), -EIO);
    CU_ASSERT_EQUAL(copy_bytes(full, from, 0, 3, NULL), -ENOSPC);
    CU_ASSERT_EQUAL(copy_bytes(to, -1, 0, 3, NULL), -EBADF);
    close(from);
    close(to);
    close(full);
}

static const struct unit_case CASES[] = {
    {"parts of a file", test_copy},
    {"failures", test_failures},
};

UNIT_MAIN("copy", CASES)
