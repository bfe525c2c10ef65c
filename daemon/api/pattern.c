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
#include "api/pattern_compiler.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

struct pattern {
    uint8_t column_of[SYMBOLS];
    uint32_t n_columns;
    uint32_t start;  /* the first cell of its row, as all states are in the table */
    uint32_t next[]; /* next[state + column] */
};

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

    r = pattern_parse(c);
    if (r < 0)
        return r;
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
