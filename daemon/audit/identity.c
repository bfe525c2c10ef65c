#include "audit/identity.h"

#include "base/hex.h"

enum {
    GROUP = 8, /* digits */
};

void identity_text(char out[IDENTITY_TEXT], const struct seal_key *key)
{
    char digits[2 * SEAL_KEY];
    size_t n = 0;

    hex_put(digits, key->bytes, SEAL_KEY);
    for (size_t i = 0; i < sizeof(digits); i++) {
        if (i && i % GROUP == 0)
            out[n++] = '-';
        out[n++] = digits[i];
    }
    out[n] = '\0';
}

bool identity_read(struct seal_key *out, const char *text)
{
    char digits[2 * SEAL_KEY];
    size_t n = 0;

    for (; *text; text++) {
        if (*text == '-')
            continue;
        if (n == sizeof(digits))
            return false;
        digits[n++] = *text >= 'A' && *text <= 'F' ? (char)(*text | 0x20) : *text;
    }
    return hex_get(out->bytes, SEAL_KEY, slice_of(digits, n));
}
