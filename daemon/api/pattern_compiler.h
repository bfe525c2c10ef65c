/*
 * What the two halves of compiling a pattern share. Private to pattern.c and pattern_parse.c.
 */
#ifndef CENTION_API_PATTERN_COMPILER_H
#define CENTION_API_PATTERN_COMPILER_H

#include "api/pattern.h"

#include <stdint.h>

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

/* Emits the source's nodes, NODE_MATCH last. 0, or -EINVAL with err filled. */
int pattern_parse(struct compiler *c);

#endif
