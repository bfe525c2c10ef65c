#include "proxy/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void report_take(struct report *out, const struct worker *w)
{
    const char *why;

    *out = (struct report){.metrics = w->proxy.metrics,
                           .running = w->proxy.running,
                           .connections = clients_count(w->api),
                           .accepts = clients_accepts(w->api),
                           .displaced = clients_displaced(w->api),
                           .keeper = *caller_state(w->proxy.keeper)};
    upstream_counters(w->proxy.setup->upstream, &out->upstream);
    out->trouble = ready_code(&w->proxy, &why);
    (void)snprintf(out->why, sizeof(out->why), "%s", why);
}

/* Whoever adds a counter there adds it here, too. */
_Static_assert(sizeof(struct upstream_counters) == 6 * sizeof(uint64_t) + 4 * sizeof(unsigned),
               "add_upstream adds all of them");

static void add_upstream(struct upstream_counters *sum, const struct upstream_counters *one)
{
    sum->connections += one->connections;
    sum->handshakes += one->handshakes;
    sum->resumed += one->resumed;
    sum->reused += one->reused;
    sum->retries += one->retries;
    sum->failures += one->failures;
    sum->open += one->open;
    sum->idle += one->idle;
    sum->queued += one->queued;
}

static void highest(uint64_t *of, uint64_t one)
{
    if (*of < one)
        *of = one;
}

static void add_keeper(struct caller_state *sum, const struct caller_state *one)
{
    sum->connected &= one->connected;
    sum->audit_ok &= one->audit_ok;
    if (!sum->reason[0])
        (void)snprintf(sum->reason, sizeof(sum->reason), "%s", one->reason);
    /* The keeper's state with more records is the later one. */
    if (one->connected && one->records >= sum->records) {
        sum->waiting = one->waiting;
        sum->quota = one->quota;
        sum->n_receipts = one->n_receipts;
        memcpy(sum->receipts, one->receipts, sizeof(sum->receipts));
    }
    highest(&sum->records, one->records);
    highest(&sum->syncs, one->syncs);
    highest(&sum->signatures, one->signatures);
    sum->connects += one->connects;
}

void report_add(struct report *sum, const struct report *one)
{
    sum->metrics.requests += one->metrics.requests;
    for (unsigned i = 0; i < sizeof(sum->metrics.answers) / sizeof(sum->metrics.answers[0]); i++)
        sum->metrics.answers[i] += one->metrics.answers[i];
    sum->metrics.refusals += one->metrics.refusals;
    sum->metrics.unknown += one->metrics.unknown;
    sum->metrics.unrecorded += one->metrics.unrecorded;
    sum->metrics.answer_problems += one->metrics.answer_problems;
    sum->running += one->running;
    sum->connections += one->connections;
    sum->accepts += one->accepts;
    sum->displaced += one->displaced;
    add_keeper(&sum->keeper, &one->keeper);
    add_upstream(&sum->upstream, &one->upstream);
    if (one->trouble && one->trouble[0] && (!sum->trouble || !sum->trouble[0])) {
        sum->trouble = one->trouble;
        (void)snprintf(sum->why, sizeof(sum->why), "%s", one->why);
    }
}

int metrics_put(struct buf *out, const struct metric *list, size_t n)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < n; i++)
        r = buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", list[i].name, list[i].help,
                       list[i].name, list[i].kind, list[i].name, (unsigned long long)list[i].value);
    return r;
}

static int put_proxy(struct buf *out, const struct report *report)
{
    const struct metrics *m = &report->metrics;
    const struct metric list[] = {
        {"cention_requests_total", "counter", "Whole, well-formed requests taken in.", m->requests},
        {"cention_refusals_total", "counter", "Answers that the daemon made itself.", m->refusals},
        {"cention_outcome_unknown_total", "counter", "Answers that had to say outcome unknown.",
         m->unknown},
        {"cention_unrecorded_total", "counter", "Outcomes and refusals that could not be recorded.",
         m->unrecorded},
        {"cention_answer_problems_total", "counter",
         "Answers of the upstream that are not what the API description says.", m->answer_problems},
        {"cention_running", "gauge", "Requests under way.", report->running},
        {"cention_client_connections", "gauge", "Open connections of clients.",
         report->connections},
        {"cention_client_displaced_total", "counter", "Connections closed to make room for others.",
         report->displaced},
    };
    int r = metrics_put(out, list, sizeof(list) / sizeof(list[0]));

    if (r == 0)
        r = buf_printf(out, "# HELP cention_answers_total Answers to clients by class of status.\n"
                            "# TYPE cention_answers_total counter\n");
    for (unsigned i = 2; r == 0 && i < 6; i++)
        r = buf_printf(out, "cention_answers_total{class=\"%uxx\"} %llu\n", i,
                       (unsigned long long)m->answers[i]);
    return r;
}

static int put_keeper(struct buf *out, const struct caller_state *k)
{
    const struct metric list[] = {
        {"cention_keeper_connected", "gauge", "1 when the keeper is connected.", k->connected},
        {"cention_audit_ok", "gauge", "1 when the audit can be written.",
         k->connected && k->audit_ok},
        {"cention_audit_alarm", "gauge", "1 when the audit log was touched while it was written.",
         k->connected && k->audit_ok && k->reason[0]},
        {"cention_keeper_connects_total", "counter", "Links made to the keeper.", k->connects},
        {"cention_audit_records_total", "counter", "Records that the keeper wrote since its start.",
         k->records},
        {"cention_audit_syncs_total", "counter", "fdatasync calls of the keeper since its start.",
         k->syncs},
        {"cention_signatures_total", "counter", "Signatures that the keeper made since its start.",
         k->signatures},
    };

    return metrics_put(out, list, sizeof(list) / sizeof(list[0]));
}

static int put_receipts(struct buf *out, const struct caller_state *k)
{
    const struct metric list[] = {
        {"cention_audit_waiting_bytes", "gauge", "Bytes of audit segments that wait for receipts.",
         k->waiting},
        {"cention_audit_quota_bytes", "gauge", "Bytes that may wait; 0: any number.", k->quota},
    };
    int r = metrics_put(out, list, sizeof(list) / sizeof(list[0]));

    if (r == 0 && k->n_receipts)
        r = buf_printf(out, "# HELP cention_audit_receipt_lag_records Records that a sink lacks.\n"
                            "# TYPE cention_audit_receipt_lag_records gauge\n");
    for (unsigned i = 0; r == 0 && i < k->n_receipts; i++)
        r = buf_printf(out, "cention_audit_receipt_lag_records{receipt=\"%s\"} %llu\n",
                       k->receipts[i].name, (unsigned long long)k->receipts[i].records);
    if (r == 0 && k->n_receipts)
        r = buf_printf(out, "# HELP cention_audit_receipt_lag_seconds Age of the first record that "
                            "a sink lacks.\n"
                            "# TYPE cention_audit_receipt_lag_seconds gauge\n");
    for (unsigned i = 0; r == 0 && i < k->n_receipts; i++)
        r = buf_printf(out, "cention_audit_receipt_lag_seconds{receipt=\"%s\"} %llu\n",
                       k->receipts[i].name, (unsigned long long)(k->receipts[i].age_us / 1000000));
    return r;
}

static int put_upstream(struct buf *out, const struct upstream_counters *u)
{
    const struct metric list[] = {
        {"cention_upstream_connections_total", "counter", "Connections made to the upstream.",
         u->connections},
        {"cention_upstream_resumed_total", "counter", "TLS sessions resumed.", u->resumed},
        {"cention_upstream_reused_total", "counter", "Requests on a connection used before.",
         u->reused},
        {"cention_upstream_retries_total", "counter",
         "Requests moved to another connection before a byte was sent.", u->retries},
        {"cention_upstream_failures_total", "counter", "Requests that got no whole answer.",
         u->failures},
        {"cention_upstream_open", "gauge", "Open connections.", u->open},
        {"cention_upstream_idle", "gauge", "Idle connections.", u->idle},
        {"cention_upstream_queued", "gauge", "Requests that wait for a connection.", u->queued},
    };

    return metrics_put(out, list, sizeof(list) / sizeof(list[0]));
}

int report_put_receipts(struct buf *out, const struct report *report)
{
    const struct caller_state *k = &report->keeper;
    int r = 0;

    for (unsigned i = 0; r == 0 && k->connected && i < k->n_receipts; i++)
        r = buf_printf(out, "receipt %s: %llu records, %llu seconds behind\n", k->receipts[i].name,
                       (unsigned long long)k->receipts[i].records,
                       (unsigned long long)(k->receipts[i].age_us / 1000000));
    return r;
}

int report_put(struct buf *out, const struct report *r)
{
    return put_proxy(out, r) < 0 || put_keeper(out, &r->keeper) < 0 ||
                   put_receipts(out, &r->keeper) < 0 || put_upstream(out, &r->upstream) < 0
               ? -ENOMEM
               : 0;
}

/* ---- readiness ---- */

bool ready_refuse(const struct proxy *proxy, struct refusal *why)
{
    const struct caller_state *keeper = caller_state(proxy->keeper);
    const char *code = caller_trouble(keeper);

    if (strcmp(code, "audit_unavailable") == 0)
        return refuse(why, 503, code, "the audit log can't be written: %s", keeper->reason);
    return refuse(why, 503, "keeper_unavailable", "the keeper can't be reached: %s",
                  keeper->reason);
}

bool ready_for(const struct proxy *proxy, struct refusal *why)
{
    if (proxy->draining)
        return refuse(why, 503, "draining", "the proxy is shutting down; nothing was sent");
    return caller_state(proxy->keeper)->connected || ready_refuse(proxy, why);
}

const char *ready_code(const struct proxy *proxy, const char **reason)
{
    const struct caller_state *keeper = caller_state(proxy->keeper);
    const char *code = caller_trouble(keeper);

    *reason = keeper->reason;
    if (proxy->draining) {
        *reason = "draining: the proxy is shutting down";
        return "draining";
    }
    if (code[0]) {
        *reason = keeper->reason[0] ? keeper->reason : "the keeper is not ready";
        return code;
    }
    /* Requests are served, but someone has to look. */
    return keeper->reason[0] ? "audit_alarm" : "";
}
