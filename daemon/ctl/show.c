#include "ctl/show.h"

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
