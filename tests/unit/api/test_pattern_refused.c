/* Patterns that are refused, with the words for it, and how large one may be. */
#include "api/pattern.h"

#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct pattern_memory memory;

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* NULL with err filled if it is refused. */
static struct pattern *compile(const char *source, struct err *err)
{
    struct pattern *pattern = NULL;
    size_t n = strlen(source);
    char *guarded = unit_guard(source, n);
    int r = pattern_new(&pattern, slice_of(guarded, n), err);

    unit_guard_free(guarded, n);
    CU_ASSERT_EQUAL(r, pattern ? 0 : -22);
    CU_ASSERT_EQUAL(err->text[0] == '\0', pattern != NULL);
    CU_ASSERT_PTR_NULL(strchr(err->text, '\n'));
    return pattern;
}

static void refused(void)
{
    static const struct {
        const char *pattern;
        unsigned at; /* character, from 1; 0: none is named */
        const char *word;
    } T[] = {
        {"a*?", 2, "lazy"},
        {"a+?", 2, "lazy"},
        {"a??", 2, "lazy"},
        {"a{1,2}?", 2, "lazy"},
        {"(a)\\1", 4, "back reference"},
        {"\\9", 1, "back reference"},
        {"\\k<x>", 1, "back reference"},
        {"a(?=b)", 2, "look-ahead"},
        {"a(?!b)", 2, "look-ahead"},
        {"(?<=b)", 1, "look-behind"},
        {"(?<!b)", 1, "look-behind"},
        {"(?<x>b)", 1, "named group"},
        {"(?i)b", 1, "(?:"},
        {"ab(?", 3, "(?:"},
        {"\\bx", 1, "word boundar"},
        {"x\\B", 2, "word boundar"},
        {"[\\b]", 2, "word boundar"},
        {"\\u0041", 1, "by number"},
        {"\\x41", 1, "by number"},
        {"\\cA", 1, "by number"},
        {"a\\0", 2, "by number"},
        {"\\p{L}", 1, "Unicode"},
        {"[a\\P{L}]", 3, "Unicode"},
        {"\\a", 1, "no such escape"},
        {"\\\"", 1, "no such escape"},
        {"\\ ", 1, "no such escape"},
        {"\\_", 1, "no such escape"},
        {"\\N", 1, "no such escape"},
        {"abc\\", 4, "nothing follows"},
        {"[a\\", 3, "nothing follows"},
        {"a[]", 2, "empty class"},
        {"a[]b]", 2, "empty class"},
        {"a[^]", 2, "empty class"},
        {"[ac-a]", 3, "reversed range"},
        {"[a--]", 2, "reversed range"},
        {"[\\d-z]", 2, "a range goes from"},
        {"[a-\\w]", 2, "a range goes from"},
        {"*a", 1, "nothing to repeat"},
        {"a|*", 3, "nothing to repeat"},
        {"(+a)", 2, "nothing to repeat"},
        {"(?:?)", 4, "nothing to repeat"},
        {"^*", 2, "nothing to repeat"},
        {"a$+", 3, "nothing to repeat"},
        {"^{2}", 2, "nothing to repeat"},
        {"{2}", 1, "nothing to repeat"},
        {"a**", 3, "nothing to repeat"},
        {"a++", 3, "nothing to repeat"},
        {"a{2}{3}", 5, "nothing to repeat"},
        {"a{2}*", 5, "nothing to repeat"},
        {"ab(c", 3, "unmatched"},
        {"(a(b)", 1, "unmatched"},
        {"ab)c", 3, "unmatched"},
        {"(a))", 4, "unmatched"},
        {"a[bc", 2, "unmatched"},
        {"[", 1, "unmatched"},
        {"[^", 1, "unmatched"},
        {"[a-", 1, "unmatched"},
        {"a]", 2, "unmatched"},
        {"[[a]]", 5, "unmatched"},
        {"a}", 2, "unmatched"},
        {"a{", 2, "no quantifier"},
        {"a{1", 2, "no quantifier"},
        {"a{1,", 2, "no quantifier"},
        {"a{1,2", 2, "no quantifier"},
        {"a{,2}", 2, "no quantifier"},
        {"a{x}", 2, "no quantifier"},
        {"a{}", 2, "no quantifier"},
        {"a{1 }", 2, "no quantifier"},
        {"a{-1}", 2, "no quantifier"},
        {"{", 1, "no quantifier"},
        {"a{256}", 2, "255"},
        {"a{256,}", 2, "255"},
        {"a{1,256}", 2, "255"},
        {"a{99999999999999999999999}", 2, "255"},
        {"a{2,1}", 2, "reversed quantifier"},
        {"a\tb", 2, "ASCII"},
        {"aå", 2, "ASCII"},
        {"a\x7f", 2, "ASCII"},
        {"(((((((((((((((((((((((((((((((((a", 33, "deeper"},
        {"((a{255}){255}){255}", 0, "too large"},
    };

    for (size_t i = 0; i < N(T); i++) {
        struct err err = ERR_INIT;
        struct pattern *pattern = compile(T[i].pattern, &err);
        char where[40] = "too complex";

        if (T[i].at)
            snprintf(where, sizeof(where), "character %u", T[i].at);
        if (pattern || strncmp(err.text, where, strlen(where)) != 0 ||
            strchr("0123456789", err.text[strlen(where)]) || !strstr(err.text, T[i].word)) {
            printf("\n    %s: %s", T[i].pattern, err.text);
            CU_FAIL("wrong");
        }
        pattern_free(pattern);
    }
}

static void sizes_of_patterns(void)
{
    char source[PATTERN_SOURCE_MAX + 2] = {0};
    struct err err = ERR_INIT;
    struct pattern *pattern = NULL;

    memset(source, 'a', PATTERN_SOURCE_MAX + 1);
    CU_ASSERT_EQUAL(pattern_new(&pattern, slice_of(source, PATTERN_SOURCE_MAX + 1), &err), -22);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "1024"));
    CU_ASSERT_EQUAL_FATAL(pattern_new(&pattern, slice_of(source, PATTERN_SOURCE_MAX), &err), 0);
    CU_ASSERT(pattern_match(pattern, slice_of(source, PATTERN_SOURCE_MAX), &memory) == PATTERN_YES);
    CU_ASSERT(pattern_match(pattern, slice_of(source, PATTERN_SOURCE_MAX - 1), &memory) ==
              PATTERN_NO);
    pattern_free(pattern);

    /* What grows most. */
    pattern = NULL;
    for (size_t i = 0; i + 1 < PATTERN_SOURCE_MAX; i += 2)
        memcpy(source + i, "\\S", 2);
    CU_ASSERT_EQUAL(pattern_new(&pattern, slice_of(source, PATTERN_SOURCE_MAX), &err), 0);
    pattern_free(pattern);

    err = ERR_INIT;
    pattern = compile("((((((((((((((((((((((((((((((((a))))))))))))))))))))))))))))))))", &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pattern);
    CU_ASSERT(pattern_match(pattern, SLICE_LIT("a"), &memory) == PATTERN_YES);
    pattern_free(pattern);
    pattern_memory_deinit(&memory);
}

static const struct unit_case CASES[] = {
    {"refused", refused},
    {"sizes of patterns", sizes_of_patterns},
};

UNIT_MAIN("pattern_refused", CASES)
