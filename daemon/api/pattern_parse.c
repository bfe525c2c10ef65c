/*
 * From the pattern's text to nodes. An expression is a run of nodes that is entered at its first
 * and left behind its last; targets are relative, so that a run can be copied.
 */
#include "api/pattern_compiler.h"

#include <errno.h>

/* What `.` doesn't match. */
static const struct symbols LINE_ENDS = {{1 << '\n' | 1 << '\r', 0, 1}};
_Static_assert(SYMBOL_SEPARATOR == 2 * 64, "the first symbol of the third word");

/* Refuses the pattern because of its bytes [from, to). */
static int bad(const struct compiler *c, size_t from, size_t to, const char *text)
{
    return err_set(c->err, -EINVAL, "character %zu, \"%.*s\": %s", from + 1, (int)(to - from),
                   c->source.data + from, text);
}

/* The byte at `at`, or NUL at the end: the source holds none. */
static char peek(const struct compiler *c)
{
    return c->at < c->source.len ? c->source.data[c->at] : '\0';
}

static bool take(struct compiler *c, char byte)
{
    if (peek(c) != byte)
        return false;
    c->at++;
    return true;
}

static void add_range(struct symbols *set, int low, int high)
{
    for (int i = low; i <= high; i++)
        put(set->bits, (size_t)i);
}

/* Adds the symbols of another set, or all but those. */
static void add_set(struct symbols *set, const struct symbols *other, bool inverse)
{
    for (size_t i = 0; i < SYMBOLS; i++)
        if (has(other->bits, i) != inverse)
            put(set->bits, i);
}

/* \d \w \s, or all but these: \D \W \S. */
static void add_named(struct symbols *set, char name)
{
    struct symbols named = {{0}};

    if (name == 's' || name == 'S') {
        add_range(&named, '\t', '\r');
        put(named.bits, ' ');
    } else {
        add_range(&named, '0', '9');
    }
    if (name == 'w' || name == 'W') {
        add_range(&named, 'a', 'z');
        add_range(&named, 'A', 'Z');
        put(named.bits, '_');
    }
    add_set(set, &named, name < 'a');
}

/* `at` is the backslash. The symbol it stands for, or MANY that are added to the set. */
static int parse_escape(struct compiler *c, struct symbols *set)
{
    static const char LETTERS[] = "tnvfr", MEANT[] = "\t\n\v\f\r";
    static const struct {
        const char *letters, *text;
    } REFUSED[] = {
        {"123456789k", "back references are not supported"},
        {"bB", "word boundaries are not supported"},
        {"pP", "Unicode properties are not supported"},
        {"0cux", "characters by number are not supported"},
    };
    size_t from = c->at++;
    char byte = peek(c);
    const char *letter;

    if (byte == '\0')
        return bad(c, from, c->at, "nothing follows the backslash");
    c->at++;
    if (strchr("^$\\.*+?()[]{}|/-", byte))
        return byte;
    letter = strchr(LETTERS, byte);
    if (letter)
        return MEANT[letter - LETTERS];
    if (strchr("dDwWsS", byte)) {
        add_named(set, byte);
        return MANY;
    }
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++)
        if (strchr(REFUSED[i].letters, byte))
            return bad(c, from, c->at, REFUSED[i].text);
    return bad(c, from, c->at, "no such escape");
}

static int parse_class_atom(struct compiler *c, struct symbols *set)
{
    return peek(c) == '\\' ? parse_escape(c, set) : c->source.data[c->at++];
}

/* `at` is the opening bracket. MANY, added to the empty set. */
static int parse_class(struct compiler *c, struct symbols *set)
{
    size_t open = c->at++;
    bool negated = take(c, '^');
    struct symbols listed = {{0}};

    if (peek(c) == ']')
        return bad(c, open, c->at + 1, "an empty class is not supported");
    while (!take(c, ']')) {
        size_t from = c->at;
        int low, high;

        if (from == c->source.len)
            return bad(c, open, open + 1, "unmatched: the class has no ]");
        high = low = parse_class_atom(c, &listed);
        if (low < 0)
            return low;
        if (peek(c) == '-' && c->at + 1 < c->source.len && c->source.data[c->at + 1] != ']') {
            c->at++;
            high = parse_class_atom(c, &listed);
            if (high < 0)
                return high;
            if (low == MANY || high == MANY)
                return bad(c, from, c->at, "a range goes from one character to another");
            if (low > high)
                return bad(c, from, c->at, "a reversed range");
        }
        if (low != MANY)
            add_range(&listed, low, high);
    }
    add_set(set, &listed, negated);
    return MANY;
}

/* Makes sure that there is room for n more nodes, which the byte at `at` asks for. */
static int reserve(const struct compiler *c, size_t at, size_t n)
{
    return n <= NODES_MAX - c->n ? 0 : bad(c, at, at + 1, "too complex from here on");
}

/* There is room. */
static void emit(struct compiler *c, enum node_kind kind, long to)
{
    c->nodes[c->n++] = (struct node){.kind = (uint16_t)kind, .to = (int16_t)to};
}

static void emit_copy(struct compiler *c, size_t n)
{
    memcpy(c->nodes + c->n, c->copied, n * sizeof(c->copied[0]));
    c->n += n;
}

/* Repeats the expression from node `from` on, as the quantifier at `at` says. */
static int repeat(struct compiler *c, size_t at, size_t from, size_t min, size_t max)
{
    size_t n = c->n - from, extra = max == FOREVER ? 2 : max - min;
    size_t copies = max != FOREVER ? max : min ? min : 1;

    memcpy(c->copied, c->nodes + from, n * sizeof(c->copied[0]));
    c->n = from;
    if (reserve(c, at, copies * n + extra) < 0)
        return -EINVAL;
    for (size_t i = 0; i < min; i++)
        emit_copy(c, n);
    if (max == FOREVER && min) {
        emit(c, NODE_SPLIT, -(long)n);
    } else if (max == FOREVER) {
        emit(c, NODE_SPLIT, (long)n + 2);
        emit_copy(c, n);
        emit(c, NODE_JUMP, -(long)n - 1);
    }
    for (size_t left = max == FOREVER ? 0 : max - min; left > 0; left--) {
        emit(c, NODE_SPLIT, (long)(left * (n + 1)));
        emit_copy(c, n);
    }
    return 0;
}

/* At most FOREVER; false if there is no digit. */
static bool parse_count(struct compiler *c, size_t *count)
{
    size_t from = c->at;

    for (*count = 0; peek(c) >= '0' && peek(c) <= '9'; c->at++) {
        *count = *count * 10 + (size_t)(peek(c) - '0');
        if (*count > COUNT_MAX)
            *count = FOREVER;
    }
    return c->at > from;
}

/* {n} {n,} {n,m}; `at` is the opening brace. */
static int parse_counts(struct compiler *c, size_t *min, size_t *max)
{
    size_t open = c->at++;
    bool whole = parse_count(c, min), large = *min == FOREVER;

    *max = *min;
    if (whole && take(c, ',')) {
        if (parse_count(c, max))
            large = large || *max == FOREVER;
        else
            *max = FOREVER;
    }
    if (!whole || !take(c, '}'))
        return bad(c, open, open + 1, "no quantifier; \\{ is the character");
    if (large)
        return bad(c, open, c->at, "repeats more than 255 times");
    return *min > *max ? bad(c, open, c->at, "a reversed quantifier") : 0;
}

/* `at` is * + ? or an opening brace. */
static int parse_quantifier(struct compiler *c, size_t *min, size_t *max)
{
    size_t open = c->at;

    *min = peek(c) == '+';
    *max = peek(c) == '?' ? 1 : FOREVER;
    if (peek(c) != '{')
        c->at++;
    else if (parse_counts(c, min, max) < 0)
        return -EINVAL;
    return take(c, '?') ? bad(c, open, c->at, "lazy quantifiers are not supported") : 0;
}

static int parse_alternatives(struct compiler *c);

/* `at` is the opening parenthesis. */
static int parse_group(struct compiler *c)
{
    size_t open = c->at++;
    int r;

    if (take(c, '?') && !take(c, ':')) {
        bool behind = take(c, '<');

        if (take(c, '=') || take(c, '!'))
            return bad(c, open, c->at,
                       behind ? "look-behind is not supported" : "look-ahead is not supported");
        return bad(c, open, c->at,
                   behind ? "named groups are not supported" : "only (?: may begin with (?");
    }
    if (c->depth == DEPTH_MAX)
        return bad(c, open, c->at, "groups are nested deeper than 32");
    c->depth++;
    r = parse_alternatives(c);
    c->depth--;
    if (r < 0)
        return r;
    return take(c, ')') ? 0 : bad(c, open, open + 1, "unmatched: the group has no )");
}

/* One symbol out of some. */
static int parse_set(struct compiler *c)
{
    struct symbols *set = &c->sets[c->n_sets];
    int one = MANY;

    if (peek(c) == '[')
        one = parse_class(c, set);
    else if (peek(c) == '\\')
        one = parse_escape(c, set);
    else if (take(c, '.'))
        add_set(set, &LINE_ENDS, true);
    else
        one = c->source.data[c->at++];
    if (one < 0)
        return one;
    if (one != MANY)
        put(set->bits, (size_t)one);
    emit(c, NODE_SET, (long)c->n_sets++);
    return 0;
}

/* One expression with its quantifier. */
static int parse_term(struct compiler *c)
{
    size_t from = c->n, at = c->at, min, max;
    char byte = peek(c);
    int r = reserve(c, at, 1);

    if (r < 0)
        return r;
    if (byte == ']' || byte == '}')
        return bad(c, at, at + 1, "unmatched; put \\ before it to mean the character");
    if (strchr("*+?{", byte)) {
        r = parse_quantifier(c, &min, &max);
        return r < 0 ? r : bad(c, at, c->at, "nothing to repeat");
    }
    if (byte == '^' || byte == '$') {
        c->at++;
        emit(c, byte == '^' ? NODE_START : NODE_END, 0);
        return 0; /* a quantifier that follows has nothing to repeat */
    }
    r = byte == '(' ? parse_group(c) : parse_set(c);
    at = c->at;
    if (r < 0 || peek(c) == '\0' || !strchr("*+?{", peek(c)))
        return r;
    r = parse_quantifier(c, &min, &max);
    return r < 0 ? r : repeat(c, at, from, min, max);
}

/* Up to the end or a closing parenthesis: SPLIT one JUMP SPLIT two JUMP three. */
static int parse_alternatives(struct compiler *c)
{
    long jump = NO_NODE; /* to the end: each holds the one before it until that is known */

    for (;;) {
        size_t from = c->n;

        while (peek(c) != '\0' && peek(c) != '|' && peek(c) != ')')
            if (parse_term(c) < 0)
                return -EINVAL;
        if (!take(c, '|'))
            break;
        if (reserve(c, c->at - 1, 2) < 0)
            return -EINVAL;
        memmove(c->nodes + from + 1, c->nodes + from, (c->n - from) * sizeof(c->nodes[0]));
        c->n++;
        c->nodes[from] = (struct node){.kind = NODE_SPLIT, .to = (int16_t)(c->n + 1 - from)};
        emit(c, NODE_JUMP, jump);
        jump = (long)c->n - 1;
    }
    while (jump != NO_NODE) {
        struct node *node = &c->nodes[jump];
        long before = node->to;

        node->to = (int16_t)((long)c->n - jump);
        jump = before;
    }
    return 0;
}

int pattern_parse(struct compiler *c)
{
    int r = parse_alternatives(c);

    if (r < 0)
        return r;
    if (c->at < c->source.len)
        return bad(c, c->at, c->at + 1, "unmatched; \\) is the character");
    emit(c, NODE_MATCH, 0);
    return 0;
}
