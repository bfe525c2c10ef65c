/*
 * The scanner against its grammar, against other people's corpus, and against json-c on generated
 * texts. Every text lies right before an unreadable page.
 */
#include "api/json.h"

#include "unit/unit.h"

#include <dirent.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef UNIT_SRCDIR
#define UNIT_SRCDIR "."
#endif

enum {
    GENERATED = 3000, /* texts of the differential test */
    TEXT_MAX = 64 * 1024,
};

static int scan(struct json_tape *tape, const char *data, size_t n, struct json_error *why)
{
    char *guarded = unit_guard(data, n);
    int r = json_scan(tape, slice_of(guarded, n), why);

    unit_guard_free(guarded, n);
    return r;
}

static int scan_str(const char *text)
{
    struct json_tape tape = {0};
    struct json_error why = {0};
    int r = scan(&tape, text, strlen(text), &why);

    if (r) {
        CU_ASSERT_EQUAL(tape.n, 0);
        CU_ASSERT_PTR_NOT_NULL(why.text);
        CU_ASSERT(why.offset <= strlen(text));
    }
    json_tape_deinit(&tape);
    return r;
}

static void check_each(const char *const *texts, size_t n, int wanted)
{
    for (size_t i = 0; i < n; i++) {
        int r = scan_str(texts[i]);

        if (r != wanted)
            printf("\n    %s: %d, not %d", texts[i], r, wanted);
        CU_ASSERT_EQUAL(r, wanted);
    }
}

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void accepts(void)
{
    static const char *const GOOD[] = {
        "{}",
        "[]",
        "0",
        "-0",
        "1e400",
        "-1.5E+09",
        "0.0e-0",
        "12345678901234567890123",
        "\"\"",
        "\"\x7f\"",
        "\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"",
        "\"\\u0000\\uD83D\\uDE00\\ud83d\\ude00\\/\\b\\f\\n\\r\\t\\\"\\\\\"",
        " \t\r\n true \t\r\n ",
        "null",
        "[false,{\"\":[]},[{}]]",
        "{\"a\":1,\"a\":2}",
        "\"12345678901234567890 longer than a word of the machine\""};

    check_each(GOOD, N(GOOD), 0);
}

static void refuses(void)
{
    static const char *const BAD[] = {
        /* structure */
        "", " ", "{", "}", "[", "]", "{]", "[}", "[,]", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":}",
        "{\"a\":1,}", "{a:1}", "{1:1}", "{'a':1}", "{\"a\" 1}", "{\"a\"::1}", "{,}", "1 1", "{}{}",
        "[]]", "{} x", "[1]/**/", "//\n1", "\v1", "\f1", "1\xc2\xa0",
        /* words */
        "True", "nul", "nulll", "tru", "falsE", "NaN", "Infinity", "-Infinity", "undefined",
        /* numbers */
        "01", "-01", "+1", ".5", "1.", "-", "--1", "1e", "1e+", "1E-", "0x10", "1.e1", "1_0", "-.1",
        "00", "1e1.5", "0e", "-a",
        /* strings */
        "\"", "\"a", "\"\\", "\"\\\"", "\"\\a\"", "\"\\x41\"", "\"\\u\"", "\"\\u12\"",
        "\"\\u12g4\"", "\"\\U0041\"", "\"\\u-123\"", "\"\n\"", "\"\t\"", "\"\x1f\"",
        "\"1234567\n9abcdef\"", "\"\\'\"", "'a'",
        /* surrogates */
        "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\ud800\"", "\"\\udc00\\udc00\"",
        "\"\\ud800\\u0041\"", "\"\\udbff\\n\"", "\"\\ud800", "\"\\ud800\\", "\"\\ud800\\udc0",
        "\"\\udc00\\ud800\"", "\"\\ud800 \\udc00\"",
        /* UTF-8 */
        "\"\x80\"", "\"\xbf\"", "\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xc2\"", "\"\xc2 \"",
        "\"\xe0\x9f\xbf\"", "\"\xe0\xa0\"", "\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"",
        "\"\xf0\x8f\xbf\xbf\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xff\"",
        "\"\xfe\"", "\"\xf0\x90\x80\"", "\"\xf0\x90\x80 \"", "\xef\xbb\xbf{}", "\xff\xfe{}",
        "{\"\xc3\":1}"};

    check_each(BAD, N(BAD), JSON_BAD);
    /* NUL is not white space, and nothing hides behind it. */
    {
        struct json_tape tape = {0};
        struct json_error why;

        CU_ASSERT_EQUAL(scan(&tape, "{}\0", 3, &why), JSON_BAD);
        CU_ASSERT_EQUAL(why.offset, 2);
        CU_ASSERT_EQUAL(scan(&tape, "\"\0\"", 3, &why), JSON_BAD);
        json_tape_deinit(&tape);
    }
}

static int scan_deep(unsigned depth, char open, char close)
{
    char text[256];

    memset(text, open, depth);
    memset(text + depth, close, depth);
    text[2 * depth] = '\0';
    return scan_str(text);
}

static void depth(void)
{
    char text[512] = "";

    CU_ASSERT_EQUAL(scan_deep(JSON_DEPTH_MAX, '[', ']'), 0);
    CU_ASSERT_EQUAL(scan_deep(JSON_DEPTH_MAX + 1, '[', ']'), JSON_BAD);
    for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
        strcat(text, "{\"a\":");
    strcat(text, "1");
    for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
        strcat(text, "}");
    CU_ASSERT_EQUAL(scan_str(text), 0);
    text[strlen(text) - JSON_DEPTH_MAX - 1] = '\0';
    strcat(text, "[]");
    for (unsigned i = 0; i < JSON_DEPTH_MAX; i++)
        strcat(text, "}");
    CU_ASSERT_EQUAL(scan_str(text), JSON_BAD);
}

/* The tape of a text with every kind of value, token by token. */
static void tape_is_right(void)
{
    static const char TEXT[] = " {\"a\":[1,-0 ,\"x\\n\"],\"\\u0062\":{},\"c\":null} ";
    static const struct {
        uint32_t type, next;
        const char *text;
    } WANTED[] = {
        {JSON_OBJECT, 10, "{\"a\":[1,-0 ,\"x\\n\"],\"\\u0062\":{},\"c\":null}"},
        {JSON_STRING, 2, "a"},
        {JSON_ARRAY, 6, "[1,-0 ,\"x\\n\"]"},
        {JSON_NUMBER, 4, "1"},
        {JSON_NUMBER, 5, "-0"},
        {JSON_ESCAPED, 6, "x\\n"},
        {JSON_ESCAPED, 7, "\\u0062"},
        {JSON_OBJECT, 8, "{}"},
        {JSON_STRING, 9, "c"},
        {JSON_NULL, 10, "null"},
    };
    struct json_tape tape = {0};
    struct json_error why;

    CU_ASSERT_EQUAL(scan(&tape, TEXT, sizeof(TEXT) - 1, &why), 0);
    CU_ASSERT_EQUAL_FATAL(tape.n, N(WANTED));
    for (size_t i = 0; i < N(WANTED); i++) {
        CU_ASSERT_EQUAL(tape.tokens[i].type, WANTED[i].type);
        CU_ASSERT_EQUAL(tape.tokens[i].next, WANTED[i].next);
        CU_ASSERT(slice_eq(json_text(slice_of(TEXT, sizeof(TEXT) - 1), &tape.tokens[i]),
                           slice_str(WANTED[i].text)));
    }
    json_tape_deinit(&tape);
}

/* Cut anywhere, an object is not JSON, and no byte behind the cut is looked at. */
static void truncated(void)
{
    static const char TEXT[] =
        "{\"name\":\"G\xc3\xb6teborg \\u00e5\\ud83d\\ude00 \xf0\x9f\x98\x80\","
        "\"n\":[1, -2.5e+3, true,false ,null,{\"a\":{}}],\"\\n\":\"\"}";
    struct json_tape tape = {0};
    struct json_error why;

    for (size_t n = 0; n < sizeof(TEXT) - 1; n++) {
        CU_ASSERT_EQUAL(scan(&tape, TEXT, n, &why), JSON_BAD);
        CU_ASSERT(why.offset <= n);
    }
    CU_ASSERT_EQUAL(scan(&tape, TEXT, sizeof(TEXT) - 1, &why), 0);
    json_tape_deinit(&tape);
}

static void error_position(void)
{
    static const char TEXT[] = "{\n \"\xc3\xa5\xc3\xa4\": nope}";
    struct json_tape tape = {0};
    struct json_error why;
    size_t line, column;

    CU_ASSERT_EQUAL(scan(&tape, TEXT, sizeof(TEXT) - 1, &why), JSON_BAD);
    CU_ASSERT_EQUAL(why.offset, 11);
    json_position(slice_of(TEXT, sizeof(TEXT) - 1), why.offset, &line, &column);
    CU_ASSERT_EQUAL(line, 2);
    CU_ASSERT_EQUAL(column, 8);
    json_tape_deinit(&tape);
}

static void decode_and_encode(void)
{
    static const char RAW[] =
        "\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u001F\\u00e5\\u20AC\\uD83D\\uDE00 \x7f";
    static const char MEANT[] = "\"\\/\b\f\n\r\t\0\x1f\xc3\xa5\xe2\x82\xac\xf0\x9f\x98\x80 \x7f";
    static const char SHORT[] = "\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\xc3\xa5\xe2\x82\xac"
                                "\xf0\x9f\x98\x80 \x7f";
    char out[6 * sizeof(RAW)];
    size_t n;

    n = json_decode(out, slice_of(RAW, sizeof(RAW) - 1));
    CU_ASSERT(slice_eq(slice_of(out, n), slice_of(MEANT, sizeof(MEANT) - 1)));
    n = json_encode(out, slice_of(MEANT, sizeof(MEANT) - 1));
    CU_ASSERT(slice_eq(slice_of(out, n), slice_of(SHORT, sizeof(SHORT) - 1)));
    CU_ASSERT_EQUAL(json_decode(out, SLICE_NULL), 0);
}

/* A tape that a long text made long is not kept for short ones. */
static void tape_is_reused(void)
{
    enum { LONG = 200000 };
    char *text = malloc(LONG);
    struct json_tape tape = {0};
    struct json_error why;
    size_t cap;

    memset(text, ' ', LONG);
    text[0] = '[';
    for (size_t i = 1; i + 2 < LONG; i += 2)
        memcpy(text + i, "1,", 2);
    memcpy(text + LONG - 3, "11]", 3);
    CU_ASSERT_EQUAL(json_scan(&tape, slice_of(text, LONG), &why), 0);
    CU_ASSERT_EQUAL(tape.n, LONG / 2);
    cap = tape.cap;
    CU_ASSERT_EQUAL(json_scan(&tape, SLICE_LIT("[1]"), &why), 0);
    CU_ASSERT(tape.cap < cap);
    CU_ASSERT_EQUAL(tape.n, 2);
    json_tape_deinit(&tape);
    free(text);
}

/* ---- other people's corpus ---- */

static void corpus_file(const char *name, struct slice text)
{
    struct json_tape tape = {0};
    struct json_error why;
    int r = scan(&tape, text.data, text.len, &why);

    if ((name[0] == 'y' && r != 0) || (name[0] == 'n' && r != JSON_BAD))
        printf("\n    %s: %d", name, r);
    if (name[0] == 'y')
        CU_ASSERT_EQUAL(r, 0);
    if (name[0] == 'n')
        CU_ASSERT_EQUAL(r, JSON_BAD);
    for (size_t n = 0; n < text.len && text.len < 2048; n++)
        CU_ASSERT(scan(&tape, text.data, n, &why) >= 0);
    json_tape_deinit(&tape);
}

static void corpus(void)
{
    const char *shared = getenv("CENTION_SHARED");
    char folder[1024], path[2048];
    unsigned seen = 0;
    struct dirent *entry;
    DIR *dir;

    snprintf(folder, sizeof(folder), "%s/corpora/json-test-suite",
             shared ? shared : UNIT_SRCDIR "/../shared");
    dir = opendir(folder);
    if (!dir) {
        unit_skip("no corpora/json-test-suite under $CENTION_SHARED");
        return;
    }
    while ((entry = readdir(dir))) {
        size_t n = 0;
        char *text;

        if (entry->d_name[0] == '.' || entry->d_name[1] != '_')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        text = unit_file(path, &n);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        corpus_file(entry->d_name, slice_of(text, n));
        free(text);
        seen++;
    }
    closedir(dir);
    CU_ASSERT(seen > 300);
}

/* ---- generated texts, and what json-c makes of them ---- */

struct maker {
    uint64_t state;
    char text[TEXT_MAX];
    size_t n;
    unsigned keys;
};

static unsigned roll(struct maker *m, unsigned sides)
{
    m->state ^= m->state << 13;
    m->state ^= m->state >> 7;
    m->state ^= m->state << 17;
    return (unsigned)(m->state >> 20) % sides;
}

static void say(struct maker *m, const char *s)
{
    size_t n = strlen(s);

    if (m->n + n < TEXT_MAX) {
        memcpy(m->text + m->n, s, n);
        m->n += n;
    }
}

static void make_space(struct maker *m)
{
    static const char *const SPACE[] = {"", "", "", "", " ", "\n", "\t", "\r\n  "};

    say(m, SPACE[roll(m, N(SPACE))]);
}

/* `unique` makes a key of it that no other key equals; keys hold no NUL, which json-c cuts at. */
static void make_string(struct maker *m, bool unique)
{
    static const char *const PIECES[] = {"\\u0000",
                                         "a",
                                         "name",
                                         "\xc3\xa5",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "\\n",
                                         "\\\"",
                                         "\\\\",
                                         "\\/",
                                         "\\b",
                                         "\\f",
                                         "\\r",
                                         "\\t",
                                         "/",
                                         "\x7f",
                                         "\\u0041",
                                         "\\u00e5",
                                         "\\u20AC",
                                         "\\ud83d\\ude00",
                                         "\\u001b",
                                         "plain text, long",
                                         "{[",
                                         ":"};
    char number[32];

    say(m, "\"");
    for (unsigned i = roll(m, 7); i > 0; i--)
        say(m, PIECES[unique ? 1 + roll(m, N(PIECES) - 1) : roll(m, N(PIECES))]);
    if (unique) {
        snprintf(number, sizeof(number), "#%u", m->keys++);
        say(m, number);
    }
    say(m, "\"");
}

static void make_number(struct maker *m)
{
    static const char *const NUMBERS[] = {
        "0",   "-1",   "1.50", "1e5",  "-2.5E-7", "9223372036854775807",
        "0.0", "1E+2", "10.0", "-0.0", "365",     "1234567890123.456789"};

    say(m, NUMBERS[roll(m, N(NUMBERS))]);
}

static void make_value(struct maker *m, unsigned room)
{
    static const char *const WORDS[] = {"true", "false", "null"};
    unsigned kind = roll(m, room ? 6 : 4), n = roll(m, 5);

    make_space(m);
    if (kind == 0) {
        say(m, WORDS[roll(m, 3)]);
    } else if (kind == 1) {
        make_number(m);
    } else if (kind < 4) {
        make_string(m, false);
    } else {
        say(m, kind == 4 ? "[" : "{");
        for (unsigned i = 0; i < n; i++) {
            if (i)
                say(m, ",");
            make_space(m);
            if (kind == 5) {
                make_string(m, true);
                make_space(m);
                say(m, ":");
            }
            make_value(m, room - 1);
        }
        make_space(m);
        say(m, kind == 4 ? "]" : "}");
    }
    make_space(m);
}

static bool same_string(struct slice text, const struct json_token *t, const char *data, size_t n)
{
    char out[TEXT_MAX];
    struct slice s = json_text(text, t);

    if (t->type == JSON_ESCAPED)
        s = slice_of(out, json_decode(out, s));
    else if (t->type != JSON_STRING)
        return false;
    return slice_eq(s, slice_of(data, n));
}

static bool same(const struct json_token *t, uint32_t i, struct slice text, struct json_object *o);

static bool same_object(const struct json_token *t, uint32_t i, struct slice text,
                        struct json_object *o)
{
    uint32_t at = i + 1;

    json_object_object_foreach(o, key, value)
    {
        if (at >= t[i].next || !same_string(text, &t[at], key, strlen(key)) ||
            !same(t, at + 1, text, value))
            return false;
        at = t[at + 1].next;
    }
    return at == t[i].next;
}

static bool same_array(const struct json_token *t, uint32_t i, struct slice text,
                       struct json_object *o)
{
    uint32_t at = i + 1;

    for (size_t n = 0; n < json_object_array_length(o); n++) {
        if (at >= t[i].next || !same(t, at, text, json_object_array_get_idx(o, n)))
            return false;
        at = t[at].next;
    }
    return at == t[i].next;
}

static bool same(const struct json_token *t, uint32_t i, struct slice text, struct json_object *o)
{
    switch (json_object_get_type(o)) {
    case json_type_null:
        return t[i].type == JSON_NULL;
    case json_type_boolean:
        return t[i].type == (json_object_get_boolean(o) ? JSON_TRUE : JSON_FALSE);
    case json_type_string:
        return same_string(text, &t[i], json_object_get_string(o),
                           (size_t)json_object_get_string_len(o));
    case json_type_array:
        return t[i].type == JSON_ARRAY && same_array(t, i, text, o);
    case json_type_object:
        return t[i].type == JSON_OBJECT && same_object(t, i, text, o);
    default: /* json-c keeps the text of numbers that it can't keep exactly */
        return t[i].type == JSON_NUMBER &&
               slice_eq(json_text(text, &t[i]), slice_str(json_object_get_string(o)));
    }
}

static struct json_object *parse_with_json_c(struct slice text)
{
    struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 2);
    struct json_object *o;

    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    o = json_tokener_parse_ex(tokener, text.data, (int)text.len + 1); /* its end is a NUL */
    if (json_tokener_get_error(tokener) != json_tokener_success) {
        json_object_put(o);
        o = NULL;
    }
    json_tokener_free(tokener);
    return o;
}

static void like_json_c(void)
{
    static struct maker m = {.state = 20240607};
    struct json_tape tape = {0};
    struct json_error why;
    unsigned compared = 0;

    for (unsigned i = 0; i < GENERATED; i++) {
        struct slice text;
        struct json_object *o;

        m.n = 0;
        say(&m, "["); /* so that json-c's NULL is an error and never the value null */
        make_value(&m, 6);
        say(&m, "]");
        if (m.n + 1 >= TEXT_MAX)
            continue;
        m.text[m.n] = '\0';
        text = slice_of(m.text, m.n);
        CU_ASSERT_EQUAL(scan(&tape, text.data, text.len, &why), 0);
        o = parse_with_json_c(text);
        CU_ASSERT_PTR_NOT_NULL_FATAL(o);
        if (tape.n == 0 || !same(tape.tokens, 0, text, o)) {
            printf("\n    %s", m.text);
            CU_FAIL("json-c sees another tree");
        }
        json_object_put(o);
        compared++;
    }
    CU_ASSERT(compared > GENERATED * 9 / 10);
    json_tape_deinit(&tape);
}

/* One byte changed: what is accepted must be what json-c, the milder one, accepts too. */
static void mutants(void)
{
    static struct maker m = {.state = 977};
    struct json_tape tape = {0};
    struct json_error why;
    unsigned accepted = 0, refused = 0;

    for (unsigned i = 0; i < GENERATED; i++) {
        struct json_object *o;
        size_t at;

        m.n = 0;
        say(&m, "[");
        make_value(&m, 4);
        say(&m, "]");
        at = roll(&m, (unsigned)m.n);
        m.text[at] =
            roll(&m, 2) ? (char)(m.text[at] ^ (1 << roll(&m, 8))) : "\"\\{}[],:0-e"[roll(&m, 11)];
        m.text[m.n] = '\0';
        if (scan(&tape, m.text, m.n, &why) != 0) {
            refused++;
            continue;
        }
        accepted++;
        o = parse_with_json_c(slice_of(m.text, m.n));
        if (!o)
            printf("\n    %s", m.text);
        CU_ASSERT_PTR_NOT_NULL(o);
        json_object_put(o);
    }
    CU_ASSERT(accepted > 100 && refused > 1000);
    json_tape_deinit(&tape);
}

static const struct unit_case CASES[] = {{"accepts what RFC 8259 allows", accepts},
                                         {"refuses what it doesn't", refuses},
                                         {"depth 32 and no deeper", depth},
                                         {"the tape of every kind of value", tape_is_right},
                                         {"truncated at every byte", truncated},
                                         {"where an error is", error_position},
                                         {"decode and encode", decode_and_encode},
                                         {"a long tape isn't kept", tape_is_reused},
                                         {"JSONTestSuite", corpus},
                                         {"the same tree as json-c", like_json_c},
                                         {"mutants: never milder than json-c", mutants}};
UNIT_MAIN("json", CASES)
