/*
 * A pattern becomes an automaton in three steps, each bounded whatever the pattern is. The parser
 * emits nodes of a non-deterministic automaton (Thompson's construction) in which an expression is
 * a run of nodes that is entered at its first and left behind its last; targets are relative, so
 * that a run can be copied. Symbols that no part of the pattern tells apart share a column of the
 * table, whose rows are the states that the subset construction then finds.
 *
 * All characters beyond ASCII are one symbol, because a pattern can't name any of them; but U+2028
 * and U+2029, which `.` leaves out, are another.
 */
#include "message/pattern.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

enum {
    DEPTH_MAX = 32,     /* groups inside each other */
    COUNT_MAX = 255,    /* in {n,m} */
    NODES_MAX = 4096,   /* but for the last, which is NODE_MATCH */
    WORK_MAX = 5000000, /* steps of the subset construction, of a few ns each */
    WORDS = NODES_MAX / 64 + 1,
    SLOTS = 2048, /* of the hash table of states: a power of two */
    FOREVER = COUNT_MAX + 1,
    NO_NODE = -1,

    SYMBOL_SEPARATOR = 128, /* U+2028, U+2029 */
    SYMBOL_OTHER = 129,     /* all other characters beyond ASCII */
    SYMBOLS = 130,
    MANY = SYMBOLS, /* not one symbol, but a class such as \d */

    COLUMN_END = 0, /* the end of the text, which is as good as a symbol; the others from 1 */

    STATE_DEAD = 0,   /* can't match any more */
    STATE_ACCEPT = 1, /* has matched, whatever follows */
    STATE_START = 2,  /* there is none if each text matches */
};

struct pattern {
    uint8_t column_of[SYMBOLS];
    uint32_t n_columns;
    uint32_t start;  /* the first cell of its row, as all states are in the table */
    uint32_t next[]; /* next[state + column] */
};

enum node_kind {
    NODE_SET,   /* takes one symbol of sets[to] */
    NODE_SPLIT, /* goes on behind itself and at `to` */
    NODE_JUMP,  /* goes on at `to` */
    NODE_START, /* goes on behind itself at the start of the text: ^ */
    NODE_END,   /* the same at its end: $ */
    NODE_MATCH,
};

struct node {
    uint16_t kind; /* enum node_kind */
    int16_t to;    /* relative to this node, but for NODE_SET */
};

struct symbols {
    uint64_t bits[(SYMBOLS + 63) / 64];
};

/* What `.` doesn't match. */
static const struct symbols LINE_ENDS = {{1 << '\n' | 1 << '\r', 0, 1}};
_Static_assert(SYMBOL_SEPARATOR == 2 * 64, "the first symbol of the third word");

struct compiler {
    struct slice source;
    size_t at; /* bytes into the source */
    unsigned depth;
    struct err *err;

    struct node nodes[NODES_MAX + 1];
    size_t n;
    struct node copied[NODES_MAX];
    struct symbols sets[PATTERN_SOURCE_MAX];
    size_t n_sets;

    uint8_t column_of[SYMBOLS];
    uint8_t symbol_of[SYMBOLS + 1]; /* any one of a column */
    size_t n_columns;               /* with COLUMN_END */

    uint64_t states[PATTERN_STATES_MAX][WORDS]; /* sets of nodes */
    size_t n_states;
    uint16_t slots[SLOTS];   /* states by hash of their set; STATE_DEAD: free */
    uint64_t again[WORDS];   /* reached by starting anew inside the text */
    uint64_t lasting[WORDS]; /* nodes that tell states apart: not those that only lead on */
    uint16_t stack[NODES_MAX + 1];
    size_t work;
};

static inline bool has(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static inline void put(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

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

/* Two symbols share a column if each set has both or none. */
static void make_columns(struct compiler *c)
{
    c->n_columns = 2;
    for (size_t i = 0; i < SYMBOLS; i++)
        c->column_of[i] = 1;
    for (size_t k = 0; k < c->n_sets; k++) {
        uint8_t split[2][SYMBOLS + 1] = {{0}}; /* by whether the set has it, and old column */

        c->n_columns = 1;
        for (size_t i = 0; i < SYMBOLS; i++) {
            uint8_t *column = &split[has(c->sets[k].bits, i)][c->column_of[i]];

            if (*column == 0)
                *column = (uint8_t)c->n_columns++;
            c->column_of[i] = *column;
        }
    }
    for (size_t i = 0; i < SYMBOLS; i++)
        c->symbol_of[c->column_of[i]] = (uint8_t)i;
}

static void visit_one(struct compiler *c, uint64_t *seen, size_t node, size_t *n)
{
    if (has(seen, node))
        return;
    put(seen, node);
    c->stack[(*n)++] = (uint16_t)node;
}

/* Adds a node with all that it leads to without taking a symbol. */
static void visit(struct compiler *c, uint64_t *seen, size_t node, bool at_start, bool at_end)
{
    size_t n = 0;

    visit_one(c, seen, node, &n);
    while (n > 0) {
        size_t i = c->stack[--n], to = i + (size_t)c->nodes[i].to;
        enum node_kind kind = c->nodes[i].kind;

        c->work++;
        if (kind == NODE_SPLIT || kind == NODE_JUMP)
            visit_one(c, seen, to, &n);
        if (kind == NODE_SPLIT || (kind == NODE_START && at_start) || (kind == NODE_END && at_end))
            visit_one(c, seen, i + 1, &n);
    }
}

/* The state of a set of nodes, which is added if it is new; PATTERN_STATES_MAX: no room. */
static size_t find_state(struct compiler *c, const uint64_t *set)
{
    size_t words = c->n / 64 + 1, slot;
    uint64_t hash = 0, any = 0;

    for (size_t i = 0; i < words; i++) {
        hash = (hash ^ set[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
        any |= set[i];
    }
    if (any == 0)
        return STATE_DEAD;
    for (slot = hash % SLOTS; c->slots[slot]; slot = (slot + 1) % SLOTS)
        if (memcmp(c->states[c->slots[slot]], set, words * sizeof(*set)) == 0)
            return c->slots[slot];
    if (c->n_states == PATTERN_STATES_MAX)
        return PATTERN_STATES_MAX;
    memcpy(c->states[c->n_states], set, words * sizeof(*set));
    c->slots[slot] = (uint16_t)c->n_states;
    return c->n_states++;
}

/* Where a state goes with the symbols of a column; PATTERN_STATES_MAX: no room. */
static size_t step(struct compiler *c, size_t state, size_t column)
{
    size_t words = c->n / 64 + 1;
    uint64_t seen[WORDS] = {0};

    c->work += words;
    if (column != COLUMN_END)
        memcpy(seen, c->again, words * sizeof(seen[0]));
    for (size_t w = 0; w < words; w++) {
        for (uint64_t left = c->states[state][w]; left; left &= left - 1) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(left);
            const struct node *node = &c->nodes[i];

            c->work++;
            if (column == COLUMN_END && node->kind == NODE_END)
                visit(c, seen, i + 1, state == STATE_START, true);
            if (column != COLUMN_END && node->kind == NODE_SET &&
                has(c->sets[node->to].bits, c->symbol_of[column]))
                visit(c, seen, i + 1, false, false);
        }
    }
    if (has(seen, c->n - 1))
        return STATE_ACCEPT;
    if (column == COLUMN_END)
        return STATE_DEAD;
    for (size_t w = 0; w < words; w++)
        seen[w] &= c->lasting[w];
    return find_state(c, seen);
}

/* STATE_START is found by no step, though a later state may have the same set: ^ leads on there. */
static size_t first_state(struct compiler *c)
{
    uint64_t *set = c->states[STATE_START];

    for (size_t i = 0; i < c->n; i++)
        if (c->nodes[i].kind == NODE_SET || c->nodes[i].kind == NODE_END)
            put(c->lasting, i);
    visit(c, c->again, 0, false, false);
    visit(c, set, 0, true, false);
    c->n_states = STATE_START;
    if (has(set, c->n - 1))
        return STATE_ACCEPT;
    c->n_states++;
    for (size_t w = 0; w < WORDS; w++)
        set[w] &= c->lasting[w];
    return STATE_START;
}

/* Subset construction: row after row, while steps add states at the end. */
static int build(struct compiler *c, struct pattern *pattern)
{
    size_t stride = c->n_columns;

    memcpy(pattern->column_of, c->column_of, sizeof(pattern->column_of));
    pattern->n_columns = (uint32_t)stride;
    pattern->start = (uint32_t)(first_state(c) * stride);
    for (size_t column = 0; column < stride; column++) {
        pattern->next[STATE_DEAD * stride + column] = (uint32_t)(STATE_DEAD * stride);
        pattern->next[STATE_ACCEPT * stride + column] = (uint32_t)(STATE_ACCEPT * stride);
    }
    for (size_t state = STATE_START; state < c->n_states; state++) {
        for (size_t column = 0; column < stride; column++) {
            size_t to = step(c, state, column);

            if (to == PATTERN_STATES_MAX || c->work > WORK_MAX)
                return err_set(c->err, -EINVAL,
                               "too complex: it takes %s to follow all its alternatives at once",
                               c->work > WORK_MAX ? "too long" : "more than 1000 states");
            pattern->next[state * stride + column] = (uint32_t)(to * stride);
        }
    }
    return 0;
}

static int compile(struct compiler *c, struct pattern **out)
{
    size_t size = sizeof(struct pattern), row;
    struct pattern *pattern = NULL, *cut;
    int r;

    r = parse_alternatives(c);
    if (r < 0)
        return r;
    if (c->at < c->source.len)
        return bad(c, c->at, c->at + 1, "unmatched; \\) is the character");
    emit(c, NODE_MATCH, 0);
    make_columns(c);
    row = c->n_columns * sizeof(pattern->next[0]);
    pattern = malloc(size + PATTERN_STATES_MAX * row);
    if (!pattern)
        return err_set(c->err, -ENOMEM, "out of memory");
    r = build(c, pattern);
    if (r < 0) {
        free(pattern);
        return r;
    }
    cut = realloc(pattern, size + c->n_states * row);
    *out = cut ? cut : pattern;
    return 0;
}

int pattern_new(struct pattern **out, struct slice source, struct err *err)
{
    struct compiler *c = NULL;
    int r;

    if (source.len > PATTERN_SOURCE_MAX)
        return err_set(err, -EINVAL, "longer than %d characters", PATTERN_SOURCE_MAX);
    for (size_t i = 0; i < source.len; i++)
        if (source.data[i] < 0x20 || source.data[i] > 0x7e)
            return err_set(err, -EINVAL, "character %zu: only printable ASCII is supported", i + 1);
    c = calloc(1, sizeof(*c));
    if (!c)
        return err_set(err, -ENOMEM, "out of memory");
    c->source = source;
    c->err = err;
    r = compile(c, out);
    free(c);
    return r;
}

void pattern_free(struct pattern *pattern)
{
    free(pattern);
}

/* The column of the character at p, which isn't ASCII, with its length. */
static size_t column_beyond(const struct pattern *pattern, const unsigned char *p, size_t left,
                            size_t *len)
{
    size_t n = utf8_len(p, left);
    bool separator = n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8;

    *len = n ? n : 1;
    return pattern->column_of[separator ? SYMBOL_SEPARATOR : SYMBOL_OTHER];
}

bool pattern_match(const struct pattern *pattern, struct slice text)
{
    const unsigned char *p = (const unsigned char *)text.data;
    const uint32_t *next = pattern->next;
    size_t state = pattern->start, accept = pattern->n_columns, i = 0;

    /* Dead and accepting are the first two rows: there the answer is certain. */
    while (state > accept && i < text.len) {
        size_t column, n = 1;

        if (p[i] < 0x80)
            column = pattern->column_of[p[i]];
        else
            column = column_beyond(pattern, p + i, text.len - i, &n);
        state = next[state + column];
        i += n;
    }
    return next[state + COLUMN_END] == accept;
}
