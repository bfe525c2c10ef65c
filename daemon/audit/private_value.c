/*
 * Every value of every request is searched, so eight bytes at a time are checked for the few
 * characters that an address or a number can begin with.
 */
#include "audit/private_value.h"

#include "base/utf8.h"

enum {
    PHONE_MIN = 7, /* digits; E.164 allows 15 at most */
    PHONE_MAX = 15,
    DATE = 10, /* bytes of 31-12-2026 */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80; /* RFC 6531 */
}

/* ---- e-mail addresses (RFC 5322, 3.4.1) ---- */

/* What may stand in front of the @. A quote ends a quoted local part, but also begins a string. */
static bool ends_local(struct slice s, size_t n)
{
    char c = n ? s.data[n - 1] : '\0';

    if (c == '"')
        return n > 1 && (is_word(s.data[n - 2]) || s.data[n - 2] == '\\');
    return is_word(c) || (c && strchr("!#$%&'*+/=?^_`{|}~-.", c));
}

static bool has_address(struct slice s, bool cut)
{
    const char *at = s.len ? memchr(s.data, '@', s.len) : NULL;

    while (at) {
        size_t n = (size_t)(at - s.data), left = s.len - n - 1;

        if (left && ends_local(s, n) && (is_word(at[1]) || at[1] == '[' || (cut && at[1] == '.')))
            return true;
        at = left ? memchr(at + 1, '@', left) : NULL;
    }
    return false;
}

/* ---- phone numbers ---- */

static bool in_number(char c)
{
    return is_digit(c) || c == ' ' || c == '(' || c == ')' || c == '-';
}

static bool as_many(size_t digits)
{
    return digits >= PHONE_MIN && digits <= PHONE_MAX;
}

/* `p` is behind a +. */
static bool international(const char *p, const char *end)
{
    size_t digits = 0;

    for (; p < end && in_number(*p); p++)
        digits += is_digit(*p);
    return as_many(digits);
}

static unsigned two(const char *p)
{
    return is_digit(p[0]) && is_digit(p[1]) ? (unsigned)(10 * (p[0] - '0') + p[1] - '0') : 100;
}

/* 31-12-2026, 12 31 2026, 0001-01-01: as far as a date can begin with 0. */
static bool is_date(struct slice s)
{
    const char *p = s.data;

    if (s.len < DATE || (s.len > DATE && p[DATE] != ' '))
        return false;
    if (p[2] == p[5] && (p[2] == '-' || p[2] == ' '))
        return two(p) <= 31 && two(p + 3) <= 31 && two(p + 8) < 100 &&
               (two(p + 6) == 0 || two(p + 6) == 19 || two(p + 6) == 20);
    return p[4] == p[7] && (p[4] == '-' || p[4] == ' ') && two(p) == 0 && two(p + 2) <= 1 &&
           two(p + 5) <= 12 && two(p + 8) <= 31;
}

/* Where a part ends. */
static bool is_end(char c)
{
    static const bool ENDS[256] = {
        [0 ... 0x1f] = true, [','] = true, [':'] = true, [';'] = true, ['"'] = true,
    };

    return ENDS[(unsigned char)c];
}

/* Whether the 0 at `at` begins a part, maybe with a bracket before it, and the part is a number. */
static bool national(struct slice s, const char *at)
{
    const char *end = s.data + s.len, *begin = at, *p = at, *last = at;
    size_t digits = 0;

    if (begin > s.data && begin[-1] == '(')
        begin--;
    for (const char *q = begin; q > s.data && !is_end(q[-1]); q--)
        if (q[-1] != ' ')
            return false;
    for (; p < end && in_number(*p); p++) {
        digits += is_digit(*p);
        if (*p != ' ')
            last = p;
    }
    return (p == end || is_end(*p)) && as_many(digits) &&
           !is_date(slice_of(begin, (size_t)(last + 1 - begin)));
}

static bool number_at(struct slice s, const char *at)
{
    if (*at == '0')
        return national(s, at);
    return *at == '+' && (at == s.data || !is_word(at[-1])) &&
           international(at + 1, s.data + s.len);
}

/*
 * A word may tell of more places than there are behind its first: number_at looks again. A 0 behind
 * another one begins nothing.
 */
static bool number_in(struct slice s, size_t at, uint64_t word)
{
    uint64_t zeros = ascii_equal(word, '0');
    uint64_t found = (zeros & ~(zeros << 8)) | ascii_equal(word, '+');

    for (; found; found &= found - 1)
        if (number_at(s, s.data + at + (__builtin_ctzll(found) >> 3)))
            return true;
    return false;
}

static bool has_number(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.data;
    size_t i = 0;

    for (; s.len - i >= 8; i += 8)
        if (number_in(s, i, ascii_load(p + i)))
            return true;
    return i < s.len && number_in(s, i, ascii_load_few(p + i, s.len - i));
}

bool private_value(struct slice value)
{
    return has_address(value, false) || has_number(value);
}

/* ---- texts ---- */

enum {
    TEXT_MAX = 2048, /* bytes; no text on the wire is so long */
};

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * The character that a backslash at p begins, and its length; 0 when it is cut off: a sentence of
 * our own may have a backslash, too, that begins nothing.
 */
static size_t escape(const char *p, size_t left, char *out)
{
    int value = 0;

    if (left < 2)
        return 0;
    *out = p[1] && strchr("bfnrt", p[1]) ? ' ' : p[1];
    if (p[1] != 'u')
        return 2;
    for (size_t i = 2; i < 6; i++) {
        int digit = i < left ? hex_digit(p[i]) : -1;

        if (digit < 0 && i < left && p[i] != '.')
            return 1;
        if (digit < 0)
            return 0;
        value = value << 4 | digit;
    }
    *out = value < 0x80 ? (char)value : '\x80'; /* some letter */
    return 6;
}

bool private_text(struct slice text)
{
    char plain[TEXT_MAX];
    size_t n = 0;

    if (text.len > sizeof(plain))
        return true;
    for (size_t i = 0, used; i < text.len; i += used) {
        plain[n] = text.data[i];
        used = 1;
        if (plain[n] == '\\')
            used = escape(text.data + i, text.len - i, &plain[n]);
        if (used == 0)
            return true; /* it can't be judged */
        n++;
    }
    return has_address(slice_of(plain, n), true) || has_number(slice_of(plain, n));
}

/* ---- names ---- */

static bool goes_on(struct slice s, size_t at, struct slice word)
{
    return at < s.len &&
           slice_eq_nocase(slice_cut(slice_of(s.data + at, s.len - at), word.len), word);
}

/* Whether a word for an address or a number has its first m or p at `at`. */
static bool telling(struct slice s, size_t at)
{
    if (goes_on(s, at, SLICE_LIT("phone")) || goes_on(s, at, SLICE_LIT("mobile")))
        return true;
    if (!goes_on(s, at, SLICE_LIT("mail")))
        return false;
    return (at >= 1 && (s.data[at - 1] | 0x20) == 'e') ||
           (at >= 2 && (s.data[at - 1] == '_' || s.data[at - 1] == '-') &&
            (s.data[at - 2] | 0x20) == 'e');
}

bool private_name(struct slice name)
{
    /* Of the API document; its other ones have "email" in their name. */
    static const struct slice NAMES[] = {
        {"done_date", 9}, /* has a done_date_address in it */
        {"done_date_address", 17},
        {"external_experts_from_address", 29},
        {"external_experts_pre_filled_address", 35},
        {"external_forward_number", 23},
    };

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        if (slice_eq(name, NAMES[i]))
            return true;
    for (size_t i = 0; i < name.len; i += 8) {
        size_t left = name.len - i;
        const unsigned char *p = (const unsigned char *)name.data + i;
        uint64_t v = (left < 8 ? ascii_load_few(p, left) : ascii_load(p)) | ASCII_ONES * 0x20;
        uint64_t found = ascii_equal(v, 'm') | ascii_equal(v, 'p');

        for (; found; found &= found - 1)
            if (telling(name, i + (__builtin_ctzll(found) >> 3)))
                return true;
    }
    return false;
}

bool private_nothing(struct slice value)
{
    return value.len == 0 || slice_eq(value, SLICE_LIT("true")) ||
           slice_eq(value, SLICE_LIT("false")) || slice_eq(value, SLICE_LIT("null"));
}
