/*
 * One cursor walks over a message's fields in both directions: a message is a plain list of its
 * fields, which either writes them or reads them, so that the two can't disagree. The first
 * failure stays; the length checks are in one place.
 */
#include "wall/codec.h"

#include <endian.h>
#include <errno.h>

struct cursor {
    struct buf *out;          /* written to; NULL: reads */
    const char *p, *end;      /* what is left to read */
    struct wire_space *space; /* where the lists that are read are kept */
    const char *why;          /* NULL while all is well: a static sentence */
    int failed;               /* 0, or what the output buffer said */
};

/* Reads the next `n` bytes, or gives NULL and keeps the reason. */
static inline const char *next(struct cursor *c, size_t n, const char *why)
{
    const char *p = c->p;

    if (c->why || (size_t)(c->end - p) < n) {
        c->why = c->why ? c->why : why;
        return NULL;
    }
    c->p += n;
    return p;
}

/* Inlined, so that copying four or eight bytes is one instruction. */
static inline __attribute__((always_inline)) void bytes(struct cursor *c, void *v, size_t n)
{
    const char *p;

    if (c->out) {
        if (!c->why && !c->failed)
            c->failed = buf_append(c->out, v, n);
        return;
    }
    p = next(c, n, "a message ends too early");
    if (p)
        memcpy(v, p, n);
    else
        memset(v, 0, n);
}

static inline __attribute__((always_inline)) void u32(struct cursor *c, uint32_t *v)
{
    uint32_t le = htole32(*v);

    bytes(c, &le, sizeof(le));
    *v = le32toh(le);
}

static void u64(struct cursor *c, uint64_t *v)
{
    uint64_t le = htole64(*v);

    bytes(c, &le, sizeof(le));
    *v = le64toh(le);
}

static void choice(struct cursor *c, uint32_t *v, uint32_t min, uint32_t max)
{
    u32(c, v);
    if (!c->why && (*v < min || *v > max))
        c->why = "a value is out of its range";
}

static void string(struct cursor *c, struct slice *s, size_t max)
{
    uint32_t len = (uint32_t)s->len;
    const char *p;

    u32(c, &len);
    if (!c->why && (c->out ? s->len : len) > max)
        c->why = "a string is longer than its limit";
    if (c->out) {
        if (!c->why && !c->failed)
            c->failed = buf_append_slice(c->out, *s);
        return;
    }
    p = next(c, len, "a string is longer than its message");
    *s = p ? slice_of(p, len) : SLICE_NULL;
}

static void client(struct cursor *c, struct client_identity *who)
{
    string(c, &who->name, REQUEST_NAME_MAX);
    u32(c, &who->uid);
    string(c, &who->user, REQUEST_NAME_MAX);
    u32(c, &who->pid);
    string(c, &who->exe, REQUEST_NAME_MAX);
    string(c, &who->via, REQUEST_NAME_MAX);
    string(c, &who->address, REQUEST_NAME_MAX);
    string(c, &who->unit, REQUEST_NAME_MAX);
    string(c, &who->certificate, REQUEST_NAME_MAX);
    string(c, &who->token, REQUEST_NAME_MAX);
    choice(c, &who->has_socket, 0, 1);
    who->socket = -1; /* travels beside the message: wall/link */
    who->vouched = false;
}

/*
 * A list is copied element by element: what is written is the caller's and constant, what is read
 * goes into `space`.
 */
static void problems(struct cursor *c, uint32_t *n, const struct request_problem **list,
                     uint32_t *total)
{
    u32(c, total);
    choice(c, n, 0, REQUEST_PROBLEMS_MAX);
    for (uint32_t i = 0; !c->why && !c->failed && i < *n; i++) {
        struct request_problem one = c->out ? (*list)[i] : (struct request_problem){0};

        string(c, &one.field, REQUEST_NAME_MAX);
        string(c, &one.code, REQUEST_NAME_MAX);
        string(c, &one.error, REQUEST_TEXT_MAX);
        if (!c->out)
            c->space->problems[i] = one;
    }
    if (!c->out)
        *list = c->space->problems;
}

/* The bytes of all names and values, and 12 for each, are at most `max`. */
static void fields(struct cursor *c, uint32_t *n, const struct request_field **list, size_t max)
{
    size_t left = max;

    choice(c, n, 0, REQUEST_FIELDS_MAX);
    for (uint32_t i = 0; !c->why && !c->failed && i < *n; i++) {
        struct request_field one = c->out ? (*list)[i] : (struct request_field){0};

        left = left > 12 ? left - 12 : 0;
        string(c, &one.name, left);
        left -= c->why ? 0 : one.name.len;
        string(c, &one.value, left);
        left -= c->why ? 0 : one.value.len;
        choice(c, &one.type, 0, REQUEST_TYPES - 1);
        if (!c->out)
            c->space->fields[i] = one;
    }
    if (!c->out)
        *list = c->space->fields;
}

static void answer(struct cursor *c, struct request_answer *a)
{
    choice(c, &a->what, 0, 2 * REQUEST_ANSWER_MORE - 1);
    string(c, &a->object, REQUEST_PATH_MAX);
    fields(c, &a->n_fields, &a->fields, REQUEST_ANSWER_FIELDS_MAX);
    string(c, &a->error, REQUEST_TEXT_MAX);
    u64(c, &a->bytes);
    string(c, &a->sha256, REQUEST_SHA256);
    problems(c, &a->n_problems, &a->problems, &a->problems_total);
    if (!c->why && a->sha256.len != (a->what ? REQUEST_SHA256 : 0))
        c->why = "an answer's hash is of another length";
}

static void sign(struct cursor *c, struct sign_request *s)
{
    u64(c, &s->id);
    string(c, &s->request_id, REQUEST_ID_MAX);
    client(c, &s->client);
    string(c, &s->method, REQUEST_METHOD_MAX);
    string(c, &s->workspace, REQUEST_WORKSPACE_MAX);
    string(c, &s->path, REQUEST_PATH_MAX);
    fields(c, &s->n_fields, &s->fields, WIRE_MESSAGE_MAX);
    problems(c, &s->n_problems, &s->problems, &s->problems_total);
}

static void reject(struct cursor *c, struct reject_request *x)
{
    x->repeated = 0; /* the keeper's own */
    u64(c, &x->id);
    string(c, &x->request_id, REQUEST_ID_MAX);
    client(c, &x->client);
    string(c, &x->method, REQUEST_METHOD_MAX);
    string(c, &x->workspace, REQUEST_WORKSPACE_MAX);
    string(c, &x->path, REQUEST_PATH_MAX);
    choice(c, &x->status, 100, 599);
    string(c, &x->code, REQUEST_NAME_MAX);
    string(c, &x->error, REQUEST_TEXT_MAX);
    string(c, &x->field, REQUEST_NAME_MAX);
    problems(c, &x->n_problems, &x->problems, &x->problems_total);
}

static void state(struct cursor *c, struct wire_state *s)
{
    u64(c, &s->id);
    choice(c, &s->audit_ok, 0, 1);
    string(c, &s->reason, REQUEST_TEXT_MAX);
    u64(c, &s->records);
    u64(c, &s->syncs);
    u64(c, &s->signatures);
    u64(c, &s->waiting);
    u64(c, &s->quota);
    choice(c, &s->n_receipts, 0, WIRE_RECEIPTS_MAX);
    for (uint32_t i = 0; !c->why && !c->failed && i < s->n_receipts; i++) {
        struct wire_receipt one = c->out ? s->receipts[i] : (struct wire_receipt){0};

        string(c, &one.name, REQUEST_NAME_MAX);
        u64(c, &one.records);
        u64(c, &one.age_us);
        if (!c->out)
            c->space->receipts[i] = one;
    }
    if (!c->out)
        s->receipts = c->space->receipts;
}

static void message(struct cursor *c, struct wire_message *m)
{
    switch (m->type) {
    case WIRE_HELLO:
        u32(c, &m->version);
        break;
    case WIRE_WELCOME:
    case WIRE_STATE:
        state(c, &m->state);
        break;
    case WIRE_SIGN:
        sign(c, &m->sign);
        break;
    case WIRE_SIGNED:
        u64(c, &m->signed_.id);
        string(c, &m->signed_.key_id, REQUEST_NAME_MAX);
        string(c, &m->signed_.signature, WIRE_SIGNATURE);
        if (!c->why && m->signed_.signature.len != WIRE_SIGNATURE)
            c->why = "a signature is too short";
        break;
    case WIRE_REFUSED:
        u64(c, &m->refused.id);
        choice(c, &m->refused.reason, WIRE_REASON_FORBIDDEN, WIRE_REASON_UNKNOWN_CLIENT);
        string(c, &m->refused.text, REQUEST_TEXT_MAX);
        break;
    case WIRE_OUTCOME:
        u64(c, &m->outcome.id);
        choice(c, &m->outcome.status, 0, 599);
        choice(c, &m->outcome.sent, WIRE_SENT_NONE, WIRE_SENT_ALL);
        u64(c, &m->outcome.duration_us);
        string(c, &m->outcome.error, REQUEST_TEXT_MAX);
        answer(c, &m->outcome.answer);
        break;
    case WIRE_REJECT:
        reject(c, &m->reject);
        break;
    case WIRE_RECORDED:
        u64(c, &m->recorded.id);
        choice(c, &m->recorded.durable, 0, 1);
        break;
    case WIRE_PING:
        u64(c, &m->id);
        break;
    default:
        c->why = "a message of an unknown type";
    }
}

int codec_decode(struct slice in, struct wire_message *m, struct wire_space *space, size_t *used,
                 const char **why)
{
    struct cursor c = {.p = in.data, .end = in.data + in.len, .space = space};
    uint32_t len = 0, type = 0;

    if (in.len < WIRE_HEADER)
        return CODEC_PARTIAL;
    u32(&c, &len);
    u32(&c, &type); /* a byte, and three that are zero */
    m->type = (enum wire_type)(type & 0xff);
    if (type > 0xff)
        c.why = "a message header is malformed";
    else if (len > WIRE_MESSAGE_MAX)
        c.why = "a message is longer than its limit";
    else if (in.len - WIRE_HEADER < len)
        return CODEC_PARTIAL;
    if (!c.why) {
        c.end = c.p + len;
        message(&c, m);
    }
    if (!c.why && c.p != c.end)
        c.why = "a message is longer than its fields";
    if (c.why) {
        *why = c.why;
        return CODEC_BAD;
    }
    *used = WIRE_HEADER + len;
    return CODEC_DONE;
}

int codec_encode(struct buf *out, const struct wire_message *m)
{
    struct wire_message copy = *m;
    struct cursor c = {.out = out};
    size_t before = buf_len(out), len;
    uint32_t type = (uint32_t)m->type, header = 0;

    u32(&c, &header); /* the length, filled in below */
    u32(&c, &type);
    message(&c, &copy);
    len = buf_len(out) - before;
    if (!c.failed && (c.why || len - WIRE_HEADER > WIRE_MESSAGE_MAX))
        c.failed = -EMSGSIZE;
    if (c.failed) {
        out->tail -= len;
        return c.failed;
    }
    header = htole32((uint32_t)(len - WIRE_HEADER));
    memcpy(out->data + out->head + before, &header, sizeof(header));
    return 0;
}
