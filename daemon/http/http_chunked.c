#include "http/http_chunked.h"

enum chunked_state {
    CHUNKED_SIZE, /* hex digits */
    CHUNKED_EXTENSION,
    CHUNKED_SIZE_LF,
    CHUNKED_DATA,
    CHUNKED_DATA_CR,
    CHUNKED_DATA_LF,
    CHUNKED_TRAILER,      /* first byte of a trailer line, or the CR of the last line */
    CHUNKED_TRAILER_NAME, /* up to its colon */
    CHUNKED_TRAILER_VALUE,
    CHUNKED_TRAILER_LF,
    CHUNKED_END_LF,
};

enum {
    SIZE_DIGITS_MAX = 15,
};

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_token(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_value(char c)
{
    return ((unsigned char)c >= 0x20 && c != 0x7f) || c == '\t';
}

static const char *size_byte(struct http_chunked *c, char byte)
{
    int digit = hex_value(byte);

    if (digit >= 0 && c->digits < SIZE_DIGITS_MAX) {
        c->left = c->left * 16 + (unsigned)digit;
        c->digits++;
        return NULL;
    }
    if (digit >= 0)
        return "a chunk size has more than 15 digits";
    if (c->extensions && c->digits && (byte == ';' || byte == ' ' || byte == '\t')) {
        c->state = CHUNKED_EXTENSION;
        return NULL;
    }
    if (byte != '\r' || c->digits == 0)
        return "a chunk size is not plain hex (no sign, prefix, space or extension)";
    c->state = CHUNKED_SIZE_LF;
    return NULL;
}

/* One byte that is no content; NULL, or what is wrong with it. */
static const char *control_byte(struct http_chunked *c, char byte)
{
    static const char LINE[] = "a line of the chunked coding does not end in CRLF";

    switch ((enum chunked_state)c->state) {
    case CHUNKED_SIZE:
        return size_byte(c, byte);
    case CHUNKED_EXTENSION:
        if (byte == '\r')
            c->state = CHUNKED_SIZE_LF;
        else if (++c->extensions_len > HTTP_EXTENSIONS_MAX)
            return "the chunk extensions are too long";
        return byte == '\r' || is_value(byte) ? NULL
                                              : "a chunk extension holds a control character";
    case CHUNKED_SIZE_LF:
        c->state = c->left ? CHUNKED_DATA : CHUNKED_TRAILER;
        c->digits = 0;
        return byte == '\n' ? NULL : LINE;
    case CHUNKED_DATA_CR:
        c->state = CHUNKED_DATA_LF;
        return byte == '\r' ? NULL : "a chunk is longer than its size";
    case CHUNKED_DATA_LF:
        c->state = CHUNKED_SIZE;
        return byte == '\n' ? NULL : LINE;
    case CHUNKED_TRAILER:
        c->state = byte == '\r' ? CHUNKED_END_LF : CHUNKED_TRAILER_NAME;
        return byte == '\r' || is_token(byte) ? NULL : "a trailer field has no name";
    case CHUNKED_TRAILER_NAME:
        if (byte == ':')
            c->state = CHUNKED_TRAILER_VALUE;
        return byte == ':' || is_token(byte) ? NULL : "a trailer field's name is no token";
    case CHUNKED_TRAILER_VALUE:
        if (byte == '\r')
            c->state = CHUNKED_TRAILER_LF;
        return byte == '\r' || is_value(byte) ? NULL : "a trailer field holds a control character";
    case CHUNKED_TRAILER_LF:
        c->state = CHUNKED_TRAILER;
        return byte == '\n' ? NULL : LINE;
    case CHUNKED_END_LF:
        return byte == '\n' ? NULL : LINE;
    case CHUNKED_DATA:
        break;
    }
    return NULL;
}

enum http_result http_chunked_decode(struct http_chunked *c, char *data, size_t *len,
                                     size_t *surplus, const char **why)
{
    size_t in = 0, out = 0, n = *len;

    *surplus = 0;
    while (in < n) {
        unsigned state = c->state;

        if (state == CHUNKED_DATA) {
            size_t take = n - in < c->left ? n - in : (size_t)c->left;

            memmove(data + out, data + in, take);
            in += take;
            out += take;
            c->left -= take;
            if (c->left == 0)
                c->state = CHUNKED_DATA_CR;
            continue;
        }
        if (state >= CHUNKED_TRAILER && ++c->trailer_len > HTTP_TRAILER_MAX) {
            *why = "the trailer fields are too long";
            return HTTP_BAD;
        }
        *why = control_byte(c, data[in]);
        if (*why)
            return HTTP_BAD;
        in++;
        if (state == CHUNKED_END_LF) {
            *len = out;
            *surplus = n - in;
            return HTTP_DONE;
        }
    }
    *len = out;
    return HTTP_PARTIAL;
}
