#include "audit/requests.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

static void add(struct requests *p, const char *id, uint64_t seq)
{
    struct open_request *o = requests_open(p, seq, slice_str(id), slice_str("record"));

    CU_ASSERT_PTR_NOT_NULL_FATAL(o);
}

static uint64_t end(struct requests *p, const char *id)
{
    struct open_request *o = requests_close(p, 0, slice_str(id));
    uint64_t seq = o ? o->seq : 0;

    CU_ASSERT(!o || slice_eq(o->record, SLICE_LIT("record")));
    free(o);
    return seq;
}

static void an_id_that_repeats(void)
{
    struct requests p = {0};

    add(&p, "a", 1);
    add(&p, "b", 2);
    add(&p, "a", 3);
    add(&p, "a", 4);
    CU_ASSERT_EQUAL(p.n, 4);
    CU_ASSERT_EQUAL(end(&p, "none"), 0);
    CU_ASSERT_EQUAL(end(&p, "a"), 1);
    CU_ASSERT_EQUAL(end(&p, "a"), 3);
    add(&p, "a", 5);
    CU_ASSERT_EQUAL(end(&p, "a"), 4);
    CU_ASSERT_EQUAL(end(&p, "b"), 2);
    CU_ASSERT_EQUAL(end(&p, "a"), 5);
    CU_ASSERT_EQUAL(end(&p, "a"), 0);
    CU_ASSERT(!p.first && !p.last && p.n == 0);
    requests_deinit(&p);
}

static uint64_t end_seq(struct requests *p, uint64_t seq)
{
    struct open_request *o = requests_close(p, seq, SLICE_LIT("any"));
    uint64_t found = o ? o->seq : 0;

    free(o);
    return found;
}

/* Those of one id may be closed in any order, and by id goes on with the oldest that is left. */
static void by_seq(void)
{
    static const uint64_t ORDERS[][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
                                         {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
    struct requests p = {0};

    for (size_t i = 0; i < sizeof(ORDERS) / sizeof(ORDERS[0]); i++) {
        uint64_t left;

        for (uint64_t seq = 1; seq <= 3; seq++)
            add(&p, "a", seq);
        CU_ASSERT_EQUAL(end_seq(&p, 4), 0);
        CU_ASSERT_EQUAL(end_seq(&p, ORDERS[i][0]), ORDERS[i][0]);
        CU_ASSERT_EQUAL(end_seq(&p, ORDERS[i][0]), 0);
        left = ORDERS[i][1] < ORDERS[i][2] ? ORDERS[i][1] : ORDERS[i][2];
        CU_ASSERT_EQUAL(end(&p, "a"), left);
        CU_ASSERT_EQUAL(end_seq(&p, 6 - ORDERS[i][0] - left), 6 - ORDERS[i][0] - left);
        CU_ASSERT(!p.first && !p.last && p.n == 0 && !p.ids && !p.seqs);
    }
    requests_deinit(&p);
}

static void an_earlier_one_that_comes_later(void)
{
    struct requests p = {0};

    add(&p, "b", 5);
    add(&p, "", 2);
    add(&p, "", 3);
    add(&p, "b", 5); /* in the place of the first */
    CU_ASSERT_EQUAL(p.n, 3);
    CU_ASSERT_EQUAL(p.first->seq, 2);
    CU_ASSERT_EQUAL(p.first->after->seq, 3);
    CU_ASSERT_EQUAL(p.last->seq, 5);
    CU_ASSERT_EQUAL(end_seq(&p, 3), 3);
    CU_ASSERT_EQUAL(p.first->after, p.last);
    requests_deinit(&p);
}

static void in_the_order_of_the_log(void)
{
    struct requests p = {0};
    char id[16];
    uint64_t seq = 0;

    for (unsigned i = 1; i <= 1000; i++) {
        (void)snprintf(id, sizeof(id), "%u", i * 7919 % 1009);
        add(&p, id, i);
    }
    for (unsigned i = 2; i <= 1000; i += 2) {
        (void)snprintf(id, sizeof(id), "%u", i * 7919 % 1009);
        CU_ASSERT_EQUAL(end(&p, id), i);
    }
    for (const struct open_request *o = p.first; o; o = o->after) {
        CU_ASSERT_EQUAL(o->seq, seq ? seq + 2 : 1);
        CU_ASSERT(o->after ? o->after->before == o : p.last == o);
        seq = o->seq;
    }
    CU_ASSERT_EQUAL(seq, 999);
    CU_ASSERT_EQUAL(p.n, 500);
    requests_deinit(&p);
    CU_ASSERT_PTR_NULL(p.first);
}

static const struct unit_case CASES[] = {
    {"an id that repeats", an_id_that_repeats},
    {"by seq", by_seq},
    {"an earlier one that comes later", an_earlier_one_that_comes_later},
    {"in the order of the log", in_the_order_of_the_log},
};

UNIT_MAIN("requests", CASES)
