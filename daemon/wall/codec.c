/*
 * One reader and one writer walk over the bytes with a sticky failure flag, so that each message
 * is a plain list of its fields, the same in both directions; the length checks are in one place.
 */
#include "wall/codec.h"

#include <endian.h>
#include <errno.h>

#define TOO_EARLY "a message ends too early"

struct reader {
    const char *p, *end;
    const char *why; /* NULL while all is well */
};

/* `bytes` more, or NULL and the reason. */
static inline const char *take(struct reader *r, size_t bytes, const char *why)
{
    const char *p = r->p;

    if (r->why || (size_t)(r->end - p) < bytes) {
        r->why = r->why ? r->why : why;
        return NULL;
    }
    r->p += bytes;
    return p;
}

static inline uint32_t get_u32(struct reader *r)
{
    const char *p = take(r, 4, TOO_EARLY);
    uint32_t v = 0;

    if (p)
        memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static uint64_t get_u64(struct reader *r)
{
    const char *p = take(r, 8, TOO_EARLY);
    uint64_t v = 0;

    if (p)
        memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static uint32_t get_choice(struct reader *r, uint32_t min, uint32_t max)
{
    uint32_t v = get_u32(r);

    if (!r->why && (v < min || v > max))
        r->why = "a value is out of its range";
    return v;
}

static struct slice get_string(struct reader *r, size_t max)
{
    size_t len = get_u32(r);
    const char *p;

    if (!r->why && len > max)
        r->why = "a string is longer than its limit";
    p = take(r, len, "a string is longer than its message");
    return p ? slice_of(p, len) : SLICE_NULL;
}

static void get_client(struct reader *r, struct client_identity *c)
{
    c->name = get_string(r, REQUEST_NAME_MAX);
    c->uid = get_u32(r);
    c->user = get_string(r, REQUEST_NAME_MAX);
    c->pid = get_u32(r);
    c->exe = get_string(r, REQUEST_NAME_MAX);
    c->via = get_string(r, REQUEST_NAME_MAX);
    c->address = get_string(r, REQUEST_NAME_MAX);
    c->unit = get_string(r, REQUEST_NAME_MAX);
    c->certificate = get_string(r, REQUEST_NAME_MAX);
    c->token = get_string(r, REQUEST_NAME_MAX);
}

static uint32_t get_problems(struct reader *r, struct request_problem *problems)
{
    uint32_t n = get_choice(r, 0, REQUEST_PROBLEMS_MAX);

    for (uint32_t i = 0; !r->why && i < n; i++) {
        problems[i].field = get_string(r, REQUEST_NAME_MAX);
        problems[i].code = get_string(r, REQUEST_NAME_MAX);
        problems[i].error = get_string(r, REQUEST_TEXT_MAX);
    }
    return n;
}

static void get_sign(struct reader *r, struct sign_request *s, struct wire_space *space)
{
    struct request_field *fields = space->fields;

    s->id = get_u64(r);
    s->request_id = get_string(r, REQUEST_ID_MAX);
    get_client(r, &s->client);
    s->method = get_string(r, REQUEST_METHOD_MAX);
    s->workspace = get_string(r, REQUEST_WORKSPACE_MAX);
    s->path = get_string(r, REQUEST_PATH_MAX);
    s->n_fields = get_choice(r, 0, REQUEST_FIELDS_MAX);
    s->fields = fields;
    for (uint32_t i = 0; !r->why && i < s->n_fields; i++) {
        fields[i].name = get_string(r, WIRE_MESSAGE_MAX);
        fields[i].value = get_string(r, WIRE_MESSAGE_MAX);
    }
    s->n_problems = get_problems(r, space->problems);
    s->problems = space->problems;
}

static void get_reject(struct reader *r, struct reject_request *x, struct wire_space *space)
{
    x->id = get_u64(r);
    x->request_id = get_string(r, REQUEST_ID_MAX);
    get_client(r, &x->client);
    x->method = get_string(r, REQUEST_METHOD_MAX);
    x->workspace = get_string(r, REQUEST_WORKSPACE_MAX);
    x->path = get_string(r, REQUEST_PATH_MAX);
    x->status = get_choice(r, 100, 599);
    x->code = get_string(r, REQUEST_NAME_MAX);
    x->error = get_string(r, REQUEST_TEXT_MAX);
    x->field = get_string(r, REQUEST_NAME_MAX);
    x->n_problems = get_problems(r, space->problems);
    x->problems = space->problems;
}

static void get_state(struct reader *r, struct wire_state *s, struct wire_space *space)
{
    s->id = get_u64(r);
    s->audit_ok = get_choice(r, 0, 1);
    s->reason = get_string(r, REQUEST_TEXT_MAX);
    s->records = get_u64(r);
    s->syncs = get_u64(r);
    s->signatures = get_u64(r);
    s->waiting = get_u64(r);
    s->quota = get_u64(r);
    s->n_receipts = get_choice(r, 0, WIRE_RECEIPTS_MAX);
    s->receipts = space->receipts;
    for (uint32_t i = 0; !r->why && i < s->n_receipts; i++) {
        space->receipts[i].name = get_string(r, REQUEST_NAME_MAX);
        space->receipts[i].records = get_u64(r);
        space->receipts[i].age_us = get_u64(r);
    }
}

static void get_signed(struct reader *r, struct wire_signed *s)
{
    s->id = get_u64(r);
    s->key_id = get_string(r, REQUEST_NAME_MAX);
    s->signature = get_string(r, WIRE_SIGNATURE);
    if (!r->why && s->signature.len != WIRE_SIGNATURE)
        r->why = "a signature is too short";
}

static void get_outcome(struct reader *r, struct wire_outcome *o)
{
    o->id = get_u64(r);
    o->status = get_choice(r, 0, 599);
    o->sent = get_choice(r, WIRE_SENT_NONE, WIRE_SENT_ALL);
    o->duration_us = get_u64(r);
    o->error = get_string(r, REQUEST_TEXT_MAX);
}

static void get_message(struct reader *r, struct wire_message *m, struct wire_space *space)
{
    switch (m->type) {
    case WIRE_HELLO:
        m->version = get_u32(r);
        break;
    case WIRE_WELCOME:
    case WIRE_STATE:
        get_state(r, &m->state, space);
        break;
    case WIRE_SIGN:
        get_sign(r, &m->sign, space);
        break;
    case WIRE_SIGNED:
        get_signed(r, &m->signed_);
        break;
    case WIRE_REFUSED:
        m->refused.id = get_u64(r);
        m->refused.reason = get_choice(r, WIRE_REASON_FORBIDDEN, WIRE_REASON_UNKNOWN_CLIENT);
        m->refused.text = get_string(r, REQUEST_TEXT_MAX);
        break;
    case WIRE_OUTCOME:
        get_outcome(r, &m->outcome);
        break;
    case WIRE_REJECT:
        get_reject(r, &m->reject, space);
        break;
    case WIRE_RECORDED:
        m->recorded.id = get_u64(r);
        m->recorded.durable = get_choice(r, 0, 1);
        break;
    case WIRE_PING:
        m->id = get_u64(r);
        break;
    default:
        r->why = "a message of an unknown type";
    }
}

int codec_decode(struct slice in, struct wire_message *m, struct wire_space *space, size_t *used,
                 const char **why)
{
    struct reader r = {in.data, in.data + in.len, NULL};
    size_t len;
    uint32_t type;

    if (in.len < WIRE_HEADER)
        return CODEC_PARTIAL;
    len = get_u32(&r);
    type = get_u32(&r); /* a byte, and three that are zero */
    m->type = (enum wire_type)(type & 0xff);
    if (type > 0xff) {
        *why = "a message header is malformed";
        return CODEC_BAD;
    }
    if (len > WIRE_MESSAGE_MAX) {
        *why = "a message is longer than its limit";
        return CODEC_BAD;
    }
    if (in.len - WIRE_HEADER < len)
        return CODEC_PARTIAL;
    r.end = r.p + len;
    get_message(&r, m, space);
    if (!r.why && r.p != r.end)
        r.why = "a message is longer than its fields";
    if (r.why) {
        *why = r.why;
        return CODEC_BAD;
    }
    *used = WIRE_HEADER + len;
    return CODEC_DONE;
}

struct writer {
    struct buf *out;
    int failed; /* 0 or a negative errno */
};

static void put_int(struct writer *w, uint64_t v, unsigned bytes)
{
    char *p;

    if (w->failed)
        return;
    w->failed = buf_reserve(w->out, bytes);
    if (w->failed)
        return;
    p = buf_space(w->out);
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (char)(v >> (8 * i));
    buf_commit(w->out, bytes);
}

static void put_u32(struct writer *w, uint32_t v)
{
    put_int(w, v, 4);
}

static void put_u64(struct writer *w, uint64_t v)
{
    put_int(w, v, 8);
}

static void put_string(struct writer *w, struct slice s, size_t max)
{
    if (s.len > max && !w->failed)
        w->failed = -EMSGSIZE;
    put_u32(w, (uint32_t)s.len);
    if (!w->failed)
        w->failed = buf_append_slice(w->out, s);
}

static void put_client(struct writer *w, const struct client_identity *c)
{
    put_string(w, c->name, REQUEST_NAME_MAX);
    put_u32(w, c->uid);
    put_string(w, c->user, REQUEST_NAME_MAX);
    put_u32(w, c->pid);
    put_string(w, c->exe, REQUEST_NAME_MAX);
    put_string(w, c->via, REQUEST_NAME_MAX);
    put_string(w, c->address, REQUEST_NAME_MAX);
    put_string(w, c->unit, REQUEST_NAME_MAX);
    put_string(w, c->certificate, REQUEST_NAME_MAX);
    put_string(w, c->token, REQUEST_NAME_MAX);
}

static void put_problems(struct writer *w, const struct request_problem *problems, uint32_t n)
{
    if (n > REQUEST_PROBLEMS_MAX && !w->failed)
        w->failed = -EMSGSIZE;
    put_u32(w, n);
    for (uint32_t i = 0; !w->failed && i < n; i++) {
        put_string(w, problems[i].field, REQUEST_NAME_MAX);
        put_string(w, problems[i].code, REQUEST_NAME_MAX);
        put_string(w, problems[i].error, REQUEST_TEXT_MAX);
    }
}

static void put_sign(struct writer *w, const struct sign_request *s)
{
    put_u64(w, s->id);
    put_string(w, s->request_id, REQUEST_ID_MAX);
    put_client(w, &s->client);
    put_string(w, s->method, REQUEST_METHOD_MAX);
    put_string(w, s->workspace, REQUEST_WORKSPACE_MAX);
    put_string(w, s->path, REQUEST_PATH_MAX);
    if (s->n_fields > REQUEST_FIELDS_MAX && !w->failed)
        w->failed = -EMSGSIZE;
    put_u32(w, s->n_fields);
    for (uint32_t i = 0; !w->failed && i < s->n_fields; i++) {
        put_string(w, s->fields[i].name, WIRE_MESSAGE_MAX);
        put_string(w, s->fields[i].value, WIRE_MESSAGE_MAX);
    }
    put_problems(w, s->problems, s->n_problems);
}

static void put_reject(struct writer *w, const struct reject_request *x)
{
    put_u64(w, x->id);
    put_string(w, x->request_id, REQUEST_ID_MAX);
    put_client(w, &x->client);
    put_string(w, x->method, REQUEST_METHOD_MAX);
    put_string(w, x->workspace, REQUEST_WORKSPACE_MAX);
    put_string(w, x->path, REQUEST_PATH_MAX);
    put_u32(w, x->status);
    put_string(w, x->code, REQUEST_NAME_MAX);
    put_string(w, x->error, REQUEST_TEXT_MAX);
    put_string(w, x->field, REQUEST_NAME_MAX);
    put_problems(w, x->problems, x->n_problems);
}

static void put_state(struct writer *w, const struct wire_state *s)
{
    put_u64(w, s->id);
    put_u32(w, s->audit_ok);
    put_string(w, s->reason, REQUEST_TEXT_MAX);
    put_u64(w, s->records);
    put_u64(w, s->syncs);
    put_u64(w, s->signatures);
    put_u64(w, s->waiting);
    put_u64(w, s->quota);
    if (s->n_receipts > WIRE_RECEIPTS_MAX && !w->failed)
        w->failed = -EMSGSIZE;
    put_u32(w, s->n_receipts);
    for (uint32_t i = 0; !w->failed && i < s->n_receipts; i++) {
        put_string(w, s->receipts[i].name, REQUEST_NAME_MAX);
        put_u64(w, s->receipts[i].records);
        put_u64(w, s->receipts[i].age_us);
    }
}

static void put_message(struct writer *w, const struct wire_message *m)
{
    switch (m->type) {
    case WIRE_HELLO:
        put_u32(w, m->version);
        break;
    case WIRE_WELCOME:
    case WIRE_STATE:
        put_state(w, &m->state);
        break;
    case WIRE_SIGN:
        put_sign(w, &m->sign);
        break;
    case WIRE_SIGNED:
        put_u64(w, m->signed_.id);
        put_string(w, m->signed_.key_id, REQUEST_NAME_MAX);
        put_string(w, m->signed_.signature, WIRE_SIGNATURE);
        break;
    case WIRE_REFUSED:
        put_u64(w, m->refused.id);
        put_u32(w, m->refused.reason);
        put_string(w, m->refused.text, REQUEST_TEXT_MAX);
        break;
    case WIRE_OUTCOME:
        put_u64(w, m->outcome.id);
        put_u32(w, m->outcome.status);
        put_u32(w, m->outcome.sent);
        put_u64(w, m->outcome.duration_us);
        put_string(w, m->outcome.error, REQUEST_TEXT_MAX);
        break;
    case WIRE_REJECT:
        put_reject(w, &m->reject);
        break;
    case WIRE_RECORDED:
        put_u64(w, m->recorded.id);
        put_u32(w, m->recorded.durable);
        break;
    case WIRE_PING:
        put_u64(w, m->id);
        break;
    default:
        w->failed = -EINVAL;
    }
}

int codec_encode(struct buf *out, const struct wire_message *m)
{
    struct writer w = {out, 0};
    size_t before = buf_len(out), len;

    put_int(&w, 0, 4);
    put_int(&w, m->type, 1);
    put_int(&w, 0, 3);
    put_message(&w, m);
    len = buf_len(out) - before;
    if (!w.failed && len - WIRE_HEADER > WIRE_MESSAGE_MAX)
        w.failed = -EMSGSIZE;
    if (w.failed) {
        out->tail -= len;
        return w.failed;
    }
    len -= WIRE_HEADER;
    for (unsigned i = 0; i < 4; i++)
        out->data[out->head + before + i] = (char)(len >> (8 * i));
    return 0;
}
