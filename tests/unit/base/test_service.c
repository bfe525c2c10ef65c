#include "base/service.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    PERIOD_US = 40000,
};

/* A manager that listens, and a loop that it watches. */
struct world {
    char folder[32];
    struct sockaddr_un address;
    int fd;
    struct loop *loop;
    struct watchdog watchdog;
    bool ill;
    unsigned asked;
};

static void setup(struct world *w, const char *period, const char *pid)
{
    *w = (struct world){.folder = "/tmp/test_watchdog_XXXXXX", .address = {.sun_family = AF_UNIX}};
    w->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(w->folder));
    (void)snprintf(w->address.sun_path, sizeof(w->address.sun_path), "%s/n", w->folder);
    CU_ASSERT_EQUAL_FATAL(bind(w->fd, (struct sockaddr *)&w->address, sizeof(w->address)), 0);
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    (void)setenv("NOTIFY_SOCKET", w->address.sun_path, 1);
    (void)setenv("WATCHDOG_USEC", period, 1);
    (void)setenv("WATCHDOG_PID", pid, 1);
    watchdog_start(&w->watchdog, w->loop);
}

static void cleanup(struct world *w)
{
    watchdog_stop(&w->watchdog);
    loop_free(w->loop);
    (void)close(w->fd);
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
    (void)unlink(w->address.sun_path);
    unit_remove(w->folder);
}

static const char *own_pid(void)
{
    static char text[16];

    (void)snprintf(text, sizeof(text), "%d", (int)getpid());
    return text;
}

/* How many words lie ready; each must be that of a living daemon. */
static unsigned words(const struct world *w)
{
    char got[64];
    unsigned count = 0;
    ssize_t n;

    while ((n = recv(w->fd, got, sizeof(got) - 1, 0)) > 0) {
        got[n] = '\0';
        CU_ASSERT_STRING_EQUAL(got, "WATCHDOG=1");
        count++;
    }
    return count;
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void turn_for(const struct world *w, uint64_t us)
{
    struct loop_timer end;

    loop_timer_init(&end, w->loop, stop, w->loop);
    loop_timer_set(&end, us);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&end);
}

static void a_turning_loop_speaks_twice_a_period(void)
{
    struct world w;
    unsigned n;

    setup(&w, "40000", own_pid());
    CU_ASSERT_EQUAL(w.watchdog.every_us, PERIOD_US / 2);
    CU_ASSERT_EQUAL(words(&w), 1); /* at once */
    turn_for(&w, 5 * PERIOD_US);
    n = words(&w);
    CU_ASSERT(n >= 2 && n <= 10); /* late on a busy machine, but never more than asked for */
    CU_ASSERT_PTR_NULL(getenv("WATCHDOG_USEC"));
    CU_ASSERT_PTR_NULL(getenv("WATCHDOG_PID"));
    cleanup(&w);
}

static void hang(void *arg)
{
    struct world *w = arg;
    uint64_t began = loop_now();

    (void)words(w);
    while (loop_now() - began < (uint64_t)4 * PERIOD_US)
        ;
    CU_ASSERT_EQUAL(words(w), 0);
    loop_stop(w->loop);
}

static void a_turn_that_hangs_says_nothing(void)
{
    struct world w;
    struct loop_hook hook = {.run = hang, .arg = &w};

    setup(&w, "40000", own_pid());
    loop_defer(w.loop, &hook);
    CU_ASSERT_EQUAL(loop_run(w.loop), 0);
    turn_for(&w, 0); /* it goes on when the loop does */
    turn_for(&w, PERIOD_US);
    CU_ASSERT(words(&w) > 0);
    cleanup(&w);
}

static void who_is_not_watched_says_nothing(void)
{
    static const char *const PERIODS[] = {"40000", "", "0", "x"};

    for (size_t i = 0; i < sizeof(PERIODS) / sizeof(PERIODS[0]); i++) {
        struct world w;

        setup(&w, PERIODS[i], i == 0 ? "1" : own_pid());
        turn_for(&w, 2 * PERIOD_US);
        CU_ASSERT_EQUAL(words(&w), 0);
        CU_ASSERT_FALSE(loop_timer_armed(&w.watchdog.timer));
        cleanup(&w);
    }
}

static bool is_well(void *arg, uint64_t every_us)
{
    struct world *w = arg;

    CU_ASSERT_EQUAL(every_us, PERIOD_US / 2);
    w->asked++;
    return !w->ill;
}

static void who_is_not_well_says_nothing(void)
{
    struct world w;
    unsigned before;

    setup(&w, "40000", own_pid());
    w.watchdog.well = is_well;
    w.watchdog.arg = &w;
    turn_for(&w, 2 * PERIOD_US);
    CU_ASSERT(w.asked > 0);
    CU_ASSERT(words(&w) > 0);
    w.ill = true;
    before = w.asked;
    turn_for(&w, 4 * PERIOD_US);
    CU_ASSERT(w.asked > before); /* again and again: it may get well */
    CU_ASSERT_EQUAL(words(&w), 0);
    w.ill = false;
    turn_for(&w, 4 * PERIOD_US);
    CU_ASSERT(words(&w) > 0);
    cleanup(&w);
}

static const struct unit_case CASES[] = {
    {"a turning loop speaks twice a period", a_turning_loop_speaks_twice_a_period},
    {"a turn that hangs says nothing", a_turn_that_hangs_says_nothing},
    {"who is not well says nothing", who_is_not_well_says_nothing},
    {"who is not watched says nothing", who_is_not_watched_says_nothing},
};
UNIT_MAIN("service", CASES)
