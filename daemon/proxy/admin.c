#include "proxy/admin.h"

#include "base/log.h"
#include "proxy/answer.h"

#include <stdlib.h>

enum {
    ADMIN_BODY_MAX = 64 * 1024,
};

enum admin_page {
    PAGE_NONE,
    PAGE_HEALTH,
    PAGE_READY,
    PAGE_METRICS,
};

static const char TEXT[] = "text/plain; charset=utf-8";
static const char PROMETHEUS[] = "text/plain; version=0.0.4; charset=utf-8";

/* A request for metrics at the first worker, which waits for the others' figures. */
struct inquiry {
    enum exchange_attached attached;
    struct workers_question question;
    struct admin *admin;
    struct client *client; /* NULL once it is gone */
    enum admin_page page;
    struct answer_to to;
};

static unsigned put_health(struct buf *body, const struct admin *admin)
{
    unsigned hung = workers_hung(admin->workers);

    if (hung)
        return buf_printf(body, "worker %u hangs\n", hung) < 0 ? 500 : 503;
    return buf_printf(body, "alive\n") < 0 ? 500 : 200;
}

static unsigned put_ready(struct buf *body, const struct admin *admin)
{
    unsigned hung = workers_hung(admin->workers);
    struct report all;
    int r;

    report_take(&all, admin->worker);
    workers_report(admin->workers, &all);
    if (all.trouble[0])
        r = buf_printf(body, "%s: %s\n", all.trouble, all.why);
    else if (hung)
        r = buf_printf(body, "worker_hung: worker %u hangs\n", hung);
    else
        r = buf_printf(body, "ready\n");
    if (r < 0 || report_put_receipts(body, &all) < 0)
        return 500;
    return all.trouble[0] || hung ? 503 : 200;
}

static unsigned put_metrics(struct buf *body, const struct admin *admin)
{
    unsigned workers = workers_workers(admin->workers);
    struct report all;
    uint64_t own;
    int r;

    report_take(&all, admin->worker);
    own = all.accepts;
    workers_report(admin->workers, &all);
    r = report_put(body, &all);
    if (r == 0)
        r = metrics_put(body, &(struct metric){"cention_workers", "gauge", "Event loops.", workers},
                        1);
    if (r == 0)
        r = buf_printf(body, "# HELP cention_worker_connections_total Connections of clients that "
                             "a worker accepted.\n"
                             "# TYPE cention_worker_connections_total counter\n");
    for (unsigned i = 0; r == 0 && i < workers; i++)
        r = buf_printf(body, "cention_worker_connections_total{worker=\"%u\"} %llu\n", i,
                       (unsigned long long)(i ? workers_accepts(admin->workers, i) : own));
    return r < 0 ? 500 : 200;
}

static void admin_page(const struct admin *admin, struct client *client, enum admin_page page,
                       struct answer_to *to)
{
    struct buf body = BUF_INIT(ADMIN_BODY_MAX);
    const char *type = TEXT;
    unsigned status;

    switch (page) {
    case PAGE_HEALTH:
        status = put_health(&body, admin);
        break;
    case PAGE_READY:
        status = put_ready(&body, admin);
        break;
    case PAGE_METRICS:
        status = put_metrics(&body, admin);
        type = PROMETHEUS;
        break;
    default:
        status = buf_printf(&body, "here are /healthz, /readyz and /metrics\n") < 0 ? 500 : 404;
    }
    if (answer_text(client_out(client), to, status, type, buf_slice(&body)) < 0)
        to->keep_alive = false;
    buf_deinit(&body);
    client_answered(client, to->keep_alive);
}

static void inquiry_answered(struct workers_question *question)
{
    struct inquiry *q = question->arg;

    if (q->client) {
        q->to.keep_alive = q->to.keep_alive && !client_closing(q->client);
        admin_page(q->admin, q->client, q->page, &q->to);
    }
    free(q);
}

/* The others are asked first; the answer comes within WORKERS_PATIENCE_US, with or without theirs.
 */
static void admin_inquire(struct admin *admin, struct client *client, enum admin_page page,
                          const struct answer_to *to)
{
    struct inquiry *q = calloc(1, sizeof(*q));

    if (!q) {
        client_answered(client, false);
        return;
    }
    *q = (struct inquiry){.attached = ATTACHED_INQUIRY,
                          .question = {.answered = inquiry_answered, .arg = q},
                          .admin = admin,
                          .client = client,
                          .page = page,
                          .to = *to};
    client_attach(client, q);
    workers_ask(admin->workers, &q->question);
}

/*
 * "/probe/AUTHORIZATION/NESTED" before a request's target asks for another form of the signature
 * than the configured one (cention-proxyctl probe). True with *as the request behind it, else *as
 * is the request itself.
 */
static bool admin_probe(const struct http_head *head, struct http_head *as,
                        struct exchange_form *form)
{
    static const struct {
        struct slice prefix;
        struct exchange_form form;
    } FORMS[] = {
        {SLICE_LIT("/probe/scheme/flatten/"), {false, CANON_FLATTEN}},
        {SLICE_LIT("/probe/scheme/json/"), {false, CANON_JSON}},
        {SLICE_LIT("/probe/literal/flatten/"), {true, CANON_FLATTEN}},
        {SLICE_LIT("/probe/literal/json/"), {true, CANON_JSON}},
    };

    *as = *head;
    for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
        size_t len = FORMS[i].prefix.len - 1; /* the target keeps its slash */

        if (head->target.len <= len ||
            memcmp(head->target.data, FORMS[i].prefix.data, len + 1) != 0)
            continue;
        as->target = slice_of(head->target.data + len, head->target.len - len);
        *form = FORMS[i].form;
        return true;
    }
    return false;
}

static bool admin_check(void *arg, const struct http_head *head, struct refusal *why)
{
    struct admin *admin = arg;
    struct exchange_form form;
    struct http_head as;

    if (admin_probe(head, &as, &form)) {
        if (slice_eq(head->method, SLICE_LIT("PUT")))
            return EXCHANGE_HANDLER.check(&admin->worker->proxy, &as, why);
        refuse(why, 405, "method_not_allowed", "only an update (PUT) can be probed with");
        why->allow = "PUT";
        return false;
    }
    if (!slice_eq(head->method, SLICE_LIT("GET")) && !slice_eq(head->method, SLICE_LIT("HEAD"))) {
        refuse(why, 405, "method_not_allowed", "only GET is served here");
        why->allow = "GET, HEAD";
        return false;
    }
    return true;
}

static void admin_refused(void *arg, struct client *client, const struct http_head *head,
                          const struct refusal *why)
{
    struct answer_to to = {.minor = head ? head->minor : 1, .now_us = loop_wall()};
    struct refusal no = *why;
    struct admin *admin = arg;
    struct exchange_form form;
    struct http_head as;

    if (head && (admin_probe(head, &as, &form) || why->status == 403)) {
        /* On record, as any other. */
        EXCHANGE_HANDLER.refused(&admin->worker->proxy, client, &as, why);
        return;
    }
    to.request_id = SLICE_LIT("admin");
    if (answer_refusal(client_out(client), &to, &no, 0, SLICE_NULL) < 0)
        to.keep_alive = false;
    client_answered(client, false);
}

static void admin_request(void *arg, struct client *client, const struct http_head *head,
                          struct slice request_body)
{
    struct admin *admin = arg;
    struct answer_to to = {.request_id = SLICE_LIT("admin"),
                           .now_us = loop_wall(),
                           .minor = head->minor,
                           .keep_alive = head->keep_alive && !client_closing(client),
                           .to_head = slice_eq(head->method, SLICE_LIT("HEAD"))};
    enum admin_page page = PAGE_NONE;
    struct exchange_form form;
    struct http_head as;

    if (admin_probe(head, &as, &form)) {
        log_info("probe", "target=%s authorization=%s nested=%s", log_quote(as.target).text,
                 form.literal ? "literal" : "scheme",
                 form.nested == CANON_JSON ? "json" : "flatten");
        exchange_probe(&admin->worker->proxy, client, &as, request_body, &form);
        return;
    }
    if (slice_eq(head->target, SLICE_LIT("/healthz")))
        page = PAGE_HEALTH;
    else if (slice_eq(head->target, SLICE_LIT("/readyz")))
        page = PAGE_READY;
    else if (slice_eq(head->target, SLICE_LIT("/metrics")))
        page = PAGE_METRICS;
    if (admin->workers && page != PAGE_NONE)
        admin_inquire(admin, client, page, &to);
    else
        admin_page(admin, client, page, &to);
}

static void admin_room(void *attached)
{
    if (*(enum exchange_attached *)attached == ATTACHED_EXCHANGE)
        EXCHANGE_HANDLER.room(attached);
}

static void admin_gone(void *attached)
{
    if (*(enum exchange_attached *)attached == ATTACHED_EXCHANGE)
        EXCHANGE_HANDLER.gone(attached);
    else
        ((struct inquiry *)attached)->client = NULL;
}

const struct client_handler ADMIN_HANDLER = {
    .check = admin_check,
    .request = admin_request,
    .refused = admin_refused,
    .room = admin_room,
    .gone = admin_gone,
};
