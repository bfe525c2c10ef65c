/*
 * Patterns against tables, against glibc's regular expressions on generated ones, and against
 * hostile ones. Texts of the tables lie right before an unreadable page.
 */
#include "api/pattern.h"

#include "unit/unit.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    GENERATED = 4000,     /* patterns of the differential test */
    GENERATED_TEXTS = 40, /* for each of them */
    COMPILE_MS = 1000,    /* of processor time, sanitized and on a slow machine */
};

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

static bool match(const struct pattern *pattern, const char *text, size_t n)
{
    char *guarded = unit_guard(text, n);
    bool r = pattern_match(pattern, slice_of(guarded, n), &memory) == PATTERN_YES;

    unit_guard_free(guarded, n);
    return r;
}

static void matches(void)
{
    static const struct {
        const char *pattern, *text;
        bool wanted;
    } T[] = {
        /* literals, and that a pattern isn't anchored by itself */
        {"", "", true},
        {"", "a", true},
        {"a", "", false},
        {"a", "a", true},
        {"a", "xxa", true},
        {"a", "axx", true},
        {"a", "A", false},
        {"ab", "aab", true},
        {"ab", "a b", false},
        {"aab", "aaab", true},
        {"abcabd", "abcabcabd", true},
        {" ~-/,=\"'", " ~-/,=\"'", true},
        /* anchors */
        {"^a", "ab", true},
        {"^a", "ba", false},
        {"^a", "b\na", false},
        {"a$", "ba", true},
        {"a$", "ab", false},
        {"a$", "a\n", false},
        {"a$", "a\nb", false},
        {"^$", "", true},
        {"^$", "a", false},
        {"^$", "\n", false},
        {"$^", "", true},
        {"$^", "a", false},
        {"^", "abc", true},
        {"$", "abc", true},
        {"^^a$$", "a", true},
        {"^a|b$", "axx", true},
        {"^a|b$", "xxb", true},
        {"^a|b$", "xax", false},
        {"^(a|b)$", "ab", false},
        {"(^a|b)c", "xbc", true},
        {"(^a|b)c", "xac", false},
        {"(^a|b)c", "ac", true},
        {"a(b|$)c?", "xa", true},
        {"a(b|$)c?", "xac", false},
        {"a^b", "ab", false},
        {"a$b", "ab", false},
        {"x*^y", "y", true},
        {"x*^y", "xy", false},
        {"y$x*", "xy", true},
        {"(^a)*b", "aab", true},
        {"^(^a)*b", "aab", false},
        {"^(a$|ab)", "ab", true},
        {"^(a$|ab)", "ac", false},
        {"(a|^)(b|$)", "cac", false},
        {"(a|^)(b|$)", "bc", true},
        {"(?:^|,)x(?:,|$)", "a,x,b", true},
        {"(?:^|,)x(?:,|$)", "a,x", true},
        {"(?:^|,)x(?:,|$)", "ax,b", false},
        /* any character */
        {"^.$", "a", true},
        {"^.$", "", false},
        {"^.$", "\n", false},
        {"^.$", "\r", false},
        {"^.$", "\t", true},
        {"^.$", "\x7f", true},
        {"^.$", "å", true},
        {"^.$", "€", true},
        {"^.$", "😀", true},
        {"^.$", "\xe2\x80\xa7", true},  /* U+2027 */
        {"^.$", "\xe2\x80\xa8", false}, /* U+2028 */
        {"^.$", "\xe2\x80\xa9", false}, /* U+2029 */
        {"^.$", "\xe2\x80\xaa", true},  /* U+202A */
        {"^.$", "\xe2\x81\xa8", true},  /* U+2068 */
        {"^.$", "\xe3\x80\xa8", true},  /* U+3028 */
        {"^..$", "å", false},
        {"^..$", "åä", true},
        {"^.{3}$", "aå😀", true},
        {"a.c", "a\nc", false},
        {"a.c", "aåc", true},
        {".", "\n\r\n", false},
        {".", "\n\ra", true},
        /* classes */
        {"^[abc]$", "b", true},
        {"^[abc]$", "d", false},
        {"^[a-c]+$", "abcb", true},
        {"^[a-c]+$", "abcd", false},
        {"^[^a]$", "å", true},
        {"^[^a]$", "\n", true},
        {"^[^a]$", "\xe2\x80\xa8", true},
        {"^[^a]$", "a", false},
        {"^[^a-z]$", "m", false},
        {"^[^a-z]$", "M", true},
        {"^[a^]$", "^", true},
        {"^[-a]$", "-", true},
        {"^[a-]$", "-", true},
        {"^[a-]$", "b", false},
        {"^[--/]$", ".", true},
        {"^[a-c-e]$", "-", true},
        {"^[a-c-e]$", "d", false},
        {"^[a-c-e]$", "e", true},
        {"^[a-a]$", "a", true},
        {"^[.*+?(){}|$[/]+$", ".*+?(){}|$[/", true},
        {"^[.]$", "a", false},
        {"^[\\]\\\\\\-]+$", "]\\-", true},
        {"^[\\t\\n]$", "\n", true},
        {"^[\\t-\\r]$", "\f", true},
        {"^[\\d_]+$", "0_9", true},
        {"^[\\d_]+$", "a", false},
        {"^[\\D]$", "å", true},
        {"^[\\D]$", "5", false},
        {"^[^\\D]$", "5", true},
        {"^[\\s\\S]$", "\n", true},
        {"^[\\w.-]+@[\\w-]+$", "a.b-c@d-e", true},
        {"^[ -~]$", "å", false},
        {"[^ -~]", "abcåd", true},
        {"^\\d$", "7", true},
        {"^\\d$", "٣", false}, /* an Arabic digit */
        {"^\\D$", "٣", true},
        {"^\\w+$", "aZ_09", true},
        {"^\\w$", "å", false},
        {"^\\w$", "-", false},
        {"^\\W$", "å", true},
        {"^\\W$", "_", false},
        {"^\\s+$", " \t\n\v\f\r", true},
        {"^\\s+$", "\xc2\xa0\xe1\x9a\x80\xe2\x80\x8a\xe2\x80\xa8\xe3\x80\x80\xef\xbb\xbf", true},
        {"^\\S$", "\xc2\xa0", false},
        {"^\\s$", "\xe2\x80\x8b", false}, /* U+200B */
        {"^\\S$", "\xe2\x80\x8b", true},
        {"^\\s$", "\xc2\x85", false}, /* U+0085 */
        {"^[\\s]+$", "\xe2\x80\xaf\v", true},
        {"^[^\\s]$", "\xe2\x81\x9f", false},
        {"^[\\S]$", "\xe2\x81\x9f", false},
        {"^[\\S]$", "\xf0\x9f\x98\x80", true},
        {"^\\v$", "\f", false},
        {"^[\\v]$", "\n", false},
        {"^[[:alpha:]+$", "a:l[", true},
        {"^[[.a.]$", "[", true},
        {"^\\S$", " ", false},
        /* escapes */
        {"^\\t\\n\\r\\f\\v$", "\t\n\r\f\v", true},
        {"^\\^\\$\\\\\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\/\\-$", "^$\\.*+?()[]{}|/-", true},
        {"^\\.$", "a", false},
        /* quantifiers */
        {"^a?$", "", true},
        {"^a?$", "aa", false},
        {"^a*$", "", true},
        {"^a*$", "aaaa", true},
        {"^a*$", "aab", false},
        {"^a+$", "", false},
        {"^a+$", "aaa", true},
        {"^ab+$", "abab", false},
        {"^(ab)+$", "abab", true},
        {"^(?:ab)+$", "aba", false},
        {"^a{3}$", "aa", false},
        {"^a{3}$", "aaa", true},
        {"^a{3}$", "aaaa", false},
        {"^a{2,}$", "a", false},
        {"^a{2,}$", "aaaaa", true},
        {"^a{1,3}$", "", false},
        {"^a{1,3}$", "aaa", true},
        {"^a{1,3}$", "aaaa", false},
        {"^a{0}b$", "b", true},
        {"^a{0}b$", "ab", false},
        {"^a{0,}$", "aa", true},
        {"^a{0,1}$", "aa", false},
        {"^a{002}$", "aa", true},
        {"^(a|bc){2}$", "bca", true},
        {"^(a|bc){2}$", "bcb", false},
        {"^(a{2}){2}$", "aaaa", true},
        {"^(a{2}){2}$", "aaa", false},
        {"^(a{1,2}b){2,3}$", "abaabab", true},
        {"^(a{1,2}b){2,3}$", "aaab", false},
        {"^(a*)*$", "aaa", true},
        {"^(a*)+b$", "aab", true},
        {"^(a?){3}$", "aa", true},
        {"^(a?){3}$", "aaaa", false},
        {"^()*a$", "a", true},
        {"^(){3,}a$", "a", true},
        {"^(|a)+$", "aaa", true},
        /* alternatives */
        {"^(a|b|c)$", "c", true},
        {"^(a|b|c)$", "d", false},
        {"^(a|ab|abc)$", "abc", true},
        {"^(|a)b$", "b", true},
        {"^(a|)b$", "ab", true},
        {"^(a||b)c$", "c", true},
        {"|", "x", true},
        {"cat|dog|bird", "a dog", true},
        {"cat|dog|bird", "a dig", false},
        {"^((a|b)|(c|(d|e)))$", "e", true},
        /* what descriptions hold */
        {"^[A-Z]{2}-\\d{4}(-[a-f0-9]{8})?$", "SE-2024-0badcafe", true},
        {"^[A-Z]{2}-\\d{4}(-[a-f0-9]{8})?$", "SE-2024-0badcaf", false},
        {"^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?(Z|[+-]\\d{2}:\\d{2})$",
         "2024-02-29T23:59:60.5+01:00", true},
        {"^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?(Z|[+-]\\d{2}:\\d{2})$",
         "2024-02-29T23:59:60.+01:00", false},
        {"^(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.|$)){4}$", "192.168.0.255", true},
        {"^(?:(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)(?:\\.|$)){4}$", "192.168.0.256", false},
        {"^#[0-9a-fA-F]{6}$", "#00FFaa", true},
        {"^(?:[^@ ]+)@(?:[a-z0-9-]+\\.)+[a-z]{2,63}$", "åsa@mail.example.se", true},
        {"^(?:[^@ ]+)@(?:[a-z0-9-]+\\.)+[a-z]{2,63}$", "åsa@mail.example.s", false},
    };

    for (size_t i = 0; i < N(T); i++) {
        struct err err = ERR_INIT;
        struct pattern *pattern = NULL;

        pattern = compile(T[i].pattern, &err);
        CU_ASSERT_PTR_NOT_NULL(pattern);
        if (!pattern || match(pattern, T[i].text, strlen(T[i].text)) != T[i].wanted) {
            printf("\n    %s on \"%s\" %s", T[i].pattern, T[i].text, err.text);
            CU_FAIL("wrong");
        }
        pattern_free(pattern);
    }
}

static void a_text_may_hold_any_byte(void)
{
    struct err err = ERR_INIT;
    struct pattern *pattern = compile("^a.[^b]c$", &err);

    CU_ASSERT_PTR_NOT_NULL_FATAL(pattern);
    CU_ASSERT(match(pattern, "a\0\0c", 4));
    CU_ASSERT_EQUAL(pattern_match(pattern, SLICE_NULL, &memory), PATTERN_NO);
    pattern_free(pattern);

    pattern = NULL;
    CU_ASSERT_EQUAL_FATAL(pattern_new(&pattern, SLICE_NULL, &err), 0);
    CU_ASSERT_EQUAL(pattern_match(pattern, SLICE_NULL, &memory), PATTERN_YES);
    pattern_free(pattern);
    pattern_free(NULL);
}

/* Each symbol is tried against classes that it does and doesn't belong to. */
static void every_ascii_character(void)
{
    static const struct {
        const char *pattern, *members; /* NULL: printable ASCII */
    } T[] = {
        {"^\\d$", "0123456789"},
        {"^\\w$", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"},
        {"^\\s$", "\t\n\v\f\r "},
        {"^[!-/]$", "!\"#$%&'()*+,-./"},
        {"^[ -~]$", NULL},
    };

    for (size_t i = 0; i < N(T); i++) {
        struct err err = ERR_INIT;
        struct pattern *pattern = compile(T[i].pattern, &err);

        CU_ASSERT_PTR_NOT_NULL_FATAL(pattern);
        for (int byte = 0; byte < 128; byte++) {
            char text = (char)byte;
            bool wanted =
                T[i].members ? byte && strchr(T[i].members, byte) : byte >= 0x20 && byte < 0x7f;

            CU_ASSERT_EQUAL(pattern_match(pattern, slice_of(&text, 1), &memory) == PATTERN_YES,
                            wanted);
        }
        pattern_free(pattern);
    }
}

static void hours_and_minutes(void)
{
    static const char *const NOT[] = {"",      "9:00",   "09:0",   "009:00",    "09:000", "09:00\n",
                                      "09-00", "09:00 ", " 09:00", "0900",      ":",      "0a:00",
                                      "09:0å", "１2:00", "09:00Z", "09:0009:00"};
    struct err err = ERR_INIT;
    struct pattern *pattern = compile("^([01][0-9]|2[0-3]):[0-5][0-9]$", &err);
    unsigned good = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(pattern);
    for (unsigned i = 0; i < 10000; i++) {
        unsigned hour = i / 100, minute = i % 100;
        char text[5] = {(char)('0' + hour / 10), (char)('0' + hour % 10), ':',
                        (char)('0' + minute / 10), (char)('0' + minute % 10)};
        bool r = pattern_match(pattern, slice_of(text, sizeof(text)), &memory) == PATTERN_YES;

        CU_ASSERT_EQUAL(r, hour < 24 && minute < 60);
        good += r;
    }
    CU_ASSERT_EQUAL(good, 24 * 60);
    for (size_t i = 0; i < N(NOT); i++)
        CU_ASSERT_FALSE(match(pattern, NOT[i], strlen(NOT[i])));
    pattern_free(pattern);
}

/*
 * The grammar that POSIX extended expressions share, over few letters. Writes one expression,
 * terminated; `left` bounds its size.
 */
struct generator {
    uint64_t seed;
    char text[512];
    size_t n;
    unsigned left;
};

static unsigned next(struct generator *g, unsigned below)
{
    g->seed ^= g->seed << 13;
    g->seed ^= g->seed >> 7;
    g->seed ^= g->seed << 17;
    return (unsigned)((g->seed >> 32) % below);
}

static void say(struct generator *g, const char *text)
{
    size_t n = strlen(text);

    memcpy(g->text + g->n, text, n + 1);
    g->n += n;
}

static void say_alternatives(struct generator *g, unsigned depth);

static void say_term(struct generator *g, unsigned depth)
{
    static const char *const ATOMS[] = {"a",    "b",     "c",     "a",     "b",       "[ab]",
                                        "[^a]", "[b-d]", "[^bc]", "[a-c]", "[^a-b-]", "\\."};
    static const char *const REPEATS[] = {"*",     "+",    "?",     "{2}",   "{0,2}",
                                          "{1,3}", "{2,}", "{0,1}", "{3,4}", "{1}"};

    if (g->left > 0)
        g->left--;
    if (depth > 0 && next(g, 4) == 0) {
        say(g, "(");
        say_alternatives(g, depth - 1);
        say(g, ")");
    } else {
        say(g, ATOMS[next(g, N(ATOMS))]);
    }
    if (next(g, 3) == 0)
        say(g, REPEATS[next(g, N(REPEATS))]);
}

static void say_alternatives(struct generator *g, unsigned depth)
{
    do {
        unsigned terms = 1 + next(g, 4);

        for (unsigned i = 0; i == 0 || (i < terms && g->left > 0); i++)
            say_term(g, depth);
    } while (g->left > 0 && next(g, 4) == 0 && (say(g, "|"), true));
}

static void as_glibc(void)
{
    struct generator g = {.seed = UINT64_C(0x9e3779b97f4a7c15)};
    unsigned compared = 0, matched = 0, complex = 0;

    for (unsigned i = 0; i < GENERATED; i++) {
        struct err err = ERR_INIT;
        struct pattern *pattern = NULL;
        regex_t posix;

        g.n = 0;
        g.left = 12;
        if (next(&g, 2))
            say(&g, "^");
        say_alternatives(&g, 3);
        if (next(&g, 2))
            say(&g, "$");
        pattern = compile(g.text, &err);
        if (!pattern) {
            complex++;
            CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "too complex"));
            continue;
        }
        CU_ASSERT_EQUAL_FATAL(regcomp(&posix, g.text, REG_EXTENDED | REG_NOSUB), 0);
        for (unsigned k = 0; k < GENERATED_TEXTS; k++) {
            char text[16] = {0};
            unsigned n = next(&g, sizeof(text));
            bool ours, theirs;

            for (unsigned j = 0; j < n; j++)
                text[j] = "aaabbbccd.-\n"[next(&g, 12)];
            ours = pattern_match(pattern, slice_of(text, n), &memory) == PATTERN_YES;
            theirs = regexec(&posix, text, 0, NULL, 0) == 0;
            compared++;
            matched += ours;
            if (ours != theirs) {
                printf("\n    %s on \"%s\": %d", g.text, text, ours);
                CU_FAIL("not as glibc");
            }
        }
        regfree(&posix);
        pattern_free(pattern);
    }
    printf("%u texts on %u patterns, %u matched, %u too complex ", compared, GENERATED, matched,
           complex);
    CU_ASSERT(complex < GENERATED / 20);
    CU_ASSERT(matched > compared / 10 && matched < compared - compared / 10);
}

/* Fills a source of the greatest size with a unit between two ends. */
static const char *filled(char *source, const char *first, const char *unit, const char *last)
{
    size_t n = strlen(first);

    memcpy(source, first, n);
    while (n + strlen(unit) + strlen(last) <= PATTERN_SOURCE_MAX) {
        memcpy(source + n, unit, strlen(unit));
        n += strlen(unit);
    }
    memcpy(source + n, last, strlen(last) + 1);
    return source;
}

static void hostile_patterns_end_quickly(void)
{
    static const struct {
        const char *first, *unit, *last;
    } T[] = {
        {"((a{255}){255}){255}", "a", ""},
        {"(a|b)*a(a|b){20}", "a", ""},
        {"((((((((((()*)*)*){255}){255}){255}){255}){255}){255}){255}){255}", "()*", ""},
        {"", "(){255}", ""},
        {"", "(|){255}", ""},
        {"(.{255}){15}", "|a", ""},
        {"", "a?", ""},
        {"", "a*", ""},
        {"(", "a*", ")*"},
        {"(", "a?", "){8}"},
        {"", "(a|b)*", ""},
        {"", "|a", ""},
        {"(", "|a", "){7}$"},
        {"^(", "a|", "){6}$"},
        {"", "[^a]|", "b"},
        {"", ".*", "x"},
        {"", ".*a", ""},
        {"", ".?a", ""},
        {"(", "[ -~]?.?", "){5}$"},
        {"(.?){200}[a-z][b-y][c-x][d-w][e-v][f-u][g-t]", "[h-s]?", ""},
        {"x(.|a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p|q|r|s|t|u|v|w|x|y|z|0|1|2|3|4|5|6|7|8|9){100}",
         "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#%&'\",:;<=>@_`~", ""},
        {"x(.?){250}(.?){250}(.?){250}(.?){250}y", "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#%&'\"", ""},
        {"^(.?){255}(.?){255}(.?){255}(.?){230}y", "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#%&'\"", ""},
        {"^(.{0,254}){8}y|", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx0123456789|", "$"},
        {"", "(^|$)", ""},
        {"", "(^|$|a)*", ""},
        {"((((((((((((((((((((((((((((((((", "a", "))))))))))))))))))))))))))))))))"},
        {"", "(", ""},
        {"", "[", ""},
        {"", "\\", ""},
        {"", "a{", ""},
    };
    char source[PATTERN_SOURCE_MAX + 1], slowest[41] = "", text[400];
    double most = 0;
    unsigned working = 0, undecided = 0;

    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < N(T); i++) {
        struct err err = ERR_INIT;
        struct pattern *pattern = NULL;
        clock_t from;
        double ms;

        filled(source, T[i].first, T[i].unit, T[i].last);
        from = clock();
        pattern = compile(source, &err);
        if (pattern)
            undecided +=
                pattern_match(pattern, slice_of(text, sizeof(text)), &memory) == PATTERN_UNDECIDED;
        ms = (double)(clock() - from) * 1000 / CLOCKS_PER_SEC;
        if (getenv("PATTERN_TIMES"))
            printf("\n    %7.2f ms %.60s %.60s", ms, source, err.text);
        CU_ASSERT(ms < COMPILE_MS);
        CU_ASSERT(pattern || strstr(err.text, "character ") || strstr(err.text, "too complex"));
        working += pattern != NULL;
        if (ms > most) {
            most = ms;
            snprintf(slowest, sizeof(slowest), "%.40s", source);
        }
        pattern_free(pattern);
    }
    printf("%u of %zu work, %u undecided; slowest %.1f ms: %s ", working, N(T), undecided, most,
           slowest);
}

/* Going back is given up: the answer is that there is none, in a time that has an end. */
static void matching_has_an_end(void)
{
    static const char *const HOSTILE[] = {
        "^(a|a)*(a*)*(aa|a?)*$",       "(a|a)*b",      "(a*)*b", "(.*a){20}b",
        "^(([a-z])+.)+[A-Z]([a-z])+$", "(aa?)*(a?a)*c"};
    static const size_t LENGTHS[] = {30, 3000, PATTERN_SEARCH_MAX - 1, 1 << 20};
    char *text = malloc(1 << 20);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'a', 1 << 20);
    for (size_t i = 0; i < N(HOSTILE); i++) {
        struct err err = ERR_INIT;
        struct pattern *pattern = compile(HOSTILE[i], &err);

        CU_ASSERT_PTR_NOT_NULL_FATAL(pattern);
        for (size_t k = 0; k < N(LENGTHS); k++) {
            clock_t from = clock();
            enum pattern_answer answer =
                pattern_match(pattern, slice_of(text, LENGTHS[k]), &memory);
            double ms = (double)(clock() - from) * 1000 / CLOCKS_PER_SEC;

            if (getenv("PATTERN_TIMES"))
                printf("\n    %7.2f ms %s on %zu: %d", ms, HOSTILE[i], LENGTHS[k], answer);
            CU_ASSERT(answer != PATTERN_NO || HOSTILE[i][0] != '^' || i == 4);
            CU_ASSERT(ms < COMPILE_MS);
        }
        pattern_free(pattern);
    }
    free(text);
}

/* What a description holds for a field of ordinary length is decided. */
static void long_texts(void)
{
    struct err err = ERR_INIT;
    struct pattern *plain = compile("^[a-z ]*$", &err), *search = compile("x[0-9]+y", &err);
    size_t n = 1 << 20;
    char *text = malloc(n);

    CU_ASSERT_FATAL(plain && search && text);
    memset(text, 'a', n);
    CU_ASSERT_EQUAL(pattern_match(plain, slice_of(text, n), &memory), PATTERN_YES);
    text[n - 1] = 'B';
    CU_ASSERT_EQUAL(pattern_match(plain, slice_of(text + n - 50000, 50000), &memory), PATTERN_NO);
    CU_ASSERT_EQUAL(pattern_match(search, slice_of(text, PATTERN_SEARCH_MAX - 1), &memory),
                    PATTERN_NO);
    CU_ASSERT_EQUAL(pattern_match(search, slice_of(text, n), &memory), PATTERN_UNDECIDED);
    memcpy(text + 60000, "x17y", 4);
    CU_ASSERT_EQUAL(pattern_match(search, slice_of(text, PATTERN_SEARCH_MAX - 1), &memory),
                    PATTERN_YES);
    free(text);
    pattern_free(plain);
    pattern_free(search);
    pattern_memory_deinit(&memory);
}

static const struct unit_case CASES[] = {
    {"matches", matches},
    {"a text may hold any byte", a_text_may_hold_any_byte},
    {"every ASCII character", every_ascii_character},
    {"hours and minutes", hours_and_minutes},
    {"as glibc", as_glibc},
    {"hostile patterns end quickly", hostile_patterns_end_quickly},
    {"matching has an end", matching_has_an_end},
    {"long texts", long_texts},
};
UNIT_MAIN("pattern", CASES)
