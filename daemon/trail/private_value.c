#include "trail/private_value.h"

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

static bool national(struct slice s)
{
    size_t digits = 0;

    while (s.len && s.data[0] == ' ')
        s = slice_of(s.data + 1, s.len - 1);
    while (s.len && s.data[s.len - 1] == ' ')
        s.len--;
    if (s.len < PHONE_MIN || !(s.data[0] == '0' || (s.data[0] == '(' && s.data[1] == '0')))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!in_number(s.data[i]))
            return false;
        digits += is_digit(s.data[i]);
    }
    return as_many(digits) && !is_date(s);
}

/* Where a part ends, and where a + may begin a number. */
static bool is_mark(char c)
{
    static const bool MARKS[256] = {
        [0 ... 0x1f] = true, [','] = true, [':'] = true, [';'] = true, ['"'] = true, ['+'] = true,
    };

    return MARKS[(unsigned char)c];
}

static bool has_number(struct slice s)
{
    const char *p = s.data, *end = s.data + s.len, *part = p;

    for (; p < end; p++) {
        if (!is_mark(*p))
            continue;
        if (*p == '+') {
            if ((p == s.data || !is_word(p[-1])) && international(p + 1, end))
                return true;
            continue;
        }
        if (national(slice_of(part, (size_t)(p - part))))
            return true;
        part = p + 1;
    }
    return s.len && national(slice_of(part, (size_t)(end - part)));
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

/* Whether one of the words that tell of an address or a number begins at s. */
static bool telling(struct slice s)
{
    static const struct slice WORDS[] = {
        {"email", 5}, {"e_mail", 6}, {"e-mail", 6}, {"phone", 5}, {"mobile", 6},
    };

    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
        if (slice_eq_nocase(slice_cut(s, WORDS[i].len), WORDS[i]))
            return true;
    return false;
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
    for (size_t i = 0; i < name.len; i++) {
        char c = (char)(name.data[i] | 0x20);

        if ((c == 'e' || c == 'p' || c == 'm') && telling(slice_of(name.data + i, name.len - i)))
            return true;
    }
    return false;
}

bool private_nothing(struct slice value)
{
    return value.len == 0 || slice_eq(value, SLICE_LIT("true")) ||
           slice_eq(value, SLICE_LIT("false")) || slice_eq(value, SLICE_LIT("null"));
}
