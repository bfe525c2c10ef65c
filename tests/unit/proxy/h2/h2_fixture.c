#include "unit/proxy/h2/h2_fixture.h"

#include "unit/unit.h"

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static void put(struct buf *b, const void *data, size_t len)
{
    CU_ASSERT_EQUAL_FATAL(buf_append(b, data, len), 0);
}

static void put_number(struct buf *b, uint32_t value, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0;) {
        unsigned char c = (unsigned char)(value >> (8 * i));

        put(b, &c, 1);
    }
}

void f_frame(struct buf *b, unsigned type, unsigned flags, uint32_t stream, const void *payload,
             size_t len)
{
    put_number(b, (uint32_t)len, 3);
    put_number(b, type, 1);
    put_number(b, flags, 1);
    put_number(b, stream, 4);
    put(b, payload, len);
}

void f_settings(struct buf *b, unsigned id, uint32_t value)
{
    unsigned char p[6] = {(unsigned char)(id >> 8),     (unsigned char)id,
                          (unsigned char)(value >> 24), (unsigned char)(value >> 16),
                          (unsigned char)(value >> 8),  (unsigned char)value};

    f_frame(b, F_SETTINGS, 0, 0, p, id ? sizeof(p) : 0);
}

void f_number(struct buf *b, unsigned type, uint32_t stream, uint32_t value)
{
    unsigned char p[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                          (unsigned char)(value >> 8), (unsigned char)value};

    f_frame(b, type, 0, stream, p, sizeof(p));
}

void f_goaway(struct buf *b, uint32_t last, uint32_t code)
{
    put_number(b, 8, 3);
    put_number(b, F_GOAWAY, 1);
    put_number(b, 0, 1);
    put_number(b, 0, 4);
    put_number(b, last, 4);
    put_number(b, code, 4);
}

/* RFC 7541, 5.1: an integer with a prefix of 7 bits. */
static void put_length(struct buf *b, size_t len)
{
    if (len < 127) {
        put_number(b, (uint32_t)len, 1);
        return;
    }
    put_number(b, 127, 1);
    for (len -= 127; len >= 128; len /= 128)
        put_number(b, (uint32_t)(len % 128 + 128), 1);
    put_number(b, (uint32_t)len, 1);
}

void f_field(struct buf *block, const char *name, const char *value)
{
    put_number(block, 0, 1);
    put_length(block, strlen(name));
    put(block, name, strlen(name));
    put_length(block, strlen(value));
    put(block, value, strlen(value));
}

void f_answer(struct buf *b, uint32_t stream, const char *status, const char *fields, bool end)
{
    struct buf block = BUF_INIT(1 << 20);

    if (status)
        f_field(&block, ":status", status);
    while (*fields) {
        char name[256] = "", value[512] = "";
        const char *colon = strstr(fields, ": "), *line = strchr(fields, '\n');

        CU_ASSERT_TRUE_FATAL(colon && line && colon < line && colon - fields < 256 &&
                             line - colon - 2 < 512);
        memcpy(name, fields, (size_t)(colon - fields));
        memcpy(value, colon + 2, (size_t)(line - colon - 2));
        f_field(&block, name, value);
        fields = line + 1;
    }
    f_frame(b, F_HEADERS, HEADERS_END | (end ? END : 0u), stream, buf_slice(&block).data,
            buf_len(&block));
    buf_deinit(&block);
}

void f_data(struct buf *b, uint32_t stream, const char *text, bool end)
{
    f_frame(b, F_DATA, end ? END : 0, stream, text, strlen(text));
}

uint32_t f_read(struct slice payload, size_t at)
{
    const unsigned char *p = (const unsigned char *)payload.data + at;

    if (at + 4 > payload.len)
        return 0;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool f_next(struct slice *rest, struct seen *f)
{
    const unsigned char *p;
    size_t len;

    if (rest->len >= sizeof(PREFACE) - 1 && memcmp(rest->data, PREFACE, sizeof(PREFACE) - 1) == 0)
        *rest = slice_of(rest->data + sizeof(PREFACE) - 1, rest->len - sizeof(PREFACE) + 1);
    if (rest->len < 9)
        return false;
    p = (const unsigned char *)rest->data;
    len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
    if (rest->len < 9 + len)
        return false;
    f->type = p[3];
    f->flags = p[4];
    f->stream = f_read(*rest, 5) & 0x7fffffff;
    f->payload = slice_of(rest->data + 9, len);
    *rest = slice_of(rest->data + 9 + len, rest->len - 9 - len);
    return true;
}

unsigned f_count(struct slice sent, unsigned type, uint32_t stream, struct seen *last)
{
    struct seen f;
    unsigned n = 0;

    while (f_next(&sent, &f))
        if (f.type == type && (stream == 0 || f.stream == stream)) {
            n++;
            if (last)
                *last = f;
        }
    return n;
}
