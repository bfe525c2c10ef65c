#include "audit/line.h"
#include "unit/unit.h"

#include <stdio.h>
#include <string.h>

#define HEX "00000000000000000000000000000000000000000000000000000000000000"
#define H   ",\"h\":\"0f" HEX "\"}"
#define T   "2026-11-23T17:07:00.123456Z"

static void test_read(void)
{
    static const char LINE[] = "{\"seq\":12,\"time\":\"" T
                               "\",\"type\":\"intent\",\"id\":\"r1\",\"f\":{\"}\":\"{\\\"\"}" H;
    struct line line;

    CU_ASSERT_PTR_NULL_FATAL(line_read(slice_str(LINE), &line));
    CU_ASSERT_EQUAL(line.seq, 12);
    CU_ASSERT(slice_eq(line.word, SLICE_LIT("intent")));
    CU_ASSERT(slice_eq(line.id, SLICE_LIT("r1")));
    CU_ASSERT_EQUAL(line.type, LINE_INTENT);
    CU_ASSERT_EQUAL(line.hash.bytes[0], 0x0f);
    CU_ASSERT_EQUAL(line.covered.len, sizeof(LINE) - sizeof(H));
    /* Cut anywhere it is no record, and nothing beyond its end is read. */
    for (size_t n = 0; n < sizeof(LINE) - 1; n++) {
        char *cut = unit_guard(LINE, n);

        CU_ASSERT_PTR_NOT_NULL(line_read(slice_of(cut, n), &line));
        unit_guard_free(cut, n);
    }
}

static void test_read_bad(void)
{
    static const char *const BAD[] = {
        "",
        "{}",
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"stop\"}",
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"stop\",\"h\":\"0F" HEX "\"}",
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"stop\",\"h\":\"0f0" HEX "\"}",
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"stop\", \"h\":\"0f" HEX "\"}",
        "{\"seq\":01,\"time\":\"" T "\",\"type\":\"stop\"" H,
        "{\"seq\":-1,\"time\":\"" T "\",\"type\":\"stop\"" H,
        "{\"seq\":18446744073709551616,\"time\":\"" T "\",\"type\":\"stop\"" H,
        "{\"seq\":1, \"time\":\"" T "\",\"type\":\"stop\"" H,
        "{\"seq\":1,\"time\":\"2026-11-23 17:07:00.123456Z\",\"type\":\"stop\"" H,
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"\"" H,
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"st op\"" H,
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"stop\"" H " ",
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"stop\"",
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"stop\",\"a\":\"\t\"" H,
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"intent\"" H,
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"outcome\",\"id\":\"\"" H,
        "{\"seq\":1,\"time\":\"" T "\",\"type\":\"outcome\",\"id\":\"a b\"" H,
    };
    struct line line;

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        CU_ASSERT_PTR_NOT_NULL(line_read(slice_str(BAD[i]), &line));
    CU_ASSERT_PTR_NULL(line_read(
        SLICE_LIT("{\"seq\":18446744073709551615,\"time\":\"" T "\",\"type\":\"stop\"" H), &line));
}

/* A control character at any place, whatever its neighbours. */
static void test_controls(void)
{
    char text[256];
    struct line line;
    int n = snprintf(text, sizeof(text),
                     "{\"seq\":1,\"time\":\"" T "\",\"type\":\"x\",\"a\":\"~ \xff\x80\xe2"
                     "012345678\"" H);

    CU_ASSERT_PTR_NULL(line_read(slice_of(text, (size_t)n), &line));
    for (int i = 0; i < n; i++)
        for (unsigned c = 0; c < 0x20; c += 31) {
            char before = text[i];

            text[i] = (char)c;
            CU_ASSERT_PTR_NOT_NULL(line_read(slice_of(text, (size_t)n), &line));
            text[i] = '\x7f';
            CU_ASSERT_PTR_NOT_NULL(line_read(slice_of(text, (size_t)n), &line));
            text[i] = before;
        }
}

#define LONG_HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct line line_of(const char *type, const char *rest)
{
    static char text[1024];
    struct line line;

    snprintf(text, sizeof(text), "{\"seq\":9,\"time\":\"" T "\",\"type\":\"%s\"%s" H, type, rest);
    CU_ASSERT_PTR_NULL(line_read(slice_str(text), &line));
    return line;
}

#define HEADER(format, open)                                                                       \
    ",\"format\":" format ",\"log\":\"" LONG_HEX "\",\"epoch\":3,\"public_key\":\"" LONG_HEX       \
    "\",\"previous_seq\":8,\"previous_hash\":\"" LONG_HEX "\",\"open\":" open

static void test_segment(void)
{
    static const char *const BAD[] = {"",
                                      HEADER("1", "2,\"x\":1"),
                                      HEADER("2", "[2],\"x\":1"),
                                      ",\"format\":2",
                                      ",\"format\":1,\"log\":\"00\"",
                                      HEADER("0", "2"),
                                      HEADER("3", "[]"),
                                      HEADER("1", "[]"),
                                      HEADER("2", "2"),
                                      HEADER("2", "[2,2]"),
                                      HEADER("2", "[3,2]"),
                                      HEADER("2", "[0]"),
                                      HEADER("2", "[02]"),
                                      HEADER("2", "[2, 3]"),
                                      HEADER("2", "[2,]"),
                                      HEADER("2", "[,2]"),
                                      HEADER("2", "[9]"), /* not before its own */
                                      HEADER("2", "["),
                                      HEADER("2", "]")};
    struct line line = line_of("segment", HEADER("1", "2"));
    struct record_segment s;
    uint64_t seq = 0;

    CU_ASSERT_EQUAL(line.type, LINE_SEGMENT);
    CU_ASSERT_PTR_NULL(line_segment(&line, &s));
    CU_ASSERT(s.epoch == 3 && s.previous_seq == 8 && s.n_open == 2 && s.format == 1);
    CU_ASSERT(s.log.bytes[1] == 0x23 && s.public_key.bytes[31] == 0xef);
    CU_ASSERT_EQUAL(s.previous.bytes[0], 0x01);
    line = line_of("segment", HEADER("2", "[]"));
    CU_ASSERT_PTR_NULL(line_segment(&line, &s));
    CU_ASSERT(s.format == 2 && s.n_open == 0);
    CU_ASSERT_EQUAL(line_open(&s.open_text, 9, &seq), 0);
    line = line_of("segment", HEADER("2", "[2,7,8]"));
    CU_ASSERT_PTR_NULL(line_segment(&line, &s));
    CU_ASSERT_EQUAL(s.n_open, 3);
    CU_ASSERT(line_open(&s.open_text, 9, &seq) == 1 && seq == 2);
    CU_ASSERT(line_open(&s.open_text, 9, &seq) == 1 && seq == 7);
    CU_ASSERT(line_open(&s.open_text, 9, &seq) == 1 && seq == 8);
    CU_ASSERT_EQUAL(line_open(&s.open_text, 9, &seq), 0);
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        line = line_of("segment", BAD[i]);
        CU_ASSERT_PTR_NOT_NULL(line_segment(&line, &s));
    }
}

static void test_outcome(void)
{
    struct line line = line_of("outcome", ",\"id\":\"a\",\"intent\":18446744073709551615,\"x\":1");

    CU_ASSERT_EQUAL(line.intent, UINT64_MAX);
    CU_ASSERT(slice_eq(line.rest, SLICE_LIT(",\"x\":1")));
    line = line_of("outcome", ",\"id\":\"a\",\"status\":200,\"intent\":7"); /* format 1 */
    CU_ASSERT_EQUAL(line.intent, 0);
    line = line_of("intent", ",\"id\":\"a\",\"intent\":7");
    CU_ASSERT_EQUAL(line.intent, 0);
    CU_ASSERT_PTR_NOT_NULL(
        line_read(SLICE_LIT("{\"seq\":9,\"time\":\"" T
                            "\",\"type\":\"outcome\",\"id\":\"a\",\"intent\":\"7\"" H),
                  &line));
}

static void test_seal(void)
{
    unsigned char signature[SEAL_SIGNATURE];
    struct seal_key next;
    struct seal seal = {0};
    struct line line = line_of("checkpoint", ",\"epoch\":3,\"hash\":\"" LONG_HEX
                                             "\",\"signature\":\"" LONG_HEX LONG_HEX "\"");

    CU_ASSERT_PTR_NULL(line_seal(&line, &seal, &next, signature));
    CU_ASSERT(seal.epoch == 3 && seal.seq == 8 && seal.hash.bytes[2] == 0x45);
    CU_ASSERT(memcmp(seal.time, T, SEAL_TIME) == 0);
    CU_ASSERT_EQUAL(signature[63], 0xef);
    line = line_of("epoch", ",\"epoch\":3,\"hash\":\"" LONG_HEX "\",\"next_key\":\"" LONG_HEX
                            "\",\"signature\":\"" LONG_HEX LONG_HEX "\"");
    CU_ASSERT_PTR_NULL(line_seal(&line, &seal, &next, signature));
    CU_ASSERT_EQUAL(next.bytes[0], 0x01);
    line.type = LINE_CHECKPOINT;
    CU_ASSERT_PTR_NOT_NULL(line_seal(&line, &seal, &next, signature));
    line = line_of("checkpoint",
                   ",\"epoch\":3,\"hash\":\"" LONG_HEX "\",\"signature\":\"" LONG_HEX "\"");
    CU_ASSERT_PTR_NOT_NULL(line_seal(&line, &seal, &next, signature));
}

static const struct unit_case CASES[] = {
    {"a record", test_read},
    {"no records", test_read_bad},
    {"control characters", test_controls},
    {"a segment's header", test_segment},
    {"an outcome's intent", test_outcome},
    {"checkpoints and epochs", test_seal},
};

UNIT_MAIN("line", CASES)
