#include "audit/receipt.h"

#include "unit/unit.h"

#include <string.h>

#define DIGITS "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define WHOLE                                                                                      \
    "{\"sink\":\"archive\",\"log\":\"" DIGITS "\",\"epoch\":3,\"seq\":18446744073709551615,"       \
    "\"hash\":\"" DIGITS "\",\"time\":\"2026-11-24T09:15:02.123456Z\"}\n"

static void test_round_trip(void)
{
    struct receipt r;
    struct buf out = BUF_INIT(RECEIPT_MAX);

    CU_ASSERT_PTR_NULL_FATAL(receipt_read(SLICE_LIT(WHOLE), &r));
    CU_ASSERT_STRING_EQUAL(r.sink, "archive");
    CU_ASSERT_EQUAL(r.epoch, 3);
    CU_ASSERT_EQUAL(r.seq, UINT64_MAX);
    CU_ASSERT_EQUAL(r.log.bytes[1], 0x11);
    CU_ASSERT_EQUAL(r.hash.bytes[31], 0xff);
    CU_ASSERT_NSTRING_EQUAL(r.time, "2026-11-24T09:15:02.123456Z", SEAL_TIME);
    CU_ASSERT_EQUAL_FATAL(receipt_write(&out, &r), 0);
    CU_ASSERT_TRUE(slice_eq(buf_slice(&out), SLICE_LIT(WHOLE)));
    buf_deinit(&out);
}

/* No byte may be left out, and none of the fixed ones changed. */
static void test_no_other_form(void)
{
    char text[sizeof(WHOLE)];
    size_t n = strlen(WHOLE);
    struct receipt r;

    for (size_t i = 0; i < n; i++) {
        char *guarded;

        memcpy(text, WHOLE, n);
        memmove(text + i, text + i + 1, n - i - 1);
        /* A digit less of a number, or a letter less of a name, is another receipt. */
        guarded = unit_guard(text, n - 1);
        if (receipt_read(slice_of(guarded, n - 1), &r) == NULL)
            CU_ASSERT_TRUE(strcmp(r.sink, "archive") != 0 || r.seq != UINT64_MAX || r.epoch != 3);
        unit_guard_free(guarded, n - 1);
        memcpy(text, WHOLE, n);
        text[i] = '"' == text[i] ? 'x' : '"';
        CU_ASSERT_PTR_NOT_NULL(receipt_read(slice_of(text, n), &r));
        guarded = unit_guard(WHOLE, i);
        CU_ASSERT_PTR_NOT_NULL(receipt_read(slice_of(guarded, i), &r));
        unit_guard_free(guarded, i);
    }
    CU_ASSERT_PTR_NOT_NULL(receipt_read(SLICE_LIT(WHOLE "\n"), &r));
    CU_ASSERT_PTR_NOT_NULL(receipt_read(SLICE_LIT(WHOLE WHOLE), &r));
}

static void test_names(void)
{
    char longest[RECEIPT_NAME + 1];

    memset(longest, 'x', sizeof(longest));
    CU_ASSERT_TRUE(receipt_name(SLICE_LIT("a-Z_9")));
    CU_ASSERT_TRUE(receipt_name(slice_of(longest, RECEIPT_NAME)));
    CU_ASSERT_FALSE(receipt_name(slice_of(longest, RECEIPT_NAME + 1)));
    CU_ASSERT_FALSE(receipt_name(SLICE_LIT("")));
    CU_ASSERT_FALSE(receipt_name(SLICE_LIT("../x")));
    CU_ASSERT_FALSE(receipt_name(SLICE_LIT("a b")));
    CU_ASSERT_FALSE(receipt_name(SLICE_LIT("a.b")));
}

static const struct unit_case CASES[] = {
    {"round trip", test_round_trip},
    {"no other form", test_no_other_form},
    {"names", test_names},
};

UNIT_MAIN("receipt", CASES)
