#include "keeper/rejects.h"

#include "unit/unit.h"

#include <stdio.h>

enum { SECOND = REJECTS_SECOND };

static struct {
    struct loop *loop;
    struct rejects rejects;
    struct reject_request last;
    char code[64], name[64];
    unsigned written;
    uint64_t repeated;
    bool refuses;
} t;

static bool on_counted(void *arg, const struct reject_request *counted)
{
    (void)arg;
    if (t.refuses)
        return false;
    t.last = *counted;
    (void)snprintf(t.code, sizeof(t.code), "%.*s", (int)counted->code.len, counted->code.data);
    (void)snprintf(t.name, sizeof(t.name), "%.*s", (int)counted->client.name.len,
                   counted->client.name.data);
    t.written++;
    t.repeated += counted->repeated;
    return true;
}

static void setup(unsigned limit)
{
    memset(&t, 0, sizeof(t));
    CU_ASSERT_EQUAL_FATAL(loop_new(&t.loop), 0);
    rejects_init(&t.rejects, t.loop, on_counted, NULL);
    CU_ASSERT_EQUAL(t.rejects.limit, REJECTS_DEFAULT);
    t.rejects.limit = limit;
}

static void cleanup(void)
{
    rejects_deinit(&t.rejects);
    loop_free(t.loop);
}

static bool take(uint32_t uid, unsigned status, bool over, uint64_t now)
{
    struct reject_request r = {
        .client = {.uid = uid, .name = SLICE_LIT("crm"), .via = SLICE_LIT("tcp")},
        .status = status,
        .code = SLICE_LIT("invalid_field")};

    return rejects_take(&t.rejects, &r, over, now);
}

/* At most `limit` records in a second: the last of them stands for the rest. */
static void test_limit(void)
{
    setup(10);
    for (unsigned second = 0; second < 5; second++) {
        uint64_t now = (second + 1) * (uint64_t)SECOND;
        unsigned own = 0;

        for (unsigned i = 0; i < 1000; i++)
            own += take(7, 422, false, now + i * 900);
        CU_ASSERT_EQUAL(own, 9);
        rejects_flush(&t.rejects, now + SECOND - 1);
        CU_ASSERT_EQUAL(t.written, second);
        rejects_flush(&t.rejects, now + SECOND);
        CU_ASSERT_EQUAL(t.written, second + 1);
        CU_ASSERT_EQUAL(t.last.repeated, 991);
        CU_ASSERT_EQUAL(t.last.status, 422);
        CU_ASSERT_EQUAL(t.last.client.uid, 7);
        CU_ASSERT_STRING_EQUAL(t.code, "invalid_field");
        CU_ASSERT_STRING_EQUAL(t.name, "crm");
    }
    rejects_flush(&t.rejects, UINT64_MAX);
    CU_ASSERT_EQUAL(t.written, 5);
    cleanup();
}

static void test_users_apart(void)
{
    setup(3);
    for (uint32_t uid = 0; uid < REJECTS_USERS_MAX; uid++) {
        CU_ASSERT(take(uid, 403, false, SECOND));
        CU_ASSERT(take(uid, 403, false, SECOND));
        CU_ASSERT(!take(uid, 403, false, SECOND));
    }
    /* Those that find no place share one, while the others count. */
    CU_ASSERT(take(5000, 403, false, SECOND));
    CU_ASSERT(take(5001, 403, false, SECOND));
    for (uint32_t uid = 5002; uid < 6000; uid++)
        CU_ASSERT(!take(uid, 403, false, SECOND));
    rejects_flush(&t.rejects, 2 * SECOND);
    CU_ASSERT_EQUAL(t.written, REJECTS_USERS_MAX + 1);
    CU_ASSERT_EQUAL(t.repeated, REJECTS_USERS_MAX + 998);
    CU_ASSERT_EQUAL(t.last.client.uid, CLIENT_UID_UNKNOWN);
    /* Later there is room again. */
    CU_ASSERT(take(7000, 403, false, 3 * SECOND));
    CU_ASSERT(take(7000, 403, false, 3 * SECOND));
    CU_ASSERT(!take(7000, 403, false, 3 * SECOND));
    rejects_flush(&t.rejects, UINT64_MAX);
    CU_ASSERT_EQUAL(t.last.client.uid, 7000);
    cleanup();
}

static void test_one_a_second_and_over_the_rate(void)
{
    setup(1);
    CU_ASSERT(!take(7, 401, false, SECOND));
    rejects_flush(&t.rejects, 2 * SECOND);
    CU_ASSERT_EQUAL(t.written, 1);
    CU_ASSERT_EQUAL(t.last.repeated, 1);
    cleanup();
    setup(100);
    CU_ASSERT(!take(7, 503, true, SECOND));
    CU_ASSERT(!take(7, 403, false, SECOND)); /* told with the one before */
    rejects_flush(&t.rejects, 2 * SECOND);
    CU_ASSERT_EQUAL(t.last.repeated, 2);
    CU_ASSERT_EQUAL(t.last.status, 403);
    CU_ASSERT(take(7, 403, false, 2 * SECOND));
    cleanup();
}

/* What can't be written now is kept, and the timer of the loop asks again. */
static void test_written_later(void)
{
    setup(1);
    t.refuses = true;
    CU_ASSERT(!take(7, 401, false, loop_now() - SECOND));
    rejects_flush(&t.rejects, UINT64_MAX);
    CU_ASSERT_EQUAL(t.written, 0);
    t.refuses = false;
    for (unsigned i = 0; i < 200 && t.written == 0; i++) {
        struct timeval soon = {0, 50000};

        (void)event_base_loopexit(loop_base(t.loop), &soon);
        (void)event_base_dispatch(loop_base(t.loop));
    }
    CU_ASSERT_EQUAL(t.written, 1);
    CU_ASSERT_EQUAL(t.last.repeated, 1);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"limit", test_limit},
    {"users apart", test_users_apart},
    {"one a second, and over the rate", test_one_a_second_and_over_the_rate},
    {"written later", test_written_later},
};

UNIT_MAIN("rejects", CASES)
