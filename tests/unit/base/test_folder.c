#include "base/folder.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    {"each name", test_each},
};

UNIT_MAIN("folder", CASES)
