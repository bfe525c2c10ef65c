#include "exchange/admin.h"

#include "base/log.h"
#include "exchange/answer.h"
#include "exchange/ready.h"

#include <stdio.h>

enum {
    ADMIN_BODY_MAX = 64 * 1024,
};

static const char TEXT[] = "text/plain; charset=utf-8";
static const char PROMETHEUS[] = "text/plain; version=0.0.4; charset=utf-8";

static unsigned admin_ready(struct buf *body, const struct admin *admin)
{
    const char *why, *code = ready_code(admin->proxy, &why);

    if (!*code)
        return buf_printf(body, "ready\n") < 0 ? 500 : 200;
    return buf_printf(body, "%s: %s\n", code, why) < 0 ? 500 : 503;
}

static int put_proxy(struct buf *out, const struct admin *admin)
{
    const struct metrics *m = &admin->proxy->metrics;
    int r = metrics_put(out, "cention_requests_total", "counter",
                        "Whole, well-formed requests taken in.", m->requests);

    if (r == 0)
        r = buf_printf(out, "# HELP cention_answers_total Answers to clients by class of status.\n"
                            "# TYPE cention_answers_total counter\n");
    for (unsigned i = 2; r == 0 && i < 6; i++)
        r = buf_printf(out, "cention_answers_total{class=\"%uxx\"} %llu\n", i,
                       (unsigned long long)m->answers[i]);
    if (r == 0)
        r = metrics_put(out, "cention_refusals_total", "counter",
                        "Answers that the daemon made itself.", m->refusals);
    if (r == 0)
        r = metrics_put(out, "cention_outcome_unknown_total", "counter",
                        "Answers that had to say outcome unknown.", m->unknown);
    if (r == 0)
        r = metrics_put(out, "cention_unrecorded_total", "counter",
                        "Outcomes and refusals that could not be recorded.", m->unrecorded);
    if (r == 0)
        r = metrics_put(out, "cention_running", "gauge", "Requests under way.",
                        admin->proxy->running);
    if (r == 0)
        r = metrics_put(out, "cention_client_connections", "gauge", "Open connections of clients.",
                        clients_count(admin->api));
    if (r == 0)
        r = metrics_put(out, "cention_client_displaced_total", "counter",
                        "Connections closed to make room for others.",
                        clients_displaced(admin->api));
    return r;
}

static int put_keeper(struct buf *out, const struct caller_state *k)
{
    int r = metrics_put(out, "cention_keeper_connected", "gauge", "1 when the keeper is connected.",
                        k->connected);

    if (r == 0)
        r = metrics_put(out, "cention_audit_ok", "gauge", "1 when the audit can be written.",
                        k->connected && k->audit_ok);
    if (r == 0)
        r = metrics_put(out, "cention_audit_alarm", "gauge",
                        "1 when the audit log was touched while it was written.",
                        k->connected && k->audit_ok && k->reason[0]);
    if (r == 0)
        r = metrics_put(out, "cention_keeper_connects_total", "counter",
                        "Links made to the keeper.", k->connects);
    if (r == 0)
        r = metrics_put(out, "cention_audit_records_total", "counter",
                        "Records that the keeper wrote since its start.", k->records);
    if (r == 0)
        r = metrics_put(out, "cention_audit_syncs_total", "counter",
                        "fdatasync calls of the keeper since its start.", k->syncs);
    if (r == 0)
        r = metrics_put(out, "cention_signatures_total", "counter",
                        "Signatures that the keeper made since its start.", k->signatures);
    return r;
}

static int put_upstream(struct buf *out, const struct upstream *upstream)
{
    struct upstream_counters u;
    int r;

    upstream_counters(upstream, &u);
    r = metrics_put(out, "cention_upstream_connections_total", "counter",
                    "Connections made to the upstream.", u.connections);
    if (r == 0)
        r = metrics_put(out, "cention_upstream_resumed_total", "counter", "TLS sessions resumed.",
                        u.resumed);
    if (r == 0)
        r = metrics_put(out, "cention_upstream_reused_total", "counter",
                        "Requests on a connection used before.", u.reused);
    if (r == 0)
        r = metrics_put(out, "cention_upstream_retries_total", "counter",
                        "Requests moved to another connection before a byte was sent.", u.retries);
    if (r == 0)
        r = metrics_put(out, "cention_upstream_failures_total", "counter",
                        "Requests that got no whole answer.", u.failures);
    if (r == 0)
        r = metrics_put(out, "cention_upstream_open", "gauge", "Open connections.", u.open);
    if (r == 0)
        r = metrics_put(out, "cention_upstream_idle", "gauge", "Idle connections.", u.idle);
    if (r == 0)
        r = metrics_put(out, "cention_upstream_queued", "gauge",
                        "Requests that wait for a connection.", u.queued);
    return r;
}

static unsigned admin_metrics(struct buf *body, const struct admin *admin)
{
    if (put_proxy(body, admin) < 0 || put_keeper(body, caller_state(admin->proxy->keeper)) < 0 ||
        put_upstream(body, admin->proxy->setup->upstream) < 0)
        return 500;
    return 200;
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
            return EXCHANGE_HANDLER.check(admin->proxy, &as, why);
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
    struct answer_to to = {.minor = head ? head->minor : 1};
    struct refusal no = *why;
    struct admin *admin = arg;
    struct exchange_form form;
    struct http_head as;

    if (head && (admin_probe(head, &as, &form) || why->status == 403)) {
        /* On record, as any other. */
        EXCHANGE_HANDLER.refused(admin->proxy, client, &as, why);
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
                           .minor = head->minor,
                           .keep_alive = head->keep_alive && !client_closing(client),
                           .to_head = slice_eq(head->method, SLICE_LIT("HEAD"))};
    struct buf body = BUF_INIT(ADMIN_BODY_MAX);
    const char *type = TEXT;
    struct exchange_form form;
    struct http_head as;
    unsigned status;

    if (admin_probe(head, &as, &form)) {
        log_info("probe", "target=%s authorization=%s nested=%s", log_quote(as.target).text,
                 form.literal ? "literal" : "scheme",
                 form.nested == CANON_JSON ? "json" : "flatten");
        exchange_probe(admin->proxy, client, &as, request_body, &form);
        return;
    }
    if (slice_eq(head->target, SLICE_LIT("/healthz"))) {
        status = buf_printf(&body, "alive\n") < 0 ? 500 : 200;
    } else if (slice_eq(head->target, SLICE_LIT("/readyz"))) {
        status = admin_ready(&body, admin);
    } else if (slice_eq(head->target, SLICE_LIT("/metrics"))) {
        status = admin_metrics(&body, admin);
        type = PROMETHEUS;
    } else {
        status = buf_printf(&body, "here are /healthz, /readyz and /metrics\n") < 0 ? 500 : 404;
    }
    if (answer_text(client_out(client), &to, status, type, buf_slice(&body)) < 0)
        to.keep_alive = false;
    buf_deinit(&body);
    client_answered(client, to.keep_alive);
}

/* Only probes are attached to their clients. */
static void admin_room(void *exchange)
{
    EXCHANGE_HANDLER.room(exchange);
}

static void admin_gone(void *exchange)
{
    EXCHANGE_HANDLER.gone(exchange);
}

const struct client_handler ADMIN_HANDLER = {
    .check = admin_check,
    .request = admin_request,
    .refused = admin_refused,
    .room = admin_room,
    .gone = admin_gone,
};
