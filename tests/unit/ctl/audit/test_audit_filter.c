#include "ctl/audit/audit_filter.h"
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#define HEX "00000000000000000000000000000000000000000000000000000000000000ff"

static void paths(void)
{
    static const struct {
        const char *wanted, *path;
        bool matches;
    } CASES[] = {
        {"/v1/org", "/v1/org", true},
        {"/v1/org", "/v1/org/1", false},
        {"/v1/org/1", "/v1/org", false},
        {"/v1/org", "/v1/orgs", false},
        {"/v1/org/", "/v1/org", false},
        {"/v1/org", "/v1/org/", false},
        {"/v1/org/*", "/v1/org/17", true},
        {"/v1/org/:id", "/v1/org/17", true},
        {"/v1/org/{id}", "/v1/org/17", true},
        {"/v1/org/*", "/v1/org", false},
        {"/v1/org/*", "/v1/org/", false},
        {"/v1/org/*", "/v1/org/17/x", false},
        {"/v1/*/17", "/v1/org/17", true},
        {"/v1/*/17", "/v1/org/18", false},
        {"/v1/**", "/v1/org/17", true},
        {"/v1/**", "/v1", true},
        {"/v1/**", "/v2/org", false},
        {"/v1/:what/**", "/v1/org/17/x", true},
        {"/v1/:what/**", "/v1", false},
        {"/v1/o*", "/v1/org", false},
        {"/v1/:", "/v1/org", false},
        {"/**", "/", true},
        {"/", "/", true},
        {"/v1", "", false},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
        CU_ASSERT_EQUAL(audit_path_matches(slice_str(CASES[i].wanted), slice_str(CASES[i].path)),
                        CASES[i].matches);
}

static void statuses(void)
{
    static const char *const BAD[] = {"",    ",",   "404,", "40", "4040",
                                      "4x4", "x00", "04x",  "no", "4x"};
    struct audit_filter f = {0};

    CU_ASSERT(audit_filter_status(&f, 0) && audit_filter_status(&f, 200));
    CU_ASSERT_EQUAL(audit_filter_add_status(&f, "404,5XX"), 0);
    CU_ASSERT(audit_filter_status(&f, 404) && audit_filter_status(&f, 500) &&
              audit_filter_status(&f, 599));
    CU_ASSERT(!audit_filter_status(&f, 403) && !audit_filter_status(&f, 499) &&
              !audit_filter_status(&f, 600) && !audit_filter_status(&f, 0) &&
              !audit_filter_status(&f, 1404));
    CU_ASSERT_EQUAL(audit_filter_add_status(&f, "none,9xx"), 0);
    CU_ASSERT(audit_filter_status(&f, 0) && audit_filter_status(&f, 999) &&
              audit_filter_status(&f, 404));
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        CU_ASSERT_EQUAL(audit_filter_add_status(&f, BAD[i]), -EINVAL);
}

static void types(void)
{
    struct audit_filter f = {0};

    CU_ASSERT(audit_filter_type(&f, SLICE_LIT("stop")));
    f.types = SLICE_LIT("stop,request");
    CU_ASSERT(audit_filter_type(&f, SLICE_LIT("stop")));
    CU_ASSERT(audit_filter_type(&f, SLICE_LIT("intent")));
    CU_ASSERT(audit_filter_type(&f, SLICE_LIT("outcome")));
    CU_ASSERT(audit_filter_type(&f, SLICE_LIT("reject")));
    CU_ASSERT(!audit_filter_type(&f, SLICE_LIT("start")));
    f.types = SLICE_LIT("intent");
    CU_ASSERT(!audit_filter_type(&f, SLICE_LIT("outcome")));
}

static void facts_of_a_record(void)
{
    struct audit_facts facts = {0};
    struct audit_filter f = {0};

    CU_ASSERT_EQUAL_FATAL(
        audit_facts_read(
            &facts,
            SLICE_LIT("{\"seq\":3,\"type\":\"intent\",\"id\":\"r1\",\"client\":{\"name\":\"app\","
                      "\"uid\":1000,\"user\":\"bob\"},\"method\":\"PUT\",\"workspace\":\"w\","
                      "\"path\":\"/v1/org/1\",\"fields\":{}}")),
        0);
    CU_ASSERT(audit_filter_record(&f, &facts));
    f.client = SLICE_LIT("app");
    CU_ASSERT(audit_filter_record(&f, &facts));
    f.client = SLICE_LIT("bob");
    CU_ASSERT(audit_filter_record(&f, &facts));
    f.client = SLICE_LIT("1000");
    CU_ASSERT(audit_filter_record(&f, &facts));
    f.client = SLICE_LIT("ap");
    CU_ASSERT(!audit_filter_record(&f, &facts));
    f = (struct audit_filter){.method = SLICE_LIT("put"), .path = SLICE_LIT("/v1/*/1")};
    CU_ASSERT(audit_filter_record(&f, &facts));
    f.workspace = SLICE_LIT("W");
    CU_ASSERT(!audit_filter_record(&f, &facts));
    f = (struct audit_filter){.id = SLICE_LIT("r")};
    CU_ASSERT(!audit_filter_record(&f, &facts));
    /* Members of other types are as if they were not there; other texts are no record. */
    CU_ASSERT_EQUAL(audit_facts_read(&facts, SLICE_LIT("{\"client\":7,\"path\":[],\"fields\":\"\","
                                                       "\"status\":\"200\",\"method\":null}")),
                    0);
    f = (struct audit_filter){.client = SLICE_LIT("0")};
    CU_ASSERT(!audit_filter_record(&f, &facts) && facts.status == 0 && !facts.fields);
    CU_ASSERT_EQUAL(audit_facts_read(&facts, SLICE_LIT("[]")), -EBADMSG);
    CU_ASSERT_EQUAL(audit_facts_read(&facts, SLICE_LIT("{}x")), -EBADMSG);
    CU_ASSERT_EQUAL(audit_facts_read(&facts, SLICE_LIT("{\"a\":\"\xff\"}")), -EBADMSG);
    CU_ASSERT_EQUAL(audit_facts_read(&facts, SLICE_LIT("")), -EBADMSG);
    audit_facts_deinit(&facts);
}

static void times_and_ids_of_a_line(void)
{
    static const char LINE[] = "{\"seq\":1,\"time\":\"2026-11-24T09:15:02.123456Z\",\"type\":"
                               "\"outcome\",\"id\":\"r1\",\"h\":\"" HEX "\"}";
    struct audit_filter f = {.has_since = true, .has_until = true};
    struct line line;

    CU_ASSERT_PTR_NULL_FATAL(line_read(slice_str(LINE), &line));
    memcpy(f.since, "2026-11-24T09:15:02.123456Z", SEAL_TIME);
    memcpy(f.until, "2026-11-24T09:15:02.123456Z", SEAL_TIME);
    CU_ASSERT(audit_filter_line(&f, &line));
    f.since[25]++;
    CU_ASSERT(!audit_filter_line(&f, &line));
    f.since[25] -= 2;
    f.until[25]--;
    CU_ASSERT(!audit_filter_line(&f, &line));
    f = (struct audit_filter){.id = SLICE_LIT("r2")};
    CU_ASSERT(!audit_filter_line(&f, &line));
}

static void text_is_decoded(void)
{
    struct slice json = SLICE_LIT("{\"a\":\"say \\\"Hi\\\" \\u00e5\\ud83d\\ude00\"}");
    struct audit_filter f = {0};

    CU_ASSERT_EQUAL(audit_filter_text(&f, json), 1);
    f.text = SLICE_LIT("\"hI\" \xc3\xa5\xf0\x9f\x98\x80");
    CU_ASSERT_EQUAL(audit_filter_text(&f, json), 1);
    f.text = SLICE_LIT("u00e5");
    CU_ASSERT_EQUAL(audit_filter_text(&f, json), 0);
    f.text = SLICE_LIT("\xc3\x85"); /* letters beyond ASCII keep their case */
    CU_ASSERT_EQUAL(audit_filter_text(&f, json), 0);
}

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
    {"paths", paths},
    {"statuses", statuses},
    {"types", types},
    {"facts of a record", facts_of_a_record},
    {"times and ids of a line", times_and_ids_of_a_line},
    {"text is decoded", text_is_decoded},
    {"moments", moments},
    {"ages", ages},
    {"others are refused", others_are_refused},
};

UNIT_MAIN("audit_filter", CASES)
