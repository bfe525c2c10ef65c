/*
 * Two of these lines are written for every request, so they are formatted without printf and
 * without allocation but the buffer's own growth.
 */
#include "audit/record.h"

#include "base/hex.h"
#include "base/utf8.h"

#include <errno.h>

enum {
    AT_ONCE = 1024, /* bytes of a text that room is made for */
};

struct writer {
    struct buf *out;
    int failed; /* 0 or a negative errno */
};

static inline void put(struct writer *w, const char *data, size_t n)
{
    if (!w->failed)
        w->failed = buf_append(w->out, data, n);
}

#define PUT_LIT(w, lit) put((w), "" lit, sizeof(lit) - 1)

bool record_text_ok(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.data, *end = p + s.len;

    for (size_t n; (p = ascii_run_end(p, end)) < end; p += n) {
        n = utf8_len(p, (size_t)(end - p));
        if (n == 0)
            return false;
    }
    return true;
}

static void put_control(struct writer *w, unsigned char c)
{
    static const char HEX[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', HEX[c >> 4], HEX[c & 15]};

    put(w, text, sizeof(text));
}

/* Copies what is plain, and quotes and backslashes with one before them: how many bytes it took. */
static size_t put_usual(struct buf *out, const unsigned char *in, size_t n)
{
    const unsigned char *p = in, *end = in + n;
    char *to = buf_space(out);

    while (p < end) {
        if (end - p >= 8) {
            uint64_t found = ascii_not(ascii_load(p), false);
            size_t plain = found ? (size_t)__builtin_ctzll(found) >> 3 : 8;

            memcpy(to, p, 8); /* there is room for twice as many as are left */
            to += plain;
            p += plain;
            if (!found)
                continue;
        }
        if (*p == '"' || *p == '\\')
            *to++ = '\\';
        else if (*p < 0x20 || *p >= 0x7f)
            break;
        *to++ = (char)*p++;
    }
    buf_commit(out, (size_t)(to - buf_space(out)));
    return (size_t)(p - in);
}

/* Without the quotes. */
static void put_text(struct writer *w, struct slice s)
{
    while (s.len && !w->failed) {
        size_t n = s.len < AT_ONCE ? s.len : AT_ONCE, one;

        w->failed = buf_reserve(w->out, 2 * n);
        if (w->failed)
            return;
        one = put_usual(w->out, (const unsigned char *)s.data, n);
        s = slice_of(s.data + one, s.len - one);
        if (one == n)
            continue;
        one = utf8_len((const unsigned char *)s.data, s.len);
        if (one > 1)
            put(w, s.data, one);
        else if (one == 1)
            put_control(w, (unsigned char)s.data[0]);
        else
            PUT_LIT(w, "\\ufffd");
        one = one ? one : 1;
        s = slice_of(s.data + one, s.len - one);
    }
}

static void put_quoted(struct writer *w, struct slice value)
{
    PUT_LIT(w, "\"");
    put_text(w, value);
    PUT_LIT(w, "\"");
}

static inline char *laid(char *p, const void *data, size_t n)
{
    memcpy(p, data, n);
    return p + n;
}

/*
 * `name` comes with its separator and quotes: `,"name":`. Nearly every value is plain: one look at
 * the room is enough then.
 */
static void put_string(struct writer *w, struct slice name, struct slice value)
{
    const unsigned char *data = (const unsigned char *)value.data;
    char *p;

    if (value.len && ascii_end(data, data + value.len, false) != data + value.len) {
        put(w, name.data, name.len);
        put_quoted(w, value);
        return;
    }
    if (!w->failed)
        w->failed = buf_reserve(w->out, name.len + value.len + 2);
    if (w->failed)
        return;
    p = laid(buf_space(w->out), name.data, name.len);
    *p++ = '"';
    if (value.len)
        p = laid(p, value.data, value.len);
    *p = '"';
    buf_commit(w->out, name.len + value.len + 2);
}

static void put_known(struct writer *w, struct slice name, struct slice value)
{
    if (value.len)
        put_string(w, name, value);
}

static void put_number(struct writer *w, struct slice name, uint64_t value)
{
    put(w, name.data, name.len);
    if (!w->failed)
        w->failed = buf_append_number(w->out, value);
}

static void put_pair(char *at, uint32_t v)
{
    at[0] = (char)('0' + v / 10);
    at[1] = (char)('0' + v % 10);
}

/* RFC 3339; the Gregorian calendar counted in days from 0000-03-01, where leap days come last. */
void record_time(char out[SEAL_TIME], uint64_t time_us)
{
    static const char TEXT[] = "0000-00-00T00:00:00.000000Z";
    uint64_t s = time_us / 1000000, days = s / 86400 + 719468;
    uint32_t us = (uint32_t)(time_us % 1000000), in_day = (uint32_t)(s % 86400);
    uint32_t era = (uint32_t)(days / 146097), doe = (uint32_t)(days % 146097);
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    uint32_t month = mp < 10 ? mp + 3 : mp - 9;
    uint32_t year = (yoe + era * 400 + (month <= 2)) % 10000;

    memcpy(out, TEXT, SEAL_TIME);
    put_pair(out, year / 100);
    put_pair(out + 2, year % 100);
    put_pair(out + 5, month);
    put_pair(out + 8, doy - (153 * mp + 2) / 5 + 1);
    put_pair(out + 11, in_day / 3600);
    put_pair(out + 14, in_day % 3600 / 60);
    put_pair(out + 17, in_day % 60);
    put_pair(out + 20, us / 10000);
    put_pair(out + 22, us / 100 % 100);
    put_pair(out + 24, us % 100);
}

static void put_time(struct writer *w, uint64_t time_us)
{
    char text[SEAL_TIME];

    record_time(text, time_us);
    put(w, text, sizeof(text));
}

/* `name` as for put_string. */
static void put_hex(struct writer *w, struct slice name, const unsigned char *bytes, size_t n)
{
    char *p;

    if (!w->failed)
        w->failed = buf_reserve(w->out, name.len + 2 * n + 2);
    if (w->failed)
        return;
    p = laid(buf_space(w->out), name.data, name.len);
    *p++ = '"';
    hex_put(p, bytes, n);
    p[2 * n] = '"';
    buf_commit(w->out, name.len + 2 * n + 2);
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

int record_close(struct buf *out, const struct chain_hash *hash)
{
    char tail[CHAIN_TAIL + 1] = ",\"h\":\"";

    hex_put(tail + 6, hash->bytes, CHAIN_HASH);
    memcpy(tail + 6 + CHAIN_HASH_HEX, "\"}\n", 3);
    return buf_append(out, tail, sizeof(tail));
}

int record_segment(struct buf *out, const struct record_head *head, const struct record_segment *s)
{
    struct writer w = begin(out, head, SLICE_LIT("segment"));

    put_number(&w, SLICE_LIT(",\"format\":"), RECORD_FORMAT);
    put_hex(&w, SLICE_LIT(",\"log\":"), s->log.bytes, SEAL_KEY);
    put_number(&w, SLICE_LIT(",\"epoch\":"), s->epoch);
    put_hex(&w, SLICE_LIT(",\"public_key\":"), s->public_key.bytes, SEAL_KEY);
    put_number(&w, SLICE_LIT(",\"previous_seq\":"), s->previous_seq);
    put_hex(&w, SLICE_LIT(",\"previous_hash\":"), s->previous.bytes, CHAIN_HASH);
    PUT_LIT(&w, ",\"open\":[");
    for (uint64_t i = 0; i < s->n_open; i++)
        put_number(&w, i ? SLICE_LIT(",") : SLICE_LIT(""), s->open[i]);
    PUT_LIT(&w, "]");
    return w.failed;
}

int record_seal(struct buf *out, const struct record_head *head, const struct seal *seal,
                const unsigned char signature[SEAL_SIGNATURE])
{
    struct writer w = begin(out, head, seal->next ? SLICE_LIT("epoch") : SLICE_LIT("checkpoint"));

    put_number(&w, SLICE_LIT(",\"epoch\":"), seal->epoch);
    put_hex(&w, SLICE_LIT(",\"hash\":"), seal->hash.bytes, CHAIN_HASH);
    if (seal->next)
        put_hex(&w, SLICE_LIT(",\"next_key\":"), seal->next->bytes, SEAL_KEY);
    put_hex(&w, SLICE_LIT(",\"signature\":"), signature, SEAL_SIGNATURE);
    return w.failed;
}

static void put_client(struct writer *w, const struct client_identity *c)
{
    struct writer inner = *w;
    size_t before = buf_len(w->out);

    /* Each member brings a comma; the first one's is turned into the brace. */
    put_known(&inner, SLICE_LIT(",\"name\":"), c->name);
    if (c->uid != CLIENT_UID_UNKNOWN)
        put_number(&inner, SLICE_LIT(",\"uid\":"), c->uid);
    put_known(&inner, SLICE_LIT(",\"user\":"), c->user);
    if (c->pid)
        put_number(&inner, SLICE_LIT(",\"pid\":"), c->pid);
    put_known(&inner, SLICE_LIT(",\"exe\":"), c->exe);
    put_known(&inner, SLICE_LIT(",\"via\":"), c->via);
    put_known(&inner, SLICE_LIT(",\"address\":"), c->address);
    put_known(&inner, SLICE_LIT(",\"unit\":"), c->unit);
    put_known(&inner, SLICE_LIT(",\"certificate\":"), c->certificate);
    put_string(&inner, SLICE_LIT(",\"vouched\":"),
               c->vouched ? SLICE_LIT("kernel") : SLICE_LIT("proxy"));
    if (!inner.failed && buf_len(w->out) > before)
        w->out->data[w->out->head + before] = '{';
    else
        PUT_LIT(&inner, "{");
    PUT_LIT(&inner, "}");
    *w = inner;
}

static void put_request(struct writer *w, const struct client_identity *client, struct slice method,
                        struct slice workspace, struct slice path)
{
    PUT_LIT(w, ",\"client\":");
    put_client(w, client);
    put_known(w, SLICE_LIT(",\"method\":"), method);
    put_known(w, SLICE_LIT(",\"workspace\":"), workspace);
    put_known(w, SLICE_LIT(",\"path\":"), path);
}

/* `name` as for put_string. */
static void put_problems(struct writer *w, struct slice name,
                         const struct request_problem *problems, uint32_t n, uint32_t total)
{
    for (uint32_t i = 0; i < n && !w->failed; i++) {
        if (i == 0)
            put(w, name.data, name.len);
        put(w, i ? ",{" : "[{", 2);
        put_string(w, SLICE_LIT("\"field\":"), problems[i].field);
        put_string(w, SLICE_LIT(",\"code\":"), problems[i].code);
        put_string(w, SLICE_LIT(",\"error\":"), problems[i].error);
        PUT_LIT(w, "}");
    }
    if (n)
        PUT_LIT(w, "]");
    if (total > n)
        put_number(w, SLICE_LIT(",\"problems_total\":"), total);
}

static void put_field(struct writer *w, const struct request_field *field,
                      const struct record_form *form)
{
    put_string(w, SLICE_LIT(""), field->name);
    switch (form->keep) {
    case RECORD_PLAIN:
        put_string(w, SLICE_LIT(":"), field->value);
        break;
    case RECORD_MAC:
        put_hex(w, SLICE_LIT(":{\"mac\":"), form->mac, MAC_BYTES);
        PUT_LIT(w, "}");
        break;
    case RECORD_OMIT:
        PUT_LIT(w, ":{\"omitted\":true}");
        break;
    }
}

/* An object's members, without the braces. */
static void put_members(struct writer *w, const struct request_field *fields, uint32_t n,
                        const struct record_form *forms)
{
    for (uint32_t i = 0; i < n && !w->failed; i++) {
        if (i)
            PUT_LIT(w, ",");
        put_field(w, &fields[i], &forms[i]);
    }
}

int record_intent(struct buf *out, const struct record_head *head, const struct sign_request *sign,
                  const struct record_redaction *redaction, struct slice key_id)
{
    struct writer w = begin(out, head, SLICE_LIT("intent"));

    put_string(&w, SLICE_LIT(",\"id\":"), sign->request_id);
    put_request(&w, &sign->client, sign->method, sign->workspace, sign->path);
    PUT_LIT(&w, ",\"fields\":{");
    put_members(&w, sign->fields, sign->n_fields, redaction->forms);
    put_hex(&w, SLICE_LIT("},\"body_mac\":"), redaction->body_mac, MAC_BYTES);
    put_problems(&w, SLICE_LIT(",\"problems\":"), sign->problems, sign->n_problems,
                 sign->problems_total);
    put_string(&w, SLICE_LIT(",\"key\":"), key_id);
    return w.failed;
}

static void put_answer(struct writer *w, const struct request_answer *a,
                       const struct record_form *forms)
{
    put_known(w, SLICE_LIT(",\"object\":"), a->object);
    if (a->what & REQUEST_ANSWER_OBJECT) {
        PUT_LIT(w, ",\"answer\":{");
        put_members(w, a->fields, a->n_fields, forms);
        PUT_LIT(w, "}");
    }
    put_known(w, SLICE_LIT(",\"answer_error\":"), a->error);
    if (a->what) {
        put_number(w, SLICE_LIT(",\"answer_bytes\":"), a->bytes);
        put_hex(w, SLICE_LIT(",\"answer_sha256\":"), (const unsigned char *)a->sha256.data,
                a->sha256.len);
    }
    if (a->what & REQUEST_ANSWER_MORE)
        PUT_LIT(w, ",\"answer_more\":true");
    if (a->what & REQUEST_ANSWER_CUT)
        PUT_LIT(w, ",\"answer_cut\":true");
    put_problems(w, SLICE_LIT(",\"answer_problems\":"), a->problems, a->n_problems,
                 a->problems_total);
}

int record_outcome(struct buf *out, const struct record_head *head, const struct record_outcome *o)
{
    struct writer w = begin(out, head, SLICE_LIT("outcome"));

    put_string(&w, SLICE_LIT(",\"id\":"), o->request_id);
    put_number(&w, SLICE_LIT(",\"intent\":"), o->intent);
    if (o->status)
        put_number(&w, SLICE_LIT(",\"status\":"), o->status);
    put_string(&w, SLICE_LIT(",\"sent\":"), slice_str(o->sent));
    if (o->timed)
        put_number(&w, SLICE_LIT(",\"duration_us\":"), o->duration_us);
    put_answer(&w, &o->answer, o->forms);
    put_known(&w, SLICE_LIT(",\"error\":"), o->error);
    return w.failed;
}

int record_reject(struct buf *out, const struct record_head *head,
                  const struct reject_request *reject)
{
    struct writer w = begin(out, head, SLICE_LIT("reject"));

    put_known(&w, SLICE_LIT(",\"id\":"), reject->request_id);
    put_request(&w, &reject->client, reject->method, reject->workspace, reject->path);
    if (reject->status)
        put_number(&w, SLICE_LIT(",\"status\":"), reject->status);
    put_known(&w, SLICE_LIT(",\"code\":"), reject->code);
    put_known(&w, SLICE_LIT(",\"error\":"), reject->error);
    put_known(&w, SLICE_LIT(",\"field\":"), reject->field);
    put_problems(&w, SLICE_LIT(",\"problems\":"), reject->problems, reject->n_problems,
                 reject->problems_total);
    if (reject->repeated)
        put_number(&w, SLICE_LIT(",\"repeated\":"), reject->repeated);
    return w.failed;
}

int record_start(struct buf *out, const struct record_head *head, struct slice version,
                 uint32_t pid, struct slice fields_key, uint64_t heartbeat)
{
    struct writer w = begin(out, head, SLICE_LIT("start"));

    put_string(&w, SLICE_LIT(",\"version\":"), version);
    put_number(&w, SLICE_LIT(",\"pid\":"), pid);
    put_string(&w, SLICE_LIT(",\"fields_key\":"), fields_key);
    put_number(&w, SLICE_LIT(",\"heartbeat\":"), heartbeat);
    return w.failed;
}

int record_fields_key(struct buf *out, const struct record_head *head, struct slice key_id)
{
    struct writer w = begin(out, head, SLICE_LIT("fields"));

    put_string(&w, SLICE_LIT(",\"event\":"), SLICE_LIT("key_created"));
    put_string(&w, SLICE_LIT(",\"key_id\":"), key_id);
    return w.failed;
}

int record_key(struct buf *out, const struct record_head *head, struct slice workspace,
               struct slice key_id, const char *event)
{
    struct writer w = begin(out, head, SLICE_LIT("key"));

    put_string(&w, SLICE_LIT(",\"workspace\":"), workspace);
    put_string(&w, SLICE_LIT(",\"key\":"), key_id);
    put_string(&w, SLICE_LIT(",\"event\":"), slice_str(event));
    return w.failed;
}

int record_config(struct buf *out, const struct record_head *head, const char *result,
                  struct slice error)
{
    struct writer w = begin(out, head, SLICE_LIT("config"));

    put_string(&w, SLICE_LIT(",\"result\":"), slice_str(result));
    put_known(&w, SLICE_LIT(",\"error\":"), error);
    return w.failed;
}

int record_recovery(struct buf *out, const struct record_head *head, struct slice segment,
                    uint64_t bytes, const struct chain_hash *sha256, struct slice tail)
{
    struct writer w = begin(out, head, SLICE_LIT("recovery"));

    put_string(&w, SLICE_LIT(",\"segment\":"), segment);
    put_number(&w, SLICE_LIT(",\"bytes\":"), bytes);
    put_hex(&w, SLICE_LIT(",\"sha256\":"), sha256->bytes, CHAIN_HASH);
    put_string(&w, SLICE_LIT(",\"torn\":"), tail);
    return w.failed;
}

int record_alarm(struct buf *out, const struct record_head *head, struct slice segment,
                 const char *event, uint64_t bytes, struct slice kept)
{
    struct writer w = begin(out, head, SLICE_LIT("alarm"));

    put_string(&w, SLICE_LIT(",\"segment\":"), segment);
    put_string(&w, SLICE_LIT(",\"event\":"), slice_str(event));
    put_number(&w, SLICE_LIT(",\"restored_bytes\":"), bytes);
    put_known(&w, SLICE_LIT(",\"kept\":"), kept);
    return w.failed;
}

int record_retired(struct buf *out, const struct record_head *head, struct slice segment,
                   const struct record_retired *retired)
{
    struct writer w = begin(out, head, SLICE_LIT("retired"));

    put_number(&w, SLICE_LIT(",\"first\":"), retired->first);
    put_number(&w, SLICE_LIT(",\"last\":"), retired->last);
    put_hex(&w, SLICE_LIT(",\"hash\":"), retired->hash.bytes, CHAIN_HASH);
    put_string(&w, SLICE_LIT(",\"segment\":"), segment);
    put_string(&w, SLICE_LIT(",\"reason\":"), slice_str(retired->reason));
    return w.failed;
}

int record_stop(struct buf *out, const struct record_head *head)
{
    return begin(out, head, SLICE_LIT("stop")).failed;
}

bool record_request_id_ok(struct slice s)
{
    if (s.len == 0 || s.len > REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c != '\0' && strchr("._:+/=@-", c))))
            return false;
    }
    return true;
}
