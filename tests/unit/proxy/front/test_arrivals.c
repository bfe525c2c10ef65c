/* The turn's requests go on at its end, in order, each with its uid; and some never do. */
#include "proxy/front/arrivals.h"
#include "unit/unit.h"

#include <string.h>

enum { MANY = 2 * SOCK_DIAG_BATCH + 3 };

struct one {
    struct arrival arrival;
    struct client_peer peer;
    struct world *world;
};

struct world {
    struct loop *loop;
    struct arrivals *arrivals;
    struct one ones[MANY];
    char went[4 * MANY];
    struct one *victim; /* dropped by the first that goes */
    bool again;         /* the first that goes comes once more */
    bool nested;
};

static void go(void *arg, uint32_t uid)
{
    struct one *one = arg;
    struct world *w = one->world;

    CU_ASSERT_EQUAL(uid, one->peer.uid);
    CU_ASSERT_FALSE(arrivals_has(&one->arrival));
    CU_ASSERT_FALSE(w->nested);
    w->nested = true;
    w->went[strlen(w->went)] = (char)('0' + (one - w->ones));
    if (w->victim)
        arrivals_drop(&w->victim->arrival);
    w->victim = NULL;
    if (w->again) {
        w->again = false;
        arrivals_add(w->arrivals, &one->arrival, &one->peer, -1);
    }
    w->nested = false;
}

static void stop(void *arg)
{
    loop_stop(((struct world *)arg)->loop);
}

static void begin(struct world *w)
{
    memset(w, 0, sizeof(*w));
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    CU_ASSERT_EQUAL_FATAL(arrivals_new(&w->arrivals, w->loop), 0);
    for (unsigned i = 0; i < MANY; i++) {
        w->ones[i].world = w;
        w->ones[i].peer = (struct client_peer){.via = "unix", .uid = 100 + i};
        w->ones[i].arrival = (struct arrival){.go = go, .arg = &w->ones[i]};
    }
}

static void add(struct world *w, unsigned i)
{
    arrivals_add(w->arrivals, &w->ones[i].arrival, &w->ones[i].peer, -1);
    CU_ASSERT(arrivals_has(&w->ones[i].arrival));
}

/* One turn. */
static void turn(struct world *w)
{
    struct loop_hook hook = {.run = stop, .arg = w};

    loop_defer(w->loop, &hook);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
}

static void finish(struct world *w)
{
    arrivals_free(w->arrivals);
    loop_free(w->loop);
}

static void in_order_and_once(void)
{
    struct world w;

    begin(&w);
    turn(&w);
    CU_ASSERT_STRING_EQUAL(w.went, "");
    add(&w, 2);
    add(&w, 0);
    add(&w, 2);
    add(&w, 1);
    CU_ASSERT_STRING_EQUAL(w.went, "");
    turn(&w);
    CU_ASSERT_STRING_EQUAL(w.went, "201");
    turn(&w);
    CU_ASSERT_STRING_EQUAL(w.went, "201");
    add(&w, 0);
    turn(&w);
    CU_ASSERT_STRING_EQUAL(w.went, "2010");
    finish(&w);
}

static void many(void)
{
    struct world w;

    begin(&w);
    for (unsigned i = 0; i < MANY; i++)
        add(&w, i);
    turn(&w);
    CU_ASSERT_EQUAL(strlen(w.went), MANY);
    for (unsigned i = 0; i < MANY; i++)
        CU_ASSERT_EQUAL(w.went[i], (char)('0' + i));
    finish(&w);
}

static void dropped(void)
{
    struct world w;

    begin(&w);
    add(&w, 0);
    add(&w, 1);
    add(&w, 2);
    w.victim = &w.ones[1];
    arrivals_drop(&w.ones[2].arrival);
    arrivals_drop(&w.ones[2].arrival);
    turn(&w);
    CU_ASSERT_STRING_EQUAL(w.went, "0");
    w.again = true;
    add(&w, 3);
    turn(&w);
    CU_ASSERT_STRING_EQUAL(w.went, "033");
    add(&w, 4);
    arrivals_free(w.arrivals);
    w.arrivals = NULL;
    CU_ASSERT_FALSE(arrivals_has(&w.ones[4].arrival));
    turn(&w);
    CU_ASSERT_STRING_EQUAL(w.went, "033");
    finish(&w);
}

static const struct unit_case CASES[] = {
    {"in order and once", in_order_and_once},
    {"many", many},
    {"dropped", dropped},
};

UNIT_MAIN("arrivals", CASES)
