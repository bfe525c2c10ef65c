#include "ctl/audit/audit_cell.h"

#include "base/utf8.h"
#include "ctl/show.h"

#include <stdint.h>
#include <stdlib.h>

#define ELLIPSIS "\xe2\x80\xa6"

enum {
    MAC_SHOWN = 8, /* digits */
};

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

size_t audit_cell_width(const char *text)
{
    size_t took;

    (void)fit(slice_str(text), SIZE_MAX, &took);
    return took;
}

void audit_cell_put_cut(FILE *to, const char *text, size_t most)
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

void audit_cell_put_quoted(FILE *to, struct slice text)
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

void audit_cell_put(FILE *to, struct slice text, size_t most)
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
        audit_cell_put_quoted(f, text);
    if (fclose(f) == 0)
        audit_cell_put_cut(to, harmless, most);
    free(harmless);
}

void audit_cell_put_value(FILE *to, const struct audit_value *value, size_t most)
{
    switch (value->kind) {
    case AUDIT_VALUE_TEXT:
        audit_cell_put(to, value->text, most);
        return;
    case AUDIT_VALUE_MAC:
        (void)fputs("mac:", to);
        (void)show_text(to, slice_cut(value->text, MAC_SHOWN));
        (void)fputs(ELLIPSIS, to);
        return;
    case AUDIT_VALUE_OMITTED:
        (void)fputs("(omitted)", to);
        return;
    case AUDIT_VALUE_OTHER:
        audit_cell_put(to, value->text, most);
        return;
    }
}
