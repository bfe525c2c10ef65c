/*
 * One skip the pattern checks that it is in the subset and writes it as PCRE2 has to read it. The
 * differences that matter: PCRE2's `.`, `\s` and `\v` stand for other characters, `[` inside a
 * class may begin a POSIX class, `$` matches before a final newline, and much that is an error in
 * ECMA-262 means something.
 */
#include "api/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

enum {
    DEPTH_MAX = 32,
    COUNT_MAX = 255,
    GROWTH = 256, /* a character becomes at most so many: \S */
    /* PCRE2 counts its steps anew at each place of the text where it begins to look. */
    STEPS_MAX = 100 * 1000, /* for up to PLACES places: about a millisecond each */
    PLACES = 50,
    SIZES = 4,         /* with ten times as many places, a tenth of the steps, and so on */
    MEMORY_KIB = 2048, /* for going back */
};

struct pattern {
    pcre2_code *code;
    pcre2_match_context *limits[SIZES];
    bool anchored;
};

/* ECMA-262's WhiteSpace and LineTerminator (12.2, 12.3), for the inside of a class, and the rest.
 */
#define SPACES                                                                                     \
    "\\t\\n\\x0b\\f\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}"             \
    "\\x{205f}\\x{3000}\\x{feff}"
#define OTHERS                                                                                     \
    "\\x00-\\x08\\x0e-\\x1f!-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}"                          \
    "\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}"                 \
    "\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

struct scan {
    struct slice source;
    size_t at;
    struct err *err;
    char *out;
    size_t n;
    size_t open[DEPTH_MAX]; /* where each group began */
    size_t depth;
};

static int bad(const struct scan *s, size_t from, const char *why)
{
    size_t n = s->at > from ? s->at - from : 1;

    if (from + n > s->source.len)
        n = s->source.len - from;
    return err_set(s->err, -EINVAL, "character %zu: %.*s: %s", from + 1, (int)(n < 32 ? n : 32),
                   s->source.data + from, why);
}

/* '\0' behind the end: no pattern holds one. */
static char peek(const struct scan *s)
{
    return s->at < s->source.len ? s->source.data[s->at] : '\0';
}

static bool accept_char(struct scan *s, char byte)
{
    bool same = peek(s) == byte;

    s->at += same;
    return same;
}

static void put(struct scan *s, const char *text)
{
    size_t n = strlen(text);

    memcpy(s->out + s->n, text, n);
    s->n += n;
}

static const char *why_no_escape(char byte)
{
    if (byte == '\0')
        return "nothing follows the \\";
    if ((byte >= '1' && byte <= '9') || byte == 'k')
        return "back references are not supported";
    if (byte == 'b' || byte == 'B')
        return "word boundaries are not supported";
    if (strchr("0xuc", byte))
        return "characters by number are not supported";
    if (byte == 'p' || byte == 'P')
        return "Unicode properties are not supported";
    return "there is no such escape";
}

enum {
    MANY = 256, /* an escape that stands for several characters */
};

/* `at` is the backslash. The character that it stands for, MANY, or -EINVAL. */
static int scan_escape(struct scan *s, bool in_class)
{
    static const char SAME[] = "dDwW", CONTROLS[] = "tnvfr", VALUES[] = "\t\n\v\f\r";
    size_t from = s->at++;
    char byte = peek(s), text[8] = {'\\', byte};
    const char *control = byte ? strchr(CONTROLS, byte) : NULL;

    if (byte == '\0' || !strchr("dDwWsStnvfr^$\\.*+?()[]{}|/-", byte)) {
        s->at += byte != '\0';
        return bad(s, from, why_no_escape(byte));
    }
    s->at++;
    if (byte == 's')
        put(s, in_class ? SPACES : "[" SPACES "]");
    else if (byte == 'S')
        put(s, in_class ? OTHERS : "[" OTHERS "]");
    else
        put(s, byte == 'v' ? "\\x0b" : text);
    if (control)
        return VALUES[control - CONTROLS];
    return byte == 's' || byte == 'S' || strchr(SAME, byte) ? MANY : byte;
}

/* One character or escape of a class: its value, MANY, or -EINVAL. */
static int scan_class_atom(struct scan *s)
{
    char byte = peek(s), text[3] = {byte};

    if (byte == '\\')
        return scan_escape(s, true);
    s->at++;
    if (strchr("[^-", byte)) { /* a plain character here, whatever stands before or behind it */
        text[0] = '\\';
        text[1] = byte;
    }
    put(s, text);
    return byte;
}

/* `at` is the opening bracket. */
static int scan_class(struct scan *s)
{
    size_t from = s->at++;

    put(s, accept_char(s, '^') ? "[^" : "[");
    if (peek(s) == ']') {
        s->at++;
        return bad(s, from, "an empty class");
    }
    while (peek(s) != ']') {
        size_t first = s->at;
        int low = peek(s) ? scan_class_atom(s) : 0, high;

        if (low < 0)
            return low;
        if (peek(s) == '-' && s->at + 1 < s->source.len && s->source.data[s->at + 1] != ']') {
            s->at++;
            put(s, "-");
            high = scan_class_atom(s);
            if (high < 0)
                return high;
            if (low == MANY || high == MANY)
                return bad(s, first, "a range goes from one character to one");
            if (low > high)
                return bad(s, first, "a reversed range");
        }
        if (peek(s) == '\0') {
            s->at = from + 1;
            return bad(s, from, "unmatched: the class has no ]");
        }
    }
    s->at++;
    put(s, "]");
    return 0;
}

/* At most COUNT_MAX + 1; false if there is no digit. */
static bool scan_count(struct scan *s, unsigned *count)
{
    size_t from = s->at;

    for (*count = 0; peek(s) >= '0' && peek(s) <= '9'; s->at++)
        if (*count <= COUNT_MAX)
            *count = *count * 10 + (unsigned)(peek(s) - '0');
    return s->at > from;
}

/* `at` is * + ? or an opening brace. */
static int scan_quantifier(struct scan *s)
{
    size_t from = s->at++;
    unsigned min = 0, max = 0;
    bool endless = false;

    if (s->source.data[from] == '{') {
        bool whole = scan_count(s, &min);

        max = min;
        if (whole && accept_char(s, ','))
            endless = !scan_count(s, &max);
        if (!whole || !accept_char(s, '}')) {
            s->at = from + 1;
            return bad(s, from, "no quantifier; \\{ is the character");
        }
        if (min > COUNT_MAX || max > COUNT_MAX)
            return bad(s, from, "repeats more than 255 times");
        if (!endless && min > max)
            return bad(s, from, "a reversed quantifier");
    }
    memcpy(s->out + s->n, s->source.data + from, s->at - from);
    s->n += s->at - from;
    return accept_char(s, '?') ? bad(s, from, "lazy quantifiers are not supported") : 0;
}

/* `at` is the opening parenthesis. */
static int scan_group(struct scan *s)
{
    size_t from = s->at++;

    if (accept_char(s, '?') && !accept_char(s, ':')) {
        bool behind = accept_char(s, '<');

        if (accept_char(s, '=') || accept_char(s, '!'))
            return bad(s, from,
                       behind ? "look-behind is not supported" : "look-ahead is not supported");
        return bad(s, from,
                   behind ? "named groups are not supported" : "only (?: may begin with (?");
    }
    if (s->depth == DEPTH_MAX)
        return bad(s, from, "groups are nested deeper than 32");
    s->open[s->depth++] = from;
    put(s, "(?:");
    return 0;
}

/* One step; *repeatable: whether a quantifier may follow. */
static int scan_one(struct scan *s, bool *repeatable)
{
    size_t from = s->at;
    char byte = peek(s), text[2] = {byte};
    bool could = *repeatable;
    int r;

    *repeatable = !strchr("^$|(*+?{", byte);
    if (strchr("*+?{", byte)) {
        r = scan_quantifier(s);
        return r < 0 || could ? r : bad(s, from, "nothing to repeat");
    }
    if (byte == '[')
        return scan_class(s);
    if (byte == '(')
        return scan_group(s);
    if (byte == '\\') {
        r = scan_escape(s, false);
        return r < 0 ? r : 0;
    }
    s->at++;
    if (byte == ']' || byte == '}')
        return bad(s, from, "unmatched; put \\ before it to mean the character");
    if (byte == ')' && s->depth-- == 0)
        return bad(s, from, "unmatched; \\) is the character");
    put(s, byte == '.' ? "[^\\n\\r\\x{2028}\\x{2029}]" : text);
    return 0;
}

static int scan(struct scan *s)
{
    bool repeatable = false;
    int r = 0;

    while (r == 0 && s->at < s->source.len)
        r = scan_one(s, &repeatable);
    if (r == 0 && s->depth) {
        s->at = 0;
        r = bad(s, s->open[s->depth - 1], "unmatched: the group has no )");
    }
    return r;
}

static pcre2_match_context *limits_new(uint32_t steps)
{
    pcre2_match_context *limits = pcre2_match_context_create(NULL);

    if (limits) {
        (void)pcre2_set_match_limit(limits, steps);
        (void)pcre2_set_depth_limit(limits, steps);
        (void)pcre2_set_heap_limit(limits, MEMORY_KIB);
    }
    return limits;
}

static int compile(struct pattern *p, const struct scan *s)
{
    PCRE2_UCHAR text[200];
    PCRE2_SIZE at;
    uint32_t options = 0;
    int why;

    p->code =
        pcre2_compile((PCRE2_SPTR)s->out, s->n, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, &why, &at, NULL);
    if (!p->code && why == PCRE2_ERROR_NOMEMORY)
        return err_set(s->err, -ENOMEM, "out of memory");
    if (!p->code) {
        (void)pcre2_get_error_message(why, text, sizeof(text));
        return err_set(s->err, -EINVAL, "too complex: %s", (const char *)text);
    }
    (void)pcre2_pattern_info(p->code, PCRE2_INFO_ALLOPTIONS, &options);
    p->anchored = options & PCRE2_ANCHORED;
    for (uint32_t i = 0, steps = STEPS_MAX; i < SIZES; i++, steps /= 10)
        if (!(p->limits[i] = limits_new(steps)))
            return err_set(s->err, -ENOMEM, "out of memory");
    return 0;
}

int pattern_new(struct pattern **out, struct slice source, struct err *err)
{
    struct scan s = {.source = source, .err = err};
    struct pattern *p = NULL;
    int r;

    if (source.len > PATTERN_SOURCE_MAX)
        return err_set(err, -EINVAL, "longer than %d characters", PATTERN_SOURCE_MAX);
    for (size_t i = 0; i < source.len; i++)
        if (source.data[i] < 0x20 || source.data[i] > 0x7e)
            return err_set(err, -EINVAL, "character %zu: only printable ASCII is supported", i + 1);
    s.out = malloc(source.len * GROWTH + 1);
    p = calloc(1, sizeof(*p));
    r = s.out && p ? scan(&s) : err_set(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = compile(p, &s);
    free(s.out);
    if (r == 0)
        *out = p;
    else
        pattern_free(p);
    return r;
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    for (size_t i = 0; i < SIZES; i++)
        pcre2_match_context_free(p->limits[i]);
    free(p);
}

void pattern_memory_deinit(struct pattern_memory *memory)
{
    pcre2_match_data_free(memory->data);
    memory->data = NULL;
}

enum pattern_answer pattern_match(const struct pattern *p, struct slice text,
                                  struct pattern_memory *memory)
{
    size_t places = p->anchored ? 1 : text.len + 1, size = 0;
    int r;

    if (places > PATTERN_SEARCH_MAX)
        return PATTERN_UNDECIDED;
    for (size_t most = PLACES; size + 1 < SIZES && places > most; most *= 10)
        size++;
    if (!memory->data && !(memory->data = pcre2_match_data_create(1, NULL)))
        return PATTERN_UNDECIDED;
    r = pcre2_match(p->code, (PCRE2_SPTR)(text.data ? text.data : ""), text.len, 0,
                    PCRE2_NO_UTF_CHECK, memory->data, p->limits[size]);
    return r >= 0 ? PATTERN_YES : r == PCRE2_ERROR_NOMATCH ? PATTERN_NO : PATTERN_UNDECIDED;
}
