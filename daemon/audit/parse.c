#include "audit/parse.h"

#include "base/hex.h"

bool parse_literal(struct slice *s, struct slice lit)
{
    if (s->len < lit.len || memcmp(s->data, lit.data, lit.len) != 0)
        return false;
    *s = slice_of(s->data + lit.len, s->len - lit.len);
    return true;
}

bool parse_number(struct slice *s, uint64_t *out)
{
    uint64_t v = 0;
    size_t n = 0;

    for (; n < s->len && s->data[n] >= '0' && s->data[n] <= '9'; n++) {
        uint64_t d = (uint64_t)(s->data[n] - '0');

        if ((n > 0 && v == 0) || v > (UINT64_MAX - d) / 10)
            return false;
        v = v * 10 + d;
    }
    *s = slice_of(s->data + n, s->len - n);
    *out = v;
    return n > 0;
}

bool parse_quoted(struct slice *s, struct slice *out)
{
    const char *quote = s->len ? memchr(s->data, '"', s->len) : NULL;

    if (!quote)
        return false;
    *out = slice_of(s->data, (size_t)(quote - s->data));
    *s = slice_of(quote + 1, s->len - out->len - 1);
    return true;
}

bool parse_hex(struct slice *s, unsigned char *out, size_t n)
{
    struct slice digits;

    return parse_quoted(s, &digits) && hex_get(out, n, digits);
}
