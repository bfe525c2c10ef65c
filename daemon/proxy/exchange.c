/*
 * Each step below is called by an event (the client's request, the keeper's answer, the upstream's
 * answer) and ends by asking for the next one. The promises are kept by the order of the steps:
 * nothing goes upstream before SIGNED came (the intent is durable), and nothing of the answer goes
 * to the client before RECORDED came (the outcome is durable).
 */
#include "proxy/exchange.h"

#include "base/log.h"
#include "proxy/answer.h"
#include "proxy/body.h"
#include "proxy/forward.h"
#include "proxy/identify.h"
#include "proxy/reply.h"
#include "proxy/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum exchange_state {
    EXCHANGE_SIGNING,   /* waits for the keeper to sign or to refuse */
    EXCHANGE_SENDING,   /* waits for the upstream's answer, whole or too long to wait for */
    EXCHANGE_RECORDING, /* waits for the outcome to be durable */
    EXCHANGE_RELAYING,  /* hands the rest of a long body to the client */
    EXCHANGE_REJECTING, /* waits for the reject record to be durable */
};

enum {
    EXCHANGE_ERRORS_MAX = 512 * 1024,
    EXCHANGE_REQUEST_MAX = REQUEST_BODY_MAX + 1024 * 1024, /* head and body for the upstream */
};

struct exchange {
    enum exchange_attached attached; /* ATTACHED_EXCHANGE, 0 */
    struct proxy *proxy;
    struct setup *setup;
    struct client *client; /* NULL once it is gone */
    enum exchange_state state;
    struct exchange *next, *prev;
    struct exchange_form form;
    struct caller_ticket ticket;
    struct upstream_call *call; /* NULL before and after */
    struct buf request;         /* what goes upstream; holds the signature */
    struct refusal refusal;     /* the answer, when the daemon makes it (status != 0) */
    struct buf errors;          /* and its list of what is wrong with the body */
    char id[REQUEST_ID_MAX + 1];
    unsigned minor;
    bool keep_alive, to_head; /* as answer_to */
    bool failed;              /* the upstream failed while the outcome was being recorded */
    char *path;               /* the api-path: of whom the answer tells */
    struct slice method;      /* static */
    struct reply reply;
    uint64_t began; /* monotonic microseconds */
    uint64_t user;  /* who asks: client_user */
};

static const struct upstream_events UPSTREAM_EVENTS;
static void exchange_keeper(struct caller_ticket *ticket, const struct wire_message *m);

static void exchange_free(struct exchange *x)
{
    struct proxy *proxy = x->proxy;

    caller_forget(proxy->keeper, &x->ticket);
    if (x->next)
        x->next->prev = x->prev;
    if (x->prev)
        x->prev->next = x->next;
    else
        proxy->first = x->next;
    proxy->running--;
    buf_deinit(&x->request);
    buf_deinit(&x->errors);
    reply_deinit(&x->reply);
    setup_unref(x->setup);
    free(x->path);
    free(x);
    if (proxy->running == 0 && proxy->quiet)
        proxy->quiet(proxy->arg);
}

static struct answer_to exchange_to(const struct exchange *x)
{
    return (struct answer_to){.request_id = slice_str(x->id),
                              .minor = x->minor,
                              .keep_alive = x->keep_alive && !client_closing(x->client) &&
                                            !x->proxy->draining,
                              .to_head = x->to_head,
                              .now_us = loop_wall()};
}

static void exchange_count(struct exchange *x, unsigned status)
{
    x->proxy->metrics.answers[status / 100 % 6]++;
    if (x->refusal.status) {
        x->proxy->metrics.refusals++;
        x->proxy->metrics.unknown += strcmp(x->refusal.outcome, "unknown") == 0;
    }
}

/* Answers with the refusal and ends; without a client it just ends. */
static void exchange_answer(struct exchange *x)
{
    const struct refusal *no = &x->refusal;

    /* A problem's text may quote a field's value, which may be private. */
    log_info("answered", "id=%s status=%u code=%s outcome=%s upstream_status=%u %s=%s", x->id,
             no->status, no->code, no->outcome, x->reply.status, no->field[0] ? "field" : "error",
             log_quote(slice_str(no->field[0] ? no->field : no->text)).text);
    exchange_count(x, no->status);
    if (x->client) {
        struct client *client = x->client;
        struct answer_to to = exchange_to(x);

        if (answer_refusal(client_out(client), &to, no, x->reply.status, buf_slice(&x->errors)) < 0)
            to.keep_alive = false;
        client_answered(client, to.keep_alive);
    }
    exchange_free(x);
}

static struct exchange *exchange_new(struct proxy *proxy, struct client *client,
                                     const struct http_head *head)
{
    struct exchange *x = calloc(1, sizeof(*x));

    if (!x) {
        client_answered(client, false);
        return NULL;
    }
    x->proxy = proxy;
    x->setup = setup_ref(proxy->setup);
    x->form.literal = x->setup->conf.literal;
    x->form.nested = x->setup->conf.nested_json ? CANON_JSON : CANON_FLATTEN;
    x->client = client;
    x->request = BUF_INIT_SECRET(EXCHANGE_REQUEST_MAX);
    x->errors = BUF_INIT(EXCHANGE_ERRORS_MAX);
    reply_init(&x->reply);
    x->minor = head ? head->minor : 1;
    x->keep_alive = head && head->keep_alive;
    x->to_head = head && slice_eq(head->method, SLICE_LIT("HEAD"));
    x->ticket.answer = exchange_keeper;
    x->ticket.arg = x;
    x->began = loop_now();
    request_id_fill(x->id, head, &proxy->ids);
    x->next = proxy->first;
    if (x->next)
        x->next->prev = x;
    proxy->first = x;
    proxy->running++;
    client_attach(client, x);
    return x;
}

/*
 * Sends the reject record; the answer waits for it. Without a keeper there is nobody to record
 * it, and the answer goes at once.
 */
static void exchange_reject(struct exchange *x, const struct http_head *head)
{
    const struct refusal *no = &x->refusal;
    struct reject_request reject = {.request_id = slice_str(x->id),
                                    .client = identify_client(x->client, head),
                                    .status = no->status,
                                    .code = slice_str(no->code),
                                    .error = slice_cut(slice_str(no->text), REQUEST_TEXT_MAX),
                                    .field = slice_str(no->field)};
    struct target target = {0};
    const char *why;
    int r;

    if (no->status == 422) {
        reject.n_problems = body_problems(x->proxy, &reject.problems, &reject.problems_total);
        if (body_errors(&x->errors, &x->proxy->report) < 0)
            buf_deinit(&x->errors); /* the first problem is reported all the same */
    }
    if (head) {
        reject.method = head->method;
        reject.path = slice_cut(head->target, REQUEST_PATH_MAX);
        if (target_parse(head->target, &target, &why) == 0) {
            reject.path = target.path;
            reject.workspace =
                target.workspace.len ? target.workspace : slice_str(x->setup->conf.workspace);
        }
    }
    x->state = EXCHANGE_REJECTING;
    r = caller_reject(x->proxy->keeper, &x->ticket, &reject);
    if (r == -EMFILE || r == -ENFILE) {
        reject.client.has_socket = 0;
        r = caller_reject(x->proxy->keeper, &x->ticket, &reject);
    }
    if (r == 0)
        return;
    x->proxy->metrics.unrecorded++;
    exchange_answer(x);
}

/* Before the body is read: what can be refused now need not be sent. */
static bool exchange_check(void *arg, const struct http_head *head, struct refusal *why)
{
    struct proxy *proxy = arg;
    struct target target;

    return identify_check(head, why) && forward_check(proxy->setup, head, &target, why) &&
           ready_for(proxy, why);
}

static void exchange_refused(void *arg, struct client *client, const struct http_head *head,
                             const struct refusal *why)
{
    struct exchange *x = exchange_new(arg, client, head);

    if (!x)
        return;
    x->refusal = *why;
    exchange_reject(x, head);
}

/* The request is whole: ask the keeper to record the intent and to sign. */
static void exchange_start(struct proxy *proxy, struct client *client, const struct http_head *head,
                           struct slice body, const struct exchange_form *form)
{
    struct exchange *x = exchange_new(proxy, client, head);
    struct client_identity who;
    struct target target;
    struct sign_request sign;
    int r;

    if (!x)
        return;
    if (form)
        x->form = *form;
    proxy->metrics.requests++;
    if (!forward_check(x->setup, head, &target, &x->refusal) || !ready_for(proxy, &x->refusal) ||
        !body_check(proxy, x->setup, head, &target, body, x->form.nested, &x->refusal)) {
        exchange_reject(x, head);
        return;
    }
    who = identify_client(x->client, head);
    x->user = client_user(x->client, who.uid);
    if (upstream_full(x->setup->upstream, x->user)) {
        refuse(&x->refusal, 503, "overloaded", "too many requests wait for the upstream");
        exchange_reject(x, head);
        return;
    }
    sign = (struct sign_request){.request_id = slice_str(x->id),
                                 .client = who,
                                 .method = head->method,
                                 .workspace = target.workspace,
                                 .path = target.path,
                                 .n_fields = (uint32_t)proxy->canon.n,
                                 .fields = proxy->canon.fields};
    sign.n_problems = body_problems(proxy, &sign.problems, &sign.problems_total);
    x->method = slice_str(api_method_name(api_method_of(head->method)));
    x->path = strndup(target.path.data, target.path.len);
    r = x->path ? 0 : -ENOMEM;
    if (r == 0)
        r = forward_head(&x->request, x->setup, head, &target, slice_str(x->id), body.len);
    if (r == 0)
        r = caller_sign(proxy->keeper, &x->ticket, &sign);
    if (r == 0) {
        x->state = EXCHANGE_SIGNING;
        return;
    }
    if (r == -ENOTCONN)
        (void)ready_refuse(proxy, &x->refusal);
    else
        refuse(&x->refusal, 503, "overloaded", "the request can't be handed to the keeper: %s",
               strerror(-r));
    exchange_reject(x, head);
}

static void exchange_request(void *arg, struct client *client, const struct http_head *head,
                             struct slice body)
{
    exchange_start(arg, client, head, body, NULL);
}

void exchange_probe(struct proxy *proxy, struct client *client, const struct http_head *head,
                    struct slice body, const struct exchange_form *form)
{
    exchange_start(proxy, client, head, body, form);
}

/* Sends the outcome; what comes next waits for it. `answer` NULL: there was none. */
static void exchange_record(struct exchange *x, unsigned status, enum wire_sent sent,
                            const char *error, const struct request_answer *answer)
{
    struct wire_outcome outcome = {.status = status,
                                   .sent = sent,
                                   .duration_us = loop_now() - x->began,
                                   .error = slice_cut(slice_str(error), REQUEST_TEXT_MAX)};

    if (answer)
        outcome.answer = *answer;
    x->state = EXCHANGE_RECORDING;
    if (caller_outcome(x->proxy->keeper, &x->ticket, &outcome) < 0)
        exchange_keeper(&x->ticket, NULL);
}

/* What came of the upstream's answer; `what` as for reply_facts. */
static void exchange_record_reply(struct exchange *x, enum wire_sent sent, const char *error,
                                  uint32_t what)
{
    struct reply_to to = {x->method, slice_str(x->path), x->form.nested};
    struct reply_facts facts;

    reply_facts(&facts, x->proxy, x->setup, &to, &x->reply, what);
    exchange_record(x, x->reply.status, sent, error, &facts.answer);
}

/* The answer is the daemon's own: record it as the outcome first. */
static void exchange_fail(struct exchange *x, enum wire_sent sent)
{
    char error[REQUEST_TEXT_MAX];

    if (sent != WIRE_SENT_NONE)
        x->refusal.outcome = "unknown";
    (void)snprintf(error, sizeof(error), "%s: %s", x->refusal.code, x->refusal.text);
    if (x->reply.status)
        exchange_record_reply(x, sent, error, REQUEST_ANSWER_CUT);
    else
        exchange_record(x, x->refusal.status, sent, error, NULL);
}

static void exchange_signed(struct exchange *x, const struct wire_signed *s)
{
    int r;

    if (!x->client || x->proxy->ending) {
        if (x->client)
            refuse(&x->refusal, 503, "draining", "the proxy is shutting down; nothing was sent");
        else
            refuse(&x->refusal, 499, "client_gone", "the client went away; nothing was sent");
        exchange_fail(x, WIRE_SENT_NONE);
        return;
    }
    r = forward_signed(&x->request, x->form.literal, s, client_body(x->client));
    if (r == 0)
        r = upstream_call(x->setup->upstream, &x->request, x->user, &UPSTREAM_EVENTS, x, &x->call);
    if (r == 0) {
        x->state = EXCHANGE_SENDING;
        return;
    }
    refuse(&x->refusal, 503, "overloaded", "the request can't be sent: %s", strerror(-r));
    exchange_fail(x, WIRE_SENT_NONE);
}

static void exchange_keeper_refused(struct exchange *x, const struct wire_refused *m)
{
    static const struct {
        unsigned status;
        const char *code;
    } REASONS[] = {
        [WIRE_REASON_FORBIDDEN] = {403, "forbidden"},
        [WIRE_REASON_AUDIT] = {503, "audit_unavailable"},
        [WIRE_REASON_MALFORMED] = {400, "bad_request"},
        [WIRE_REASON_OVERLOADED] = {503, "overloaded"},
        [WIRE_REASON_UNKNOWN_CLIENT] = {401, "unknown_client"},
    };

    x->refusal = (struct refusal){0};
    buf_deinit(&x->errors); /* what is wrong with a body is not told to nobody */
    refuse(&x->refusal, REASONS[m->reason].status, REASONS[m->reason].code, "%.*s",
           (int)m->text.len, m->text.len ? m->text.data : "");
    exchange_answer(x);
}

static void exchange_lost(struct exchange *x)
{
    struct wire_message not_durable = {.type = WIRE_RECORDED, .recorded = {.durable = 0}};

    switch (x->state) {
    case EXCHANGE_SIGNING:
        refuse(&x->refusal, 503, "keeper_unavailable", "the keeper went away; nothing was sent");
        exchange_answer(x);
        break;
    case EXCHANGE_RECORDING:
    case EXCHANGE_REJECTING:
        exchange_keeper(&x->ticket, &not_durable);
        break;
    case EXCHANGE_SENDING: /* goes on; recording the outcome will fail */
    case EXCHANGE_RELAYING:
        break;
    }
}

/* The upstream answered, but no success may be reported that is not on record. */
static void exchange_unrecorded(struct exchange *x)
{
    refuse(&x->refusal, 500, "audit_unavailable",
           "the upstream answered %u, but the outcome could not be recorded", x->reply.status);
    x->refusal.outcome = "unknown";
    if (x->call)
        upstream_cancel(x->call);
    x->call = NULL;
    exchange_answer(x);
}

/* A part of the answer has left: only a connection that breaks off can tell the client. */
static void exchange_cut(struct exchange *x, const char *why)
{
    log_warning("answer_cut", "id=%s error=%s", x->id, log_quote(slice_str(why)).text);
    if (x->client)
        client_cut(x->client);
    exchange_free(x);
}

/* The answer is complete for the client, too. */
static void exchange_finish(struct exchange *x)
{
    struct client *client = x->client;

    if (client) {
        if (reply_put_end(&x->reply, client_out(client)) < 0)
            x->keep_alive = false;
        client_answered(client, x->keep_alive);
    }
    exchange_free(x);
}

static void exchange_relay(struct exchange *x)
{
    struct client *client = x->client;

    if (!client) {
        if (x->call)
            upstream_cancel(x->call);
        x->call = NULL;
        exchange_free(x);
        return;
    }
    log_debug("relayed", "id=%s status=%u duration_us=%llu", x->id, x->reply.status,
              (unsigned long long)(loop_now() - x->began));
    exchange_count(x, x->reply.status);
    x->state = EXCHANGE_RELAYING;
    if (reply_put_kept(&x->reply, client_out(client)) < 0) {
        client_free(client);
        return;
    }
    client_push(client);
    if (x->failed)
        exchange_cut(x, "the answer broke off while it was recorded");
    else if (!x->call)
        exchange_finish(x);
    else if (!client_congested(client))
        upstream_resume(x->call);
}

static void exchange_recorded(struct exchange *x, bool durable)
{
    if (!durable)
        x->proxy->metrics.unrecorded++;
    if (x->refusal.status)
        exchange_answer(x);
    else if (!durable)
        exchange_unrecorded(x);
    else
        exchange_relay(x);
}

static void exchange_keeper(struct caller_ticket *ticket, const struct wire_message *m)
{
    struct exchange *x = ticket->arg;

    if (!m)
        exchange_lost(x);
    else if (m->type == WIRE_SIGNED && x->state == EXCHANGE_SIGNING)
        exchange_signed(x, &m->signed_);
    else if (m->type == WIRE_REFUSED &&
             (x->state == EXCHANGE_SIGNING || x->state == EXCHANGE_REJECTING))
        exchange_keeper_refused(x, &m->refused);
    else if (m->type == WIRE_RECORDED &&
             (x->state == EXCHANGE_RECORDING || x->state == EXCHANGE_REJECTING))
        exchange_recorded(x, m->recorded.durable == 1);
    else
        log_error("keeper_confused", "id=%s state=%d message=%d", x->id, (int)x->state,
                  (int)m->type);
}

static void exchange_head(void *arg, const struct http_head *head)
{
    struct exchange *x = arg;
    enum wire_sent sent = upstream_sent(x->call);

    reply_head(&x->reply, head);
    if (x->client) {
        struct answer_to to = exchange_to(x);

        if (answer_head(&x->reply.head, &to, head, &x->reply.chunked, &x->keep_alive) < 0) {
            upstream_cancel(x->call);
            x->call = NULL;
            refuse(&x->refusal, 502, "upstream_broken", "the answer's head is too large");
            exchange_fail(x, sent);
        }
    }
}

static void exchange_body(void *arg, const char *data, size_t len)
{
    struct exchange *x = arg;

    if (x->state == EXCHANGE_RELAYING) {
        if (!x->client)
            return;
        if (reply_put(&x->reply, client_out(x->client), slice_of(data, len)) < 0) {
            client_free(x->client);
            return;
        }
        client_push(x->client);
        if (client_congested(x->client))
            upstream_pause(x->call);
        return;
    }
    if (reply_add(&x->reply, data, len) < 0) {
        enum wire_sent sent = upstream_sent(x->call);

        upstream_cancel(x->call);
        x->call = NULL;
        refuse(&x->refusal, 502, "upstream_broken", "no memory for the answer");
        exchange_fail(x, sent);
    } else if (reply_full(&x->reply)) {
        upstream_pause(x->call);
        exchange_record_reply(x, upstream_sent(x->call), "", REQUEST_ANSWER_MORE);
    }
}

static void exchange_end(void *arg)
{
    struct exchange *x = arg;
    enum wire_sent sent = upstream_sent(x->call);

    x->call = NULL;
    if (x->state == EXCHANGE_RELAYING)
        exchange_finish(x);
    else
        exchange_record_reply(x, sent, "", 0);
}

static void exchange_upstream_failed(void *arg, enum upstream_failure why, enum wire_sent sent,
                                     const char *text)
{
    static const struct {
        unsigned status;
        const char *code;
    } FAILURES[] = {
        [UPSTREAM_UNREACHABLE] = {502, "upstream_unreachable"},
        [UPSTREAM_BROKEN] = {502, "upstream_broken"},
        [UPSTREAM_TIMEOUT] = {504, "upstream_timeout"},
        [UPSTREAM_OVERLOADED] = {503, "overloaded"},
        [UPSTREAM_CLOSING] = {503, "draining"},
        [UPSTREAM_UNENDED] = {502, "upstream_broken"},
    };
    struct exchange *x = arg;

    x->call = NULL;
    switch (x->state) {
    case EXCHANGE_RELAYING:
        exchange_cut(x, text);
        return;
    case EXCHANGE_RECORDING:
        x->failed = true;
        return;
    default:
        if (why == UPSTREAM_UNENDED && reply_is_whole(x->proxy, &x->reply)) {
            exchange_record_reply(x, sent, "", 0);
            return;
        }
        refuse(&x->refusal, FAILURES[why].status, FAILURES[why].code, "%s", text);
        exchange_fail(x, sent);
    }
}

static const struct upstream_events UPSTREAM_EVENTS = {
    .head = exchange_head,
    .body = exchange_body,
    .end = exchange_end,
    .failed = exchange_upstream_failed,
};

static void exchange_room(void *arg)
{
    struct exchange *x = arg;

    if (x->call && x->state == EXCHANGE_RELAYING)
        upstream_resume(x->call);
}

/* What is on its way goes on without the client; a body that nobody reads does not. */
static void exchange_gone(void *arg)
{
    struct exchange *x = arg;

    x->client = NULL;
    log_debug("client_gone", "id=%s state=%d", x->id, (int)x->state);
    if (x->state != EXCHANGE_RELAYING)
        return;
    if (x->call)
        upstream_cancel(x->call);
    x->call = NULL;
    exchange_free(x);
}

const struct client_handler EXCHANGE_HANDLER = {
    .check = exchange_check,
    .request = exchange_request,
    .refused = exchange_refused,
    .room = exchange_room,
    .gone = exchange_gone,
};

/* Gives up the upstream's answer. */
static void exchange_give_up(struct exchange *x, unsigned status, const char *code,
                             const char *text)
{
    enum wire_sent sent = x->call ? upstream_sent(x->call) : WIRE_SENT_NONE;

    upstream_cancel(x->call);
    x->call = NULL;
    if (x->state == EXCHANGE_RELAYING) {
        exchange_cut(x, text);
    } else {
        refuse(&x->refusal, status, code, "%s", text);
        exchange_fail(x, sent);
    }
}

void exchange_end_late(struct proxy *proxy)
{
    uint64_t now = loop_now();

    for (struct exchange *x = proxy->first, *next; x; x = next) {
        next = x->next;
        if (x->call && (x->state == EXCHANGE_SENDING || x->state == EXCHANGE_RELAYING) &&
            now - x->began > x->setup->conf.total_timeout_us)
            exchange_give_up(x, 504, "upstream_timeout",
                             "the answer wasn't whole within upstream.total_timeout");
    }
}

void exchange_end_all(struct proxy *proxy)
{
    for (struct exchange *x = proxy->first, *next; x; x = next) {
        next = x->next;
        if (x->state == EXCHANGE_RELAYING && x->client)
            client_free(x->client);
        else if (x->state == EXCHANGE_SENDING)
            exchange_give_up(x, 503, "draining", "the proxy shut down before the answer came");
    }
}

void exchange_free_all(struct proxy *proxy)
{
    while (proxy->first) {
        struct exchange *x = proxy->first;

        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): exchange_free takes it off the list */
        if (x->call)
            upstream_cancel(x->call);
        x->call = NULL;
        if (x->client)
            client_attach(x->client, NULL);
        exchange_free(x);
    }
}
