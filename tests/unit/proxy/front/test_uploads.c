#include "proxy/front/uploads.h"

#include "unit/unit.h"

enum { MANY = 8, KIB = 1024 };

static struct {
    struct loop *loop;
    struct uploads *uploads;
    struct upload list[MANY];
    unsigned went[MANY], given_up[MANY];
} t;

static unsigned number(void *arg)
{
    return (unsigned)((struct upload *)arg - t.list);
}

static void go(void *arg)
{
    t.went[number(arg)]++;
}

static void give_up(void *arg)
{
    t.given_up[number(arg)]++;
    uploads_give(t.uploads, arg, 0);
}

static void setup(size_t budget)
{
    memset(&t, 0, sizeof(t));
    CU_ASSERT_EQUAL_FATAL(loop_new(&t.loop), 0);
    CU_ASSERT_EQUAL_FATAL(uploads_new(&t.uploads, t.loop, budget), 0);
    for (unsigned i = 0; i < MANY; i++)
        t.list[i] = (struct upload){.go = go, .give_up = give_up, .arg = &t.list[i]};
}

static void cleanup(void)
{
    for (unsigned i = 0; i < MANY; i++)
        uploads_give(t.uploads, &t.list[i], 0);
    uploads_free(t.uploads);
    loop_free(t.loop);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run(uint64_t us)
{
    struct loop_timer timer;

    loop_timer_init(&timer, t.loop, stop, t.loop);
    loop_timer_set(&timer, us);
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    loop_timer_deinit(&timer);
}

static bool take(unsigned i, size_t beyond_free)
{
    return uploads_take(t.uploads, &t.list[i], UPLOAD_FREE + beyond_free);
}

static void test_room(void)
{
    setup(1000 * KIB);
    for (unsigned i = 0; i < MANY; i++)
        CU_ASSERT(uploads_take(t.uploads, &t.list[i], UPLOAD_FREE)); /* counts for nothing */
    CU_ASSERT(take(0, 600 * KIB));
    CU_ASSERT(take(0, 700 * KIB));
    CU_ASSERT(take(1, 300 * KIB));
    CU_ASSERT(take(1, 100 * KIB)); /* no less than it has */
    CU_ASSERT(!take(2, 1));
    CU_ASSERT(!take(3, 1)); /* in order */
    CU_ASSERT(take(0, 700 * KIB));
    uploads_give(t.uploads, &t.list[0], 0);
    run(1000);
    CU_ASSERT(t.went[2] == 1 && t.went[3] == 1);
    CU_ASSERT_EQUAL(t.given_up[0] + t.given_up[1], 0);
    CU_ASSERT(!take(4, 1000 * KIB));
    uploads_give(t.uploads, &t.list[4], 0); /* it is gone */
    CU_ASSERT(take(4, 600 * KIB));
    uploads_set(t.uploads, 100 * KIB);
    CU_ASSERT(!take(5, 1));
    uploads_set(t.uploads, 2000 * KIB);
    run(1000);
    CU_ASSERT_EQUAL(t.went[5], 1);
    cleanup();
}

/* The one that went on least recently is given up, when another has waited a moment. */
static void test_oldest_first(void)
{
    uint64_t began;

    setup(1000 * KIB);
    CU_ASSERT(take(0, 400 * KIB));
    run(2000);
    CU_ASSERT(take(1, 400 * KIB));
    run(2000);
    CU_ASSERT(take(2, 200 * KIB));
    run(2000);
    CU_ASSERT(take(0, 400 * KIB)); /* goes on */
    began = loop_now();
    CU_ASSERT(!take(3, 300 * KIB));
    run(UPLOAD_PATIENCE / 2);
    /* Unless the machine was away for longer. */
    if (loop_now() - began < UPLOAD_PATIENCE)
        CU_ASSERT_EQUAL(t.given_up[0] + t.given_up[1] + t.given_up[2], 0);
    for (unsigned i = 0; i < 200 && t.went[3] == 0; i++)
        run(10000);
    CU_ASSERT_EQUAL(t.went[3], 1);
    CU_ASSERT_EQUAL(t.given_up[1], 1);
    CU_ASSERT_EQUAL(t.given_up[0] + t.given_up[2] + t.given_up[3], 0);
    cleanup();
}

/* All wait for one another: one of them goes, so that others can. */
static void test_all_wait(void)
{
    setup(1000 * KIB);
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT(take(i, 200 * KIB));
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT(!take(i, 400 * KIB));
    for (unsigned i = 0; i < 200 && t.went[1] == 0; i++)
        run(10000);
    CU_ASSERT_EQUAL(t.given_up[0], 1);
    CU_ASSERT_EQUAL(t.went[1], 1);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"room", test_room},
    {"oldest first", test_oldest_first},
    {"all wait", test_all_wait},
};

UNIT_MAIN("uploads", CASES)
