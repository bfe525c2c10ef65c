#include "ctl/audit/audit_time.h"
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

/* 2026-11-24T09:15:02.123456Z */
static const uint64_t NOW = UINT64_C(1795511702123456);

static void expect(const char *text, const char *wanted)
{
    char got[SEAL_TIME + 1] = "untouched";

    CU_ASSERT_EQUAL(audit_time_parse(got, text, NOW), wanted ? 0 : -EINVAL);
    CU_ASSERT_STRING_EQUAL(got, wanted ? wanted : "untouched");
}

static void moments(void)
{
    expect("2026-11-24T09:15:02Z", "2026-11-24T09:15:02.000000Z");
    expect("2026-11-24t09:15:02.5z", "2026-11-24T09:15:02.500000Z");
    expect("2026-11-24 09:15:02.123456Z", "2026-11-24T09:15:02.123456Z");
    expect("2026-11-24T09:15:02.123456789Z", "2026-11-24T09:15:02.123456Z");
    expect("2026-11-24", "2026-11-24T00:00:00.000000Z");
    expect("2024-02-29", "2024-02-29T00:00:00.000000Z");
    expect("2016-12-31T23:59:60Z", "2016-12-31T23:59:60.000000Z");
}

static void ages(void)
{
    expect("0s", "2026-11-24T09:15:02.123456Z");
    expect("2s", "2026-11-24T09:15:00.123456Z");
    expect("15m", "2026-11-24T09:00:02.123456Z");
    expect("10h", "2026-11-23T23:15:02.123456Z");
    expect("7d", "2026-11-17T09:15:02.123456Z");
    expect("1w", "2026-11-17T09:15:02.123456Z");
    expect("999999999w", "1970-01-01T00:00:00.000000Z");
}

static void others_are_refused(void)
{
    static const char *const BAD[] = {
        "",
        "m",
        "15",
        "15x",
        "15mm",
        "-1m",
        "1.5h",
        "9999999999s",
        "2026-11",
        "2026-13-01",
        "2026-00-01",
        "2026-02-29",
        "1900-02-29",
        "2026-11-31",
        "2026-11-00",
        "2026-11-24T",
        "2026-11-24T09:15Z",
        "2026-11-24T09:15:02",
        "2026-11-24T24:00:00Z",
        "2026-11-24T09:60:00Z",
        "2026-11-24T09:15:61Z",
        "2026-11-24T09:15:02.Z",
        "2026-11-24T09:15:02.1234567890Z",
        "2026-11-24T09:15:02+00:00",
        "2026-11-24T09:15:02Zx",
        "2026-11-24x09:15:02Z",
        "2026-11-24 ",
        "now",
    };

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        expect(BAD[i], NULL);
}

static const struct unit_case CASES[] = {
    {"moments", moments},
    {"ages", ages},
    {"others are refused", others_are_refused},
};

UNIT_MAIN("audit_time", CASES)
