#include "ctl/command/show.h"

#include "base/utf8.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* Decodes one character; 0 when the bytes aren't UTF-8 (RFC 3629). */
static size_t next_char(const unsigned char *p, size_t left, uint32_t *out)
{
    static const uint32_t LEAST[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c;

    if (n == 0 || n > left || p[0] > 0xf4)
        return 0;
    c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (n > 1 && (c < LEAST[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)))
        return 0;
    *out = c;
    return n;
}

static bool is_risky(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } RISKY[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
        {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
        {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff},
    };

    for (size_t i = 0; i < sizeof(RISKY) / sizeof(RISKY[0]); i++)
        if (c >= RISKY[i].first && c <= RISKY[i].last)
            return true;
    return false;
}

static void put_escape(FILE *to, uint32_t c)
{
    switch (c) {
    case '\\':
        (void)fputs("\\\\", to);
        return;
    case '\n':
        (void)fputs("\\n", to);
        return;
    case '\r':
        (void)fputs("\\r", to);
        return;
    case '\t':
        (void)fputs("\\t", to);
        return;
    default:
        if (c < 0x10000)
            (void)fprintf(to, "\\u%04x", c);
        else
            (void)fprintf(to, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
    }
}

static bool show(FILE *to, struct slice text, bool backslash)
{
    const unsigned char *p = (const unsigned char *)text.data;
    bool escaped = false;

    for (size_t i = 0, n; i < text.len; i += n) {
        uint32_t c = 0;

        n = next_char(p + i, text.len - i, &c);
        if (n && !is_risky(c) && (c != '\\' || !backslash)) {
            (void)fwrite(p + i, 1, n, to);
            continue;
        }
        escaped = true;
        if (n) {
            put_escape(to, c);
        } else {
            (void)fprintf(to, "\\x%02x", p[i]);
            n = 1;
        }
    }
    return escaped;
}

bool show_text(FILE *to, struct slice text)
{
    return show(to, text, true);
}

void show_message(FILE *to, const char *text)
{
    (void)show(to, slice_str(text), false);
}

void show_json(FILE *to, struct slice text)
{
    (void)show(to, text, false);
}

bool show_harmless(struct slice text)
{
    const unsigned char *p = (const unsigned char *)text.data;
    uint32_t c = 0;

    for (size_t i = 0, n; i < text.len; i += n) {
        n = next_char(p + i, text.len - i, &c);
        if (n == 0 || is_risky(c))
            return false;
    }
    return true;
}

bool show_colour(void)
{
    const char *forbidden = getenv("NO_COLOR");

    return isatty(STDOUT_FILENO) && (!forbidden || !forbidden[0]);
}

int show_failure(const char *text, int code)
{
    (void)fputs("cention-proxyctl: ", stderr);
    show_message(stderr, text);
    (void)fputc('\n', stderr);
    return code;
}

/* ---- in columns ---- */

#define ELLIPSIS "\xe2\x80\xa6"

/* Of sound UTF-8. */
static uint32_t decode(const unsigned char *p, size_t n)
{
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);

    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

static size_t columns(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } WIDE[] = {
        {0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},
        {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd},
    };

    for (size_t i = 0; i < sizeof(WIDE) / sizeof(WIDE[0]); i++)
        if (c >= WIDE[i].first && c <= WIDE[i].last)
            return 2;
    return 1;
}

/* The bytes of a text that fit into so many columns; what they take of them in *took. */
static size_t fit(struct slice text, size_t most, size_t *took)
{
    size_t at = 0, n;

    for (*took = 0; at < text.len; at += n) {
        const unsigned char *p = (const unsigned char *)text.data + at;
        size_t wide = 1;

        n = utf8_len(p, text.len - at);
        if (n)
            wide = columns(decode(p, n));
        else
            n = 1;
        if (wide > most - *took)
            break;
        *took += wide;
    }
    return at;
}

size_t show_cell_width(const char *text)
{
    size_t took;

    (void)fit(slice_str(text), SIZE_MAX, &took);
    return took;
}

void show_cell_put_cut(FILE *to, const char *text, size_t most)
{
    struct slice all = slice_str(text);
    size_t took, n = fit(all, most, &took);

    if (n == all.len) {
        (void)fwrite(text, 1, n, to);
        return;
    }
    n = fit(all, most - 1, &took);
    (void)fwrite(text, 1, n, to);
    (void)fputs(ELLIPSIS, to);
}

void show_cell_put_quoted(FILE *to, struct slice text)
{
    (void)fputc('"', to);
    while (text.len) {
        const char *quote = memchr(text.data, '"', text.len);
        size_t n = quote ? (size_t)(quote - text.data) : text.len;

        (void)show_text(to, slice_of(text.data, n));
        if (quote)
            (void)fputs("\\\"", to);
        n += quote != NULL;
        text = slice_of(text.data + n, text.len - n);
    }
    (void)fputc('"', to);
}

/* Without quotes it can't be taken for something else in a row. */
static bool is_word(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c <= ' ' || c >= 0x7f || c == '"' || c == '(' || c == '\\')
            return false;
    }
    return text.len > 0;
}

void show_cell_put(FILE *to, struct slice text, size_t most)
{
    char *harmless = NULL;
    size_t n = 0;
    FILE *f;

    /* No character has more than four bytes: what is left out has no column. */
    text = slice_cut(text, most < SIZE_MAX / 8 ? 4 * most + 4 : SIZE_MAX);
    f = open_memstream(&harmless, &n);
    if (!f)
        return;
    if (is_word(text))
        (void)fwrite(text.data, 1, text.len, f);
    else
        show_cell_put_quoted(f, text);
    if (fclose(f) == 0)
        show_cell_put_cut(to, harmless, most);
    free(harmless);
}
