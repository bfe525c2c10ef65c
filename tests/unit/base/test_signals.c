#include "base/signals.h"
#include "unit/unit.h"

#include <signal.h>
#include <unistd.h>

static struct loop *loop;
static int ended, reloaded;

static void on_end(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    CU_ASSERT_PTR_EQUAL(arg, &loop);
    ended = (int)number;
    loop_stop(loop);
}

static void on_reload(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    CU_ASSERT_PTR_EQUAL(arg, &loop);
    reloaded = (int)number;
    loop_stop(loop);
}

static void test_each_has_its_own(void)
{
    struct signals s = {{0}};

    CU_ASSERT_EQUAL_FATAL(loop_new(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(signals_init(&s, loop, on_end, on_reload, &loop), 0);
    (void)kill(getpid(), SIGHUP);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_EQUAL(reloaded, SIGHUP);
    CU_ASSERT_EQUAL(ended, 0);
    (void)kill(getpid(), SIGINT);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_EQUAL(ended, SIGINT);
    (void)kill(getpid(), SIGPIPE);
    (void)kill(getpid(), SIGTERM);
    CU_ASSERT_EQUAL(loop_run(loop), 0);
    CU_ASSERT_EQUAL(ended, SIGTERM);
    signals_deinit(&s);
    /* Late ones do nothing. */
    (void)kill(getpid(), SIGTERM);
    (void)kill(getpid(), SIGHUP);
    signals_deinit(&s);
    loop_free(loop);
}

static const struct unit_case CASES[] = {
    {"each has its own", test_each_has_its_own},
};

UNIT_MAIN("signals", CASES)
