#include "policy/path.h"
#include "unit/unit.h"

#include <stdlib.h>
#include <string.h>

static void test_ok(void)
{
    static const char *const GOOD[] = {"/v1/org", "/v1/org/:id", "/v1/a/:id/b/*",
                                       "/v1/*",   "/v1/:x",      "/v1/a.b_c~d-e/1"};
    static const char *const BAD[] = {"",         "/",           "/v1",      "/v1/",    "v1/org",
                                      "/v2/org",  "/v1//org",    "/v1/org/", "/v1/a*",  "/v1/**",
                                      "/v1/:",    "/v1/a:b",     "/v1/a b",  "/v1/a?b", "/v1/a%20",
                                      "/v1/a\\b", "/v1/\xc3\xa4"};
    char longest[PATH_PATTERN_MAX + 2];

    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++)
        CU_ASSERT_TRUE(path_pattern_ok(GOOD[i]));
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        CU_ASSERT_FALSE(path_pattern_ok(BAD[i]));
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "/v1/", 4);
    longest[PATH_PATTERN_MAX] = '\0';
    CU_ASSERT_TRUE(path_pattern_ok(longest));
    longest[PATH_PATTERN_MAX] = 'a';
    longest[PATH_PATTERN_MAX + 1] = '\0';
    CU_ASSERT_FALSE(path_pattern_ok(longest));
}

static void test_matches(void)
{
    static const struct {
        const char *pattern, *path;
        bool number, any; /* with PATH_WORD_NUMBER, PATH_WORD_ANY */
    } CASES[] = {
        {"/v1/org", "/v1/org", true, true},
        {"/v1/org", "/v1/orga", false, false},
        {"/v1/org", "/v1/or", false, false},
        {"/v1/org", "/v1/org/1", false, false},
        {"/v1/org/:id", "/v1/org/1", true, true},
        {"/v1/org/:id", "/v1/org/0", true, true},
        {"/v1/org/:id", "/v1/org/18446744073709551616", true, true},
        {"/v1/org/:id", "/v1/org", false, false},
        {"/v1/org/:id", "/v1/org/", false, false},
        {"/v1/org/:id", "/v1/org/1/2", false, false},
        {"/v1/org/:id", "/v1/org/-1", false, true},
        {"/v1/org/:id", "/v1/org/1a", false, true},
        {"/v1/org/:id", "/v1/org/a1", false, true},
        {"/v1/org/:id", "/v1/org/:id", false, true},
        {"/v1/org/*", "/v1/org/abc", true, true},
        {"/v1/org/*", "/v1/org", false, false},
        {"/v1/*/7", "/v1/org/7", true, true},
        {"/v1/:id/x", "/v1/3/x", true, true},
        {"/v1/:id/x", "/v1/3/y", false, false},
        {"/v1/org/:id", "", false, false},
        {"/v1/org/:id", "v1/org/1", false, false},
        {"/v1/org/:id", "/V1/org/1", false, false},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct slice pattern = slice_str(CASES[i].pattern);
        size_t n = strlen(CASES[i].path);
        char *path = unit_guard(CASES[i].path, n);

        CU_ASSERT_EQUAL(path_matches(pattern, slice_of(path, n), PATH_WORD_NUMBER),
                        CASES[i].number);
        CU_ASSERT_EQUAL(path_matches(pattern, slice_of(path, n), PATH_WORD_ANY), CASES[i].any);
        unit_guard_free(path, n);
    }
}

static void test_literal(void)
{
    CU_ASSERT_EQUAL(path_pattern_literal(SLICE_LIT("/v1/org")), 7);
    CU_ASSERT_EQUAL(path_pattern_literal(SLICE_LIT("/v1/org/:id/x")), 8);
    CU_ASSERT_EQUAL(path_pattern_literal(SLICE_LIT("/v1/*")), 4);
}

static const struct unit_case CASES[] = {
    {"what is a pattern", test_ok},
    {"what it matches", test_matches},
    {"what is literal in it", test_literal},
};

UNIT_MAIN("path", CASES)
