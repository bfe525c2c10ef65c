/*
 * Two of these lines are written for every request, so they are put together by hand: no printf,
 * no allocation but the buffer's own growth. The reader is no JSON parser either: it knows the
 * fixed beginning, and otherwise only that a line is whole.
 */
#include "keeper/record.h"

#include "base/utf8.h"

#include <errno.h>

struct writer {
    struct buf *out;
    int failed; /* 0 or a negative errno */
};

static void put(struct writer *w, const char *data, size_t n)
{
    if (!w->failed)
        w->failed = buf_append(w->out, data, n);
}

#define PUT_LIT(w, lit) put((w), "" lit, sizeof(lit) - 1)

static void put_int(struct writer *w, uint64_t v)
{
    char digits[20];
    size_t n = sizeof(digits);

    do
        digits[--n] = (char)('0' + v % 10);
    while (v /= 10);
    put(w, digits + n, sizeof(digits) - n);
}

bool record_text_ok(struct slice s)
{
    for (size_t n; s.len; s.data += n, s.len -= n) {
        n = utf8_len((const unsigned char *)s.data, s.len);
        if (n == 0)
            return false;
    }
    return true;
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_escape(struct writer *w, unsigned char c)
{
    static const char HEX[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', HEX[c >> 4], HEX[c & 15]};

    if (c == '"' || c == '\\') {
        text[1] = (char)c;
        put(w, text, 2);
    } else {
        put(w, text, sizeof(text));
    }
}

/* Without the quotes. */
static void put_text(struct writer *w, struct slice s)
{
    while (s.len && !w->failed) {
        size_t n = 0, one;

        while (n < s.len && plain((unsigned char)s.data[n]))
            n++;
        put(w, s.data, n);
        s = slice_of(s.data + n, s.len - n);
        if (s.len == 0)
            return;
        one = utf8_len((const unsigned char *)s.data, s.len);
        if (one > 1)
            put(w, s.data, one);
        else if (one == 1)
            put_escape(w, (unsigned char)s.data[0]);
        else
            PUT_LIT(w, "\\ufffd");
        one = one ? one : 1;
        s = slice_of(s.data + one, s.len - one);
    }
}

/* `name` comes with its separator and quotes: `,"name":` */
static void put_string(struct writer *w, struct slice name, struct slice value)
{
    put(w, name.data, name.len);
    PUT_LIT(w, "\"");
    put_text(w, value);
    PUT_LIT(w, "\"");
}

static void put_known(struct writer *w, struct slice name, struct slice value)
{
    if (value.len)
        put_string(w, name, value);
}

static void put_number(struct writer *w, struct slice name, uint64_t value)
{
    put(w, name.data, name.len);
    put_int(w, value);
}

static void put_digits(char *at, unsigned n, uint64_t v)
{
    while (n--) {
        at[n] = (char)('0' + v % 10);
        v /= 10;
    }
}

enum {
    TIME_LEN = 27, /* 2026-11-23T17:07:00.123456Z */
};

/* RFC 3339; the Gregorian calendar counted in days from 0000-03-01, where leap days come last. */
static void put_time(struct writer *w, uint64_t time_us)
{
    char text[TIME_LEN + 1] = "0000-00-00T00:00:00.000000Z";
    uint64_t s = time_us / 1000000, z = s / 86400 + 719468;
    uint64_t era = z / 146097, doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    uint64_t month = mp < 10 ? mp + 3 : mp - 9;

    put_digits(text, 4, yoe + era * 400 + (month <= 2));
    put_digits(text + 5, 2, month);
    put_digits(text + 8, 2, doy - (153 * mp + 2) / 5 + 1);
    put_digits(text + 11, 2, s % 86400 / 3600);
    put_digits(text + 14, 2, s % 3600 / 60);
    put_digits(text + 17, 2, s % 60);
    put_digits(text + 20, 6, time_us % 1000000);
    put(w, text, TIME_LEN);
}

static struct writer begin(struct buf *out, const struct record_head *head, struct slice type)
{
    struct writer w = {out, 0};

    put_number(&w, SLICE_LIT("{\"seq\":"), head->seq);
    PUT_LIT(&w, ",\"time\":\"");
    put_time(&w, head->time_us);
    put_string(&w, SLICE_LIT("\",\"type\":"), type);
    return w;
}

static int finish(struct writer *w)
{
    PUT_LIT(w, "}\n");
    return w->failed;
}

static void put_client(struct writer *w, const struct wire_client *c)
{
    struct writer inner = *w;
    size_t before = buf_len(w->out);

    /* Each member brings a comma; the first one's is turned into the brace. */
    put_known(&inner, SLICE_LIT(",\"name\":"), c->name);
    if (c->uid != WIRE_UID_UNKNOWN)
        put_number(&inner, SLICE_LIT(",\"uid\":"), c->uid);
    put_known(&inner, SLICE_LIT(",\"user\":"), c->user);
    if (c->pid)
        put_number(&inner, SLICE_LIT(",\"pid\":"), c->pid);
    put_known(&inner, SLICE_LIT(",\"exe\":"), c->exe);
    put_known(&inner, SLICE_LIT(",\"via\":"), c->via);
    put_known(&inner, SLICE_LIT(",\"address\":"), c->address);
    if (!inner.failed && buf_len(w->out) > before)
        w->out->data[w->out->head + before] = '{';
    else
        PUT_LIT(&inner, "{");
    PUT_LIT(&inner, "}");
    *w = inner;
}

static void put_request(struct writer *w, const struct wire_client *client, struct slice method,
                        struct slice workspace, struct slice path)
{
    PUT_LIT(w, ",\"client\":");
    put_client(w, client);
    put_known(w, SLICE_LIT(",\"method\":"), method);
    put_known(w, SLICE_LIT(",\"workspace\":"), workspace);
    put_known(w, SLICE_LIT(",\"path\":"), path);
}

static void put_problems(struct writer *w, const struct wire_problem *problems, uint32_t n)
{
    for (uint32_t i = 0; i < n && !w->failed; i++) {
        if (i == 0)
            PUT_LIT(w, ",\"problems\":[{");
        else
            PUT_LIT(w, ",{");
        put_string(w, SLICE_LIT("\"field\":"), problems[i].field);
        put_string(w, SLICE_LIT(",\"code\":"), problems[i].code);
        put_string(w, SLICE_LIT(",\"error\":"), problems[i].error);
        PUT_LIT(w, "}");
    }
    if (n)
        PUT_LIT(w, "]");
}

int record_intent(struct buf *out, const struct record_head *head, const struct wire_sign *sign,
                  struct slice key_id)
{
    struct writer w = begin(out, head, SLICE_LIT("intent"));

    put_string(&w, SLICE_LIT(",\"id\":"), sign->request_id);
    put_request(&w, &sign->client, sign->method, sign->workspace, sign->path);
    PUT_LIT(&w, ",\"fields\":{");
    for (uint32_t i = 0; i < sign->n_fields && !w.failed; i++) {
        if (i)
            PUT_LIT(&w, ",");
        put_string(&w, SLICE_LIT(""), sign->fields[i].name);
        put_string(&w, SLICE_LIT(":"), sign->fields[i].value);
    }
    PUT_LIT(&w, "}");
    put_problems(&w, sign->problems, sign->n_problems);
    put_string(&w, SLICE_LIT(",\"key\":"), key_id);
    return finish(&w);
}

int record_outcome(struct buf *out, const struct record_head *head, const struct record_outcome *o)
{
    struct writer w = begin(out, head, SLICE_LIT("outcome"));

    put_string(&w, SLICE_LIT(",\"id\":"), o->request_id);
    if (o->status)
        put_number(&w, SLICE_LIT(",\"status\":"), o->status);
    put_string(&w, SLICE_LIT(",\"sent\":"), slice_str(o->sent));
    if (o->timed)
        put_number(&w, SLICE_LIT(",\"duration_us\":"), o->duration_us);
    put_known(&w, SLICE_LIT(",\"error\":"), o->error);
    return finish(&w);
}

int record_reject(struct buf *out, const struct record_head *head, const struct wire_reject *reject)
{
    struct writer w = begin(out, head, SLICE_LIT("reject"));

    put_known(&w, SLICE_LIT(",\"id\":"), reject->request_id);
    put_request(&w, &reject->client, reject->method, reject->workspace, reject->path);
    if (reject->status)
        put_number(&w, SLICE_LIT(",\"status\":"), reject->status);
    put_known(&w, SLICE_LIT(",\"code\":"), reject->code);
    put_known(&w, SLICE_LIT(",\"error\":"), reject->error);
    put_known(&w, SLICE_LIT(",\"field\":"), reject->field);
    put_problems(&w, reject->problems, reject->n_problems);
    return finish(&w);
}

int record_start(struct buf *out, const struct record_head *head, struct slice version,
                 uint32_t pid)
{
    struct writer w = begin(out, head, SLICE_LIT("start"));

    put_string(&w, SLICE_LIT(",\"version\":"), version);
    put_number(&w, SLICE_LIT(",\"pid\":"), pid);
    return finish(&w);
}

int record_key(struct buf *out, const struct record_head *head, struct slice workspace,
               struct slice key_id, const char *event)
{
    struct writer w = begin(out, head, SLICE_LIT("key"));

    put_string(&w, SLICE_LIT(",\"workspace\":"), workspace);
    put_string(&w, SLICE_LIT(",\"key\":"), key_id);
    put_string(&w, SLICE_LIT(",\"event\":"), slice_str(event));
    return finish(&w);
}

int record_config(struct buf *out, const struct record_head *head, const char *result,
                  struct slice error)
{
    struct writer w = begin(out, head, SLICE_LIT("config"));

    put_string(&w, SLICE_LIT(",\"result\":"), slice_str(result));
    put_known(&w, SLICE_LIT(",\"error\":"), error);
    return finish(&w);
}

int record_recovery(struct buf *out, const struct record_head *head, struct slice segment,
                    uint64_t bytes, struct slice torn)
{
    struct writer w = begin(out, head, SLICE_LIT("recovery"));

    put_string(&w, SLICE_LIT(",\"segment\":"), segment);
    put_number(&w, SLICE_LIT(",\"bytes\":"), bytes);
    put_string(&w, SLICE_LIT(",\"torn\":"), torn);
    return finish(&w);
}

int record_stop(struct buf *out, const struct record_head *head)
{
    struct writer w = begin(out, head, SLICE_LIT("stop"));

    return finish(&w);
}

bool record_request_id_ok(struct slice s)
{
    if (s.len == 0 || s.len > WIRE_REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c != '\0' && strchr("._:+/=@-", c))))
            return false;
    }
    return true;
}

/* Takes the literal off the front of *s, or leaves it alone and is false. */
static bool take(struct slice *s, struct slice lit)
{
    if (s->len < lit.len || memcmp(s->data, lit.data, lit.len) != 0)
        return false;
    *s = slice_of(s->data + lit.len, s->len - lit.len);
    return true;
}

static bool take_seq(struct slice *s, uint64_t *out)
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

static bool take_time(struct slice *s)
{
    static const char SHAPE[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";

    if (s->len < TIME_LEN)
        return false;
    for (size_t i = 0; i < TIME_LEN; i++) {
        char c = s->data[i];

        if (SHAPE[i] == 'd' ? c < '0' || c > '9' : c != SHAPE[i])
            return false;
    }
    *s = slice_of(s->data + TIME_LEN, s->len - TIME_LEN);
    return true;
}

/* What stands before the next quote, which is taken too. */
static bool take_quoted(struct slice *s, struct slice *out)
{
    const char *quote = s->len ? memchr(s->data, '"', s->len) : NULL;

    if (!quote)
        return false;
    *out = slice_of(s->data, (size_t)(quote - s->data));
    *s = slice_of(quote + 1, s->len - out->len - 1);
    return true;
}

/* The outermost brace closes with the last byte, and not before. */
static bool whole(struct slice line)
{
    bool quoted = false;
    size_t depth = 0;

    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.data[i];

        if (c < 0x20 || c == 0x7f)
            return false;
        if (c == '"')
            quoted = !quoted;
        else if (c == '\\' && quoted)
            i++;
        else if (c == '{' && !quoted)
            depth++;
        else if (c == '}' && !quoted && (depth == 0 || (--depth == 0 && i + 1 != line.len)))
            return false;
    }
    return depth == 0 && !quoted && line.len && line.data[line.len - 1] == '}';
}

const char *record_read(struct slice line, struct record_line *out)
{
    struct slice s = line;

    *out = (struct record_line){0};
    if (!take(&s, SLICE_LIT("{\"seq\":")) || !take_seq(&s, &out->seq) ||
        !take(&s, SLICE_LIT(",\"time\":\"")) || !take_time(&s) ||
        !take(&s, SLICE_LIT("\",\"type\":\"")) || !take_quoted(&s, &out->type))
        return "it doesn't begin as a record does";
    if (out->type.len == 0)
        return "it has no type";
    for (size_t i = 0; i < out->type.len; i++)
        if (out->type.data[i] < 'a' || out->type.data[i] > 'z')
            return "its type is no word";
    if (slice_eq(out->type, SLICE_LIT("intent")) || slice_eq(out->type, SLICE_LIT("outcome"))) {
        if (!take(&s, SLICE_LIT(",\"id\":\"")) || !take_quoted(&s, &out->id) ||
            !record_request_id_ok(out->id))
            return "it has no request id";
    }
    return whole(line) ? NULL : "it is not one whole object";
}
