/*
 * The scanner is a loop over five states with the open arrays and objects in a fixed array: no
 * recursion, no allocation but the tape's own doubling, each byte looked at once. Everything it
 * accepts is exactly RFC 8259 in UTF-8 (RFC 3629), no deeper than JSON_DEPTH_MAX.
 */
#include "api/json.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

enum {
    TAPE_FIRST = 64,       /* tokens */
    TAPE_KEEP = 16 * 1024, /* tokens; a longer tape isn't kept for short texts */
    TEXT_MAX = 1 << 30,    /* bytes; offsets and token counts fit 32 bits with room to spare */
    ESCAPE_UNIT = 6,       /* bytes of \uXXXX */
    ESCAPE_PAIR = 12,      /* bytes of \uD8XX\uDCXX */
    SURROGATE_HIGH = 0xd800,
    SURROGATE_LOW = 0xdc00,
    SURROGATE_END = 0xe000,
};

struct scan {
    const unsigned char *start, *at, *end;
    struct json_tape *tape;
    struct json_error *why;
    uint32_t open[JSON_DEPTH_MAX]; /* tokens of the arrays and objects around `at` */
    unsigned depth;
};

enum state {
    WANT_VALUE,
    WANT_VALUE_OR_END, /* behind [ */
    WANT_KEY,
    WANT_KEY_OR_END, /* behind { */
    HAVE_VALUE,
};

void json_tape_deinit(struct json_tape *tape)
{
    free(tape->tokens);
    *tape = (struct json_tape){0};
}

static int bad(struct scan *s, const unsigned char *where, const char *text)
{
    s->why->offset = (size_t)(where - s->start);
    s->why->text = text;
    return JSON_BAD;
}

static int grow(struct json_tape *tape)
{
    size_t cap = tape->cap ? tape->cap * 2 : TAPE_FIRST;
    struct json_token *tokens = realloc(tape->tokens, cap * sizeof(*tokens));

    if (!tokens)
        return -ENOMEM;
    tape->tokens = tokens;
    tape->cap = cap;
    return 0;
}

/* Adds a token for the bytes [from, to). */
static inline int push(struct scan *s, enum json_kind type, const unsigned char *from,
                       const unsigned char *to)
{
    struct json_tape *tape = s->tape;

    if (tape->n == tape->cap && grow(tape) < 0)
        return -ENOMEM;
    tape->tokens[tape->n] = (struct json_token){.type = type,
                                                .offset = (uint32_t)(from - s->start),
                                                .len = (uint32_t)(to - from),
                                                .next = (uint32_t)tape->n + 1};
    tape->n++;
    return 0;
}

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The value of four hex digits, or -1. */
static int hex_unit(const unsigned char *p)
{
    int unit = 0;

    for (size_t i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);

        if (digit < 0)
            return -1;
        unit = unit << 4 | digit;
    }
    return unit;
}

/* Bytes of the escape at p, or 0 with *text set (RFC 8259, 7). */
static size_t escape_len(const unsigned char *p, size_t left, const char **text)
{
    int unit, low;

    if (left < 2 || !memchr("\"\\/bfnrtu", p[1], 9)) {
        *text = "not an escape: only \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX are";
        return 0;
    }
    if (p[1] != 'u')
        return 2;
    unit = left < ESCAPE_UNIT ? -1 : hex_unit(p + 2);
    if (unit < 0) {
        *text = "\\u wants four hex digits";
        return 0;
    }
    if (unit < SURROGATE_HIGH || unit >= SURROGATE_END)
        return ESCAPE_UNIT;
    low = left < ESCAPE_PAIR || p[6] != '\\' || p[7] != 'u' ? -1 : hex_unit(p + 8);
    if (unit >= SURROGATE_LOW || low < SURROGATE_LOW || low >= SURROGATE_END) {
        *text = "half of a surrogate pair: escape both halves, the high one first";
        return 0;
    }
    return ESCAPE_PAIR;
}

/* `at` is the opening quote. */
static int scan_string(struct scan *s)
{
    const unsigned char *p = s->at + 1;
    enum json_kind type = JSON_STRING;
    const char *text = NULL;
    int r;

    for (;;) {
        size_t n;

        p = ascii_end(p, s->end, true);
        if (p == s->end)
            return bad(s, p, "the text ends inside a string");
        if (*p == '"')
            break;
        if (*p < 0x20)
            return bad(s, p, "a control character in a string: escape it as \\n, \\t or \\u00XX");
        if (*p == '\\') {
            type = JSON_ESCAPED;
            n = escape_len(p, (size_t)(s->end - p), &text);
            if (n == 0)
                return bad(s, p, text);
        } else {
            n = utf8_len(p, (size_t)(s->end - p));
            if (n == 0)
                return bad(s, p, "bytes that aren't UTF-8: send the body in UTF-8");
        }
        p += n;
    }
    r = push(s, type, s->at + 1, p);
    s->at = p + 1;
    return r;
}

static bool is_digit(const unsigned char *p, const unsigned char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

/* RFC 8259, 6; `at` is a digit or the minus sign. */
static int scan_number(struct scan *s)
{
    const unsigned char *p = s->at, *end = s->end;
    int r;

    if (*p == '-')
        p++;
    if (!is_digit(p, end))
        return bad(s, p, "a digit is missing in a number");
    if (*p == '0' && is_digit(p + 1, end))
        return bad(s, p, "a number may not begin with 0");
    while (is_digit(p, end))
        p++;
    if (p < end && *p == '.') {
        p++;
        if (!is_digit(p, end))
            return bad(s, p, "a digit is missing behind a number's decimal point");
        while (is_digit(p, end))
            p++;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(p, end))
            return bad(s, p, "a digit is missing in a number's exponent");
        while (is_digit(p, end))
            p++;
    }
    r = push(s, JSON_NUMBER, s->at, p);
    s->at = p;
    return r;
}

static int scan_literal(struct scan *s, enum json_kind type, const char *word, size_t len)
{
    int r;

    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return bad(s, s->at,
                   "a value is wanted: a string in double quotes, a number, true, false, "
                   "null, an array or an object");
    r = push(s, type, s->at, s->at + len);
    s->at += len;
    return r;
}

static int scan_open(struct scan *s, enum json_kind type, enum state *state)
{
    if (s->depth == JSON_DEPTH_MAX)
        return bad(s, s->at, "arrays and objects are nested deeper than 32");
    s->open[s->depth++] = (uint32_t)s->tape->n;
    *state = type == JSON_ARRAY ? WANT_VALUE_OR_END : WANT_KEY_OR_END;
    s->at++;
    return push(s, type, s->at - 1, s->at);
}

static void scan_close(struct scan *s, enum state *state)
{
    struct json_token *token = &s->tape->tokens[s->open[--s->depth]];

    s->at++;
    token->len = (uint32_t)(s->at - s->start) - token->offset;
    token->next = (uint32_t)s->tape->n;
    *state = HAVE_VALUE;
}

static int scan_value(struct scan *s, enum state *state)
{
    *state = HAVE_VALUE;
    switch (*s->at) {
    case '"':
        return scan_string(s);
    case '{':
        return scan_open(s, JSON_OBJECT, state);
    case '[':
        return scan_open(s, JSON_ARRAY, state);
    case 't':
        return scan_literal(s, JSON_TRUE, "true", 4);
    case 'n':
        return scan_literal(s, JSON_NULL, "null", 4);
    case '-':
    case '0' ... '9':
        return scan_number(s);
    default:
        return scan_literal(s, JSON_FALSE, "false", 5);
    }
}

static inline void skip_space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

static int scan_key(struct scan *s, enum state *state)
{
    int r;

    if (*s->at != '"')
        return bad(s, s->at, "a key in double quotes is wanted here");
    r = scan_string(s);
    if (r)
        return r;
    skip_space(s);
    if (s->at == s->end || *s->at != ':')
        return bad(s, s->at, "a colon is wanted behind a key");
    s->at++;
    *state = WANT_VALUE;
    return 0;
}

static bool in_object(const struct scan *s)
{
    return s->tape->tokens[s->open[s->depth - 1]].type == JSON_OBJECT;
}

/* Behind a value inside an array or object. */
static int scan_behind(struct scan *s, enum state *state)
{
    bool object = in_object(s);

    if (*s->at == ',') {
        s->at++;
        *state = object ? WANT_KEY : WANT_VALUE;
    } else if (*s->at == (object ? '}' : ']')) {
        scan_close(s, state);
    } else {
        return bad(s, s->at,
                   object ? "a comma or } is wanted here" : "a comma or ] is wanted here");
    }
    return 0;
}

static int scan_text(struct scan *s)
{
    enum state state = WANT_VALUE;
    int r = 0;

    while (r == 0) {
        skip_space(s);
        if (state == HAVE_VALUE && s->depth == 0)
            return s->at == s->end ? 0 : bad(s, s->at, "more bytes behind the end of the JSON");
        if (s->at == s->end)
            return bad(s, s->at, "the text ends before the JSON does");
        switch (state) {
        case HAVE_VALUE:
            r = scan_behind(s, &state);
            break;
        case WANT_KEY_OR_END:
            if (*s->at == '}') {
                scan_close(s, &state);
                break;
            }
            /* fall through */
        case WANT_KEY:
            r = scan_key(s, &state);
            break;
        case WANT_VALUE_OR_END:
            if (*s->at == ']') {
                scan_close(s, &state);
                break;
            }
            /* fall through */
        case WANT_VALUE:
            r = scan_value(s, &state);
            break;
        }
    }
    return r;
}

int json_scan(struct json_tape *tape, struct slice text, struct json_error *why)
{
    struct scan s = {.tape = tape, .why = why};
    int r;

    s.start = s.at = (const unsigned char *)text.data;
    s.end = s.at + text.len;
    if (tape->cap > TAPE_KEEP && text.len < tape->cap)
        json_tape_deinit(tape);
    tape->n = 0;
    if (text.len > TEXT_MAX)
        r = bad(&s, s.at, "the text is longer than 1 GiB");
    else if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        r = bad(&s, s.at, "a byte order mark: send UTF-8 without one (RFC 8259, 8.1)");
    else
        r = scan_text(&s);
    if (r)
        tape->n = 0;
    return r;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* What one scanned escape stands for; *taken are its bytes. */
static uint32_t unescape(const unsigned char *p, size_t *taken)
{
    static const char NAMES[] = "bfnrt", MEANT[] = "\b\f\n\r\t";
    const char *name;
    uint32_t unit;

    *taken = 2;
    if (p[1] != 'u') {
        name = memchr(NAMES, p[1], sizeof(NAMES) - 1);
        return name ? (unsigned char)MEANT[name - NAMES] : p[1];
    }
    unit = (uint32_t)hex_unit(p + 2);
    *taken = ESCAPE_UNIT;
    if (unit < SURROGATE_HIGH || unit >= SURROGATE_END)
        return unit;
    *taken = ESCAPE_PAIR;
    return 0x10000 + ((unit - SURROGATE_HIGH) << 10) + ((uint32_t)hex_unit(p + 8) - SURROGATE_LOW);
}

size_t json_decode(char *out, struct slice raw)
{
    const char *p = raw.data, *end = p + raw.len;
    size_t n = 0, taken;

    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        size_t plain = (size_t)((escape ? escape : end) - p);

        memcpy(out + n, p, plain);
        n += plain;
        if (!escape)
            break;
        n += put_utf8(out + n, unescape((const unsigned char *)escape, &taken));
        p = escape + taken;
    }
    return n;
}

size_t json_encode(char *out, struct slice s)
{
    static const char HEX[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        const char *name = c < 0x20 ? memchr("b\bf\fn\nr\rt\t", c, 10) : NULL;

        if (name) {
            out[n++] = '\\';
            out[n++] = name[-1];
        } else if (c < 0x20) {
            memcpy(out + n, "\\u00", 4);
            out[n + 4] = HEX[c >> 4];
            out[n + 5] = HEX[c & 15];
            n += ESCAPE_UNIT;
        } else {
            if (c == '"' || c == '\\')
                out[n++] = '\\';
            out[n++] = (char)c;
        }
    }
    return n;
}

void json_position(struct slice text, size_t offset, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.data[i] == '\n') {
            ++*line;
            *column = 1;
        } else if (((unsigned char)text.data[i] & 0xc0) != 0x80) {
            ++*column;
        }
    }
}
