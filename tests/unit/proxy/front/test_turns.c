#include "proxy/front/turns.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>

enum { MANY = 40 };

struct one {
    struct turn turn;
    unsigned number;
};

static struct {
    struct loop *loop;
    struct turns *turns;
    struct one ones[MANY];
    unsigned went[MANY], n, open; /* open: how many more may go */
    struct one *drops;            /* what the next one drops as it goes */
} t;

static bool is_open(void *arg)
{
    (void)arg;
    return t.open > 0;
}

static void go(void *arg)
{
    struct one *one = arg;

    t.went[t.n++] = one->number;
    t.open--;
    if (t.drops)
        turns_drop(t.turns, &t.drops->turn);
}

static void setup(unsigned requests, size_t bytes)
{
    memset(&t, 0, sizeof(t));
    CU_ASSERT_EQUAL_FATAL(loop_new(&t.loop), 0);
    CU_ASSERT_EQUAL_FATAL(turns_new(&t.turns, t.loop, requests, bytes, is_open, NULL), 0);
    for (unsigned i = 0; i < MANY; i++)
        t.ones[i] = (struct one){.turn = {.go = go, .arg = &t.ones[i]}, .number = i};
}

static void cleanup(void)
{
    turns_free(t.turns);
    loop_free(t.loop);
}

static int wait_for(unsigned number, uint64_t user, size_t bytes)
{
    return turns_wait(t.turns, &t.ones[number].turn, user, bytes);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void let(unsigned n)
{
    struct loop_timer timer;

    t.open = n;
    turns_resume(t.turns);
    loop_timer_init(&timer, t.loop, stop, t.loop);
    loop_timer_set(&timer, 1000);
    CU_ASSERT_EQUAL(loop_run(t.loop), 0);
    loop_timer_deinit(&timer);
    t.open = 0;
}

/* One that sends much waits for itself. */
static void test_in_turns(void)
{
    static const unsigned ORDER[] = {0, 20, 30, 1, 21, 31, 2, 3, 4};

    setup(100, 1000);
    t.open = 1;
    CU_ASSERT(turns_pass(t.turns));
    t.open = 0;
    CU_ASSERT(!turns_pass(t.turns));
    for (unsigned i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(wait_for(i, 1, 10), 0);
    CU_ASSERT_EQUAL(wait_for(20, 2, 10), 0);
    CU_ASSERT_EQUAL(wait_for(21, 2, 10), 0);
    CU_ASSERT_EQUAL(wait_for(30, 3, 10), 0);
    CU_ASSERT_EQUAL(wait_for(31, 3, 10), 0);
    CU_ASSERT_EQUAL(turns_count(t.turns), 14);
    let(0);
    CU_ASSERT_EQUAL(t.n, 0);
    let(4);
    let(5);
    CU_ASSERT_EQUAL_FATAL(t.n, 9);
    for (unsigned i = 0; i < 9; i++)
        CU_ASSERT_EQUAL(t.went[i], ORDER[i]);
    CU_ASSERT_EQUAL(turns_count(t.turns), 5);
    t.open = 1;
    CU_ASSERT(!turns_pass(t.turns)); /* nobody goes before those that wait */
    let(100);
    CU_ASSERT_EQUAL(t.n, 14);
    CU_ASSERT_EQUAL(turns_count(t.turns), 0);
    t.open = 1;
    CU_ASSERT(turns_pass(t.turns));
    cleanup();
}

static void test_shares(void)
{
    setup(3, 100);
    CU_ASSERT_EQUAL(wait_for(0, 1, 10), 0);
    CU_ASSERT_EQUAL(wait_for(1, 1, 10), 0);
    CU_ASSERT_EQUAL(wait_for(2, 1, 10), 0);
    CU_ASSERT_EQUAL(wait_for(3, 1, 10), -EBUSY);
    CU_ASSERT_EQUAL(wait_for(4, 2, 60), 0);
    CU_ASSERT_EQUAL(wait_for(5, 2, 60), -EBUSY);
    CU_ASSERT_EQUAL(wait_for(5, 2, 40), 0);
    CU_ASSERT_EQUAL(wait_for(6, 3, 5000), 0); /* one of any length */
    CU_ASSERT_EQUAL(wait_for(7, 3, 1), -EBUSY);
    turns_drop(t.turns, &t.ones[1].turn);
    turns_drop(t.turns, &t.ones[1].turn);
    CU_ASSERT_EQUAL(wait_for(3, 1, 10), 0);
    turns_drop(t.turns, &t.ones[6].turn);
    CU_ASSERT_EQUAL(wait_for(7, 3, 1), 0);
    CU_ASSERT_EQUAL(turns_count(t.turns), 6);
    CU_ASSERT_EQUAL(wait_for(1, 1, 10), -EBUSY);
    turns_set(t.turns, 4);
    CU_ASSERT_EQUAL(wait_for(1, 1, 10), 0);
    cleanup(); /* with some that wait */
}

/* Whoever goes may end others, even all of them. */
static void test_dropped_meanwhile(void)
{
    setup(100, 1000);
    CU_ASSERT_EQUAL(wait_for(0, 1, 1), 0);
    CU_ASSERT_EQUAL(wait_for(1, 2, 1), 0);
    t.drops = &t.ones[1];
    let(10);
    CU_ASSERT_EQUAL(t.n, 1);
    CU_ASSERT_EQUAL(turns_count(t.turns), 0);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"in turns", test_in_turns},
    {"shares", test_shares},
    {"dropped meanwhile", test_dropped_meanwhile},
};

UNIT_MAIN("turns", CASES)
