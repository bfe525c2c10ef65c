#include "central/nats/js_ack.h"

#include "audit/parse.h"

#include <stdio.h>

enum {
    DEPTH = 4,
};

static void ack_space(struct slice *s)
{
    while (s->len > 0 && memchr(" \t\r\n", s->data[0], 4))
        *s = slice_of(s->data + 1, s->len - 1);
}

static bool ack_char(struct slice *s, char c)
{
    ack_space(s);
    if (s->len == 0 || s->data[0] != c)
        return false;
    *s = slice_of(s->data + 1, s->len - 1);
    return true;
}

/* A string's bytes between its quotes, escapes as they are. */
static bool ack_string(struct slice *s, struct slice *out)
{
    size_t n = 0;

    if (!ack_char(s, '"'))
        return false;
    while (n < s->len && s->data[n] != '"')
        n += s->data[n] == '\\' ? 2 : 1;
    if (n >= s->len)
        return false;
    *out = slice_of(s->data, n);
    *s = slice_of(s->data + n + 1, s->len - n - 1);
    return true;
}

/* A number or a word: up to what can follow it. */
static bool ack_word(struct slice *s, struct slice *out)
{
    size_t n = 0;

    while (n < s->len && !memchr(",}] \t\r\n", s->data[n], 7))
        n++;
    *out = slice_of(s->data, n);
    *s = slice_of(s->data + n, s->len - n);
    return n > 0;
}

static void ack_number(struct slice word, uint64_t *out)
{
    uint64_t n;

    if (parse_number(&word, &n) && word.len == 0)
        *out = n;
}

static void ack_member(struct js_ack *out, bool error, struct slice key, struct slice value)
{
    if (!error && slice_eq(key, SLICE_LIT("seq")))
        ack_number(value, &out->seq);
    else if (error && slice_eq(key, SLICE_LIT("err_code")))
        ack_number(value, &out->code);
    else if (error && slice_eq(key, SLICE_LIT("description"))) {
        value = slice_cut(value, sizeof(out->why) - 1);
        for (size_t i = 0; i < value.len; i++)
            out->why[i] = value.data[i] > 0x1f && value.data[i] < 0x7f ? value.data[i] : '?';
        out->why[value.len] = '\0';
    }
}

static bool ack_object(struct slice *s, struct js_ack *out, bool known, bool error, int depth);

static bool ack_array(struct slice *s, struct js_ack *out, int depth);

static bool ack_value(struct slice *s, struct js_ack *out, bool known, bool error, struct slice key,
                      int depth)
{
    struct slice value;

    ack_space(s);
    if (s->len == 0 || depth == 0)
        return false;
    if (s->data[0] == '{') {
        bool is_error = known && !error && slice_eq(key, SLICE_LIT("error"));

        out->failed |= is_error;
        return ack_object(s, out, is_error, is_error, depth - 1);
    }
    if (s->data[0] == '[')
        return ack_array(s, out, depth - 1);
    if (s->data[0] == '"' ? !ack_string(s, &value) : !ack_word(s, &value))
        return false;
    if (known)
        ack_member(out, error, key, value);
    return true;
}

static bool ack_array(struct slice *s, struct js_ack *out, int depth)
{
    if (!ack_char(s, '['))
        return false;
    if (ack_char(s, ']'))
        return true;
    do {
        if (!ack_value(s, out, false, false, SLICE_NULL, depth))
            return false;
    } while (ack_char(s, ','));
    return ack_char(s, ']');
}

static bool ack_object(struct slice *s, struct js_ack *out, bool known, bool error, int depth)
{
    if (!ack_char(s, '{'))
        return false;
    if (ack_char(s, '}'))
        return true;
    do {
        struct slice key;

        if (!ack_string(s, &key) || !ack_char(s, ':') ||
            !ack_value(s, out, known, error, key, depth))
            return false;
    } while (ack_char(s, ','));
    return ack_char(s, '}');
}

bool js_ack_read(struct slice json, struct js_ack *out)
{
    *out = (struct js_ack){0};
    if (json.len > JS_ACK_MAX || !ack_object(&json, out, true, false, DEPTH))
        return false;
    ack_space(&json);
    if (out->failed)
        out->seq = 0;
    return json.len == 0 && (out->failed || out->seq > 0);
}
