#include "audit/requests.h"
#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

static void add(struct requests *p, const char *id, uint64_t seq)
{
    struct open_request *o = requests_open(p, slice_str(id), slice_str("record"));

    CU_ASSERT_PTR_NOT_NULL_FATAL(o);
    o->seq = seq;
}

static uint64_t end(struct requests *p, const char *id)
{
    struct open_request *o = requests_close(p, slice_str(id));
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
    {"in the order of the log", in_the_order_of_the_log},
};

UNIT_MAIN("requests", CASES)
