#include "proxy/reply.h"

#include "api/api.h"
#include "base/log.h"
#include "proxy/body.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    REPLY_HEAD_MAX = 128 * 1024,
    REPLY_ROOM = 64 * 1024, /* bytes that may come in one piece behind the last one told of */
};

void reply_init(struct reply *r)
{
    *r = (struct reply){.head = BUF_INIT(REPLY_HEAD_MAX),
                        .body = BUF_INIT(REQUEST_ANSWER_MAX + REPLY_ROOM)};
}

void reply_deinit(struct reply *r)
{
    buf_deinit(&r->head);
    buf_deinit(&r->body);
}

void reply_head(struct reply *r, const struct http_head *head)
{
    r->status = head->status;
    r->encoded = http_field(head, SLICE_LIT("content-encoding")) != NULL;
}

int reply_add(struct reply *r, const char *data, size_t len)
{
    return buf_append(&r->body, data, len);
}

bool reply_full(const struct reply *r)
{
    return buf_len(&r->body) > REQUEST_ANSWER_MAX;
}

bool reply_is_whole(struct proxy *proxy, const struct reply *r)
{
    struct slice body = buf_slice(&r->body);
    struct canon_error bad;

    return body.len && canon_body(&proxy->canon, body, CANON_FLATTEN, &bad) == 0;
}

int reply_put(const struct reply *r, struct buf *out, struct slice piece)
{
    int e = 0;

    if (piece.len == 0)
        return 0;
    if (r->chunked)
        e = buf_printf(out, "%zx\r\n", piece.len);
    if (e == 0)
        e = buf_append_slice(out, piece);
    if (e == 0 && r->chunked)
        e = buf_append(out, "\r\n", 2);
    return e;
}

int reply_put_kept(struct reply *r, struct buf *out)
{
    int e = buf_append_slice(out, buf_slice(&r->head));

    if (e == 0)
        e = reply_put(r, out, buf_slice(&r->body));
    reply_deinit(r);
    return e;
}

int reply_put_end(const struct reply *r, struct buf *out)
{
    return r->chunked ? buf_append_slice(out, SLICE_LIT("0\r\n\r\n")) : 0;
}

/* Its members, in proxy->canon; false when it has none that could be told of. */
static bool members(struct proxy *proxy, const struct reply_to *to, const struct reply *r)
{
    const struct canon *canon = &proxy->canon;
    struct slice body = buf_slice(&r->body);
    struct canon_error bad;
    size_t bytes = 0;

    if (r->encoded || body.len == 0 || canon_body(&proxy->canon, body, to->nested, &bad) != 0)
        return false;
    for (size_t i = 0; i < canon->n; i++)
        bytes += canon->fields[i].name.len + canon->fields[i].value.len + 12;
    return bytes <= REQUEST_ANSWER_FIELDS_MAX;
}

static const struct request_field *member(const struct request_answer *a, struct slice name)
{
    for (uint32_t i = 0; i < a->n_fields; i++)
        if (slice_eq(a->fields[i].name, name))
            return &a->fields[i];
    return NULL;
}

/* Which object it is about; a problem, when it is another than the request was about. */
static void find_object(struct reply_facts *out, struct proxy *proxy, const struct reply_to *to,
                        const struct api_answer *described)
{
    struct request_answer *a = &out->answer;
    const struct request_field *id =
        described->member ? member(a, slice_str(described->member)) : NULL;
    size_t n = id && (id->type == REQUEST_NUMBER || id->type == REQUEST_STRING)
                   ? api_object(described, id->value, out->object)
                   : 0;
    bool creates = slice_eq(to->method, SLICE_LIT("POST"));

    a->object = creates ? slice_of(out->object, n) : to->path;
    if (!creates && n && !slice_eq(to->path, slice_of(out->object, n)))
        (void)validate_add(&proxy->report, "other_object", described->member,
                           "%s: the answer is about %.*s, the request was for %.*s",
                           described->member, (int)n, out->object, (int)to->path.len,
                           to->path.data);
}

/* The answer to a call that is described: what it is about, and in what it differs. */
static void compare(struct reply_facts *out, struct proxy *proxy, const struct setup *setup,
                    const struct reply_to *to, const struct reply *r)
{
    const struct api_path *path = api_find(setup->api, to->path);
    unsigned method = api_method_of(to->method);
    const struct api_answer *described =
        path && (api_methods(path) & method) ? api_answer(path, method, r->status) : NULL;
    const struct schema *schema = NULL;

    if (!described)
        return;
    if (setup->conf.validation != PROXY_OFF && !r->encoded && r->status != 204)
        schema = described->schema;
    if (schema && !(out->answer.what & REQUEST_ANSWER_OBJECT))
        (void)validate_add(&proxy->report, "not_as_described", "", "the answer is no JSON object");
    else if (schema &&
             validate(schema, &proxy->canon.tape, buf_slice(&r->body), &proxy->report) < 0)
        validate_clear(&proxy->report);
    find_object(out, proxy, to, described);
}

void reply_facts(struct reply_facts *out, struct proxy *proxy, const struct setup *setup,
                 const struct reply_to *to, const struct reply *r, uint32_t what)
{
    struct request_answer *a = &out->answer;
    struct slice body = buf_slice(&r->body);
    const struct request_field *error;

    *a = (struct request_answer){.what = REQUEST_ANSWER_THERE | what};
    body.len = body.len < REQUEST_ANSWER_MAX ? body.len : REQUEST_ANSWER_MAX;
    a->bytes = body.len;
    if (sha256_of(proxy->sha256, body, out->sha256) < 0) {
        *a = (struct request_answer){0};
        return;
    }
    a->sha256 = slice_of((const char *)out->sha256, SHA256_BYTES);
    validate_clear(&proxy->report);
    if (!what && members(proxy, to, r)) {
        a->what |= REQUEST_ANSWER_OBJECT;
        a->n_fields = (uint32_t)proxy->canon.n;
        a->fields = proxy->canon.fields;
    }
    if (r->status / 100 == 2 && !what)
        compare(out, proxy, setup, to, r);
    error = r->status >= 400 ? member(a, SLICE_LIT("error")) : NULL;
    if (error && error->type == REQUEST_STRING)
        a->error = slice_cut(error->value, REQUEST_TEXT_MAX);
    a->n_problems = body_problems(proxy, &a->problems, &a->problems_total);
    if (a->problems_total) {
        proxy->metrics.answer_problems++;
        log_warning("answer_not_as_described", "path=%s problems=%" PRIu32 " first=%s",
                    log_quote(to->path).text, a->problems_total,
                    log_quote(a->problems[0].field).text);
    }
}
