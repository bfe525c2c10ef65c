#include "ship/watch.h"
#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct loop *loop;
static unsigned wakes, wanted;
static uint64_t woken_at;

static void wake(void *arg)
{
    (void)arg;
    wakes++;
    woken_at = loop_now();
    if (wakes >= wanted)
        loop_stop(loop);
}

static void touch(const char *folder, const char *name)
{
    char path[128];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, "x", 1), 1);
    close(fd);
}

static void woken_soon_and_seldom(void)
{
    char folder[] = "/tmp/test_watch.XXXXXX";
    struct watch *w = NULL;
    uint64_t begun;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(watch_new(&w, loop, folder, 30000, wake, NULL), 0);
    /* Many changes are one wake, after the time to gather and long before the clock's. */
    for (int i = 0; i < 100; i++)
        touch(folder, "file");
    wakes = 0;
    wanted = 1;
    begun = loop_now();
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT(woken_at - begun >= 30000);
    CU_ASSERT(woken_at - begun < 1500000);
    /* And what comes later is another. */
    touch(folder, "file");
    wanted = 2;
    begun = loop_now();
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT(woken_at - begun < 1500000);
    /* Without a change the clock comes by. */
    wanted = 3;
    begun = loop_now();
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT(woken_at - begun >= 1500000);
    watch_free(w);
    loop_free(loop);
    unit_remove(folder);
}

static void without_gathering(void)
{
    char folder[] = "/tmp/test_watch.XXXXXX";
    struct watch *w = NULL;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(watch_new(&w, loop, folder, 0, wake, NULL), 0);
    wakes = 0;
    for (unsigned i = 1; i <= 3; i++) {
        touch(folder, "file");
        wanted = i;
        CU_ASSERT_EQUAL(loop_run(loop), 0);
    }
    CU_ASSERT_EQUAL(wakes, 3);
    watch_free(w);
    loop_free(loop);
    unit_remove(folder);
}

/* No inotify: the clock alone, and quicker. */
static void a_folder_that_is_not_there(void)
{
    struct watch *w = NULL;
    uint64_t begun = loop_now();

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(watch_new(&w, loop, "/tmp/test_watch.none", 1000, wake, NULL), 0);
    wakes = 0;
    wanted = 2;
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT(woken_at - begun < 2000000);
    watch_free(w);
    loop_free(loop);
}

static const struct unit_case CASES[] = {
    {"woken soon and seldom", woken_soon_and_seldom},
    {"without gathering", without_gathering},
    {"a folder that is not there", a_folder_that_is_not_there},
};

UNIT_MAIN("watch", CASES)
