#include "base/file.h"
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

/* More than a block, from the middle. */
static void test_copy(void)
{
    static char text[100000], back[100001];
    int from = file(), to = file();

    memset(text, 'b', sizeof(text));
    CU_ASSERT_EQUAL(write(from, "aaa", 3), 3);
    CU_ASSERT_EQUAL(write(from, text, sizeof(text)), sizeof(text));
    CU_ASSERT_EQUAL(write(from, "ccc", 3), 3);
    CU_ASSERT_EQUAL(file_copy_fd(to, from, 3, sizeof(text)), 0);
    CU_ASSERT_EQUAL(pread(to, back, sizeof(back), 0), sizeof(text));
    CU_ASSERT_EQUAL(memcmp(back, text, sizeof(text)), 0);
    CU_ASSERT_EQUAL(file_copy_fd(to, from, 100003, 3), 0);
    CU_ASSERT_EQUAL(pread(to, back, 4, 100000), 3);
    CU_ASSERT_EQUAL(memcmp(back, "ccc", 3), 0);
    close(from);
    close(to);
}

static void test_failures(void)
{
    int from = file(), to = file(), full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    CU_ASSERT_EQUAL(write(from, "aaa", 3), 3);
    CU_ASSERT_EQUAL(file_copy_fd(to, from, 0, 4), -EIO);
    CU_ASSERT_EQUAL(file_copy_fd(full, from, 0, 3), -ENOSPC);
    CU_ASSERT_EQUAL(file_copy_fd(to, -1, 0, 3), -EBADF);
    close(from);
    close(to);
    close(full);
}

struct seen {
    int files, calls, stop;
};

static int see(void *arg, const char *name)
{
    struct seen *s = arg;

    s->calls++;
    s->files += strcmp(name, "a") == 0 || strcmp(name, "b") == 0;
    return s->files == s->stop ? -EIO : 0;
}

static void test_each(void)
{
    char folder[] = "/tmp/test_folder.XXXXXX";
    struct seen s = {.stop = -1};
    int fd;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(openat(fd, "a", O_WRONLY | O_CREAT, 0600));
    close(openat(fd, "b", O_WRONLY | O_CREAT, 0600));
    /* Twice: the descriptor's own place in the directory is left alone. */
    for (int i = 1; i <= 2; i++) {
        CU_ASSERT_EQUAL(folder_each(fd, see, &s), 0);
        CU_ASSERT_EQUAL(s.files, 2 * i);
    }
    s = (struct seen){.stop = 1};
    CU_ASSERT_EQUAL(folder_each(fd, see, &s), -EIO);
    CU_ASSERT_EQUAL(s.files, 1);
    close(fd);
    CU_ASSERT_EQUAL(folder_each(-1, see, &s), -EBADF);
    unit_remove(folder);
}

static const struct unit_case CASES[] = {
    {"parts of a file", test_copy},
    {"failures", test_failures},
    {"each name", test_each},
};

UNIT_MAIN("file", CASES)
