#include "http/http_reason.h"
#include "unit/unit.h"

static void known_and_unknown(void)
{
    CU_ASSERT_TRUE(slice_eq(http_reason(200), SLICE_LIT("OK")));
    CU_ASSERT_TRUE(slice_eq(http_reason(422), SLICE_LIT("Unprocessable Content")));
    CU_ASSERT_TRUE(slice_eq(http_reason(504), SLICE_LIT("Gateway Timeout")));
    CU_ASSERT_EQUAL(http_reason(599).len, 0);
    CU_ASSERT_PTR_NOT_NULL(http_reason(0).data);
}

/* Every phrase is terminated where its length says. */
static void terminated(void)
{
    unsigned n = 0;

    for (unsigned status = 0; status < 1000; status++) {
        struct slice reason = http_reason(status);

        CU_ASSERT_EQUAL(strlen(reason.data), reason.len);
        n += reason.len > 0;
    }
    CU_ASSERT_EQUAL(n, 47);
}

static const struct unit_case CASES[] = {
    {"known and unknown", known_and_unknown},
    {"terminated", terminated},
};
UNIT_MAIN("http_reason", CASES)
