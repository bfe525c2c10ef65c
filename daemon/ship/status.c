#include "ship/status.h"

#include "base/log.h"

#include <inttypes.h>

/* Why a sink isn't as it should be; NULL: it is. */
static const char *trouble(const struct shipper_report *s)
{
    switch (s->state) {
    case SHIPPER_DOWN:
        return "not connected";
    case SHIPPER_SUSPECT:
        return "the log is amiss, or can't be read";
    case SHIPPER_STOPPED:
        return "stopped by an alarm";
    case SHIPPER_LOOKING:
    case SHIPPER_SHIPPING:
        break;
    }
    return s->cursor_failed ? "its cursor can't be written" : NULL;
}

int status_ready(struct buf *out, const struct ship_status *p)
{
    bool ready = p->begun;
    int r;

    for (unsigned i = 0; i < p->n; i++)
        ready = ready && !trouble(&p->sinks[i]);
    r = buf_printf(out, "%s\n",
                   !p->begun ? "not ready: no audit log yet"
                   : ready   ? "ready"
                             : "not ready");
    for (unsigned i = 0; r == 0 && i < p->n; i++) {
        const struct shipper_report *s = &p->sinks[i];
        const char *why = trouble(s);

        r = buf_printf(out, "%s: %s, %" PRIu64 " records behind", s->name,
                       why ? why : shipper_state_name(s->state), s->lag_records);
        if (r == 0 && s->why[0])
            r = buf_printf(out, "; last error: %s", log_quote(slice_str(s->why)).text);
        if (r == 0)
            r = buf_append(out, "\n", 1);
    }
    return r < 0 ? r : ready ? 200 : 503;
}

enum value {
    UP,
    STOPPED,
    ACKNOWLEDGED,
    LAG_RECORDS,
    LAG_SECONDS,
    UNDER_WAY,
    RECORDS,
    BATCHES,
    CURSOR_FAILED,
};

static const struct metric {
    const char *name, *kind, *help;
    enum value value;
} METRICS[] = {
    {"cention_ship_connected", "gauge", "Whether the sink is connected.", UP},
    {"cention_ship_stopped", "gauge", "Whether an alarm has stopped the sink.", STOPPED},
    {"cention_ship_acknowledged_seq", "gauge", "The last record that the centre has.",
     ACKNOWLEDGED},
    {"cention_ship_lag_records", "gauge", "Records that the centre doesn't have yet.", LAG_RECORDS},
    {"cention_ship_lag_seconds", "gauge", "How long the oldest of them has waited at most.",
     LAG_SECONDS},
    {"cention_ship_batches_under_way", "gauge", "Batches that are not acknowledged yet.",
     UNDER_WAY},
    {"cention_ship_records_total", "counter", "Records acknowledged since the start.", RECORDS},
    {"cention_ship_batches_total", "counter", "Batches acknowledged since the start.", BATCHES},
    {"cention_ship_cursor_failed", "gauge", "Whether the sink's cursor can't be written.",
     CURSOR_FAILED},
};

static int put_value(struct buf *out, const struct shipper_report *s, enum value value)
{
    switch (value) {
    case UP:
        return buf_append_number(out, s->state != SHIPPER_DOWN);
    case STOPPED:
        return buf_append_number(out, s->state == SHIPPER_STOPPED);
    case ACKNOWLEDGED:
        return buf_append_number(out, s->acknowledged);
    case LAG_RECORDS:
        return buf_append_number(out, s->lag_records);
    case LAG_SECONDS:
        return buf_printf(out, "%" PRIu64 ".%03u", s->lag_us / 1000000,
                          (unsigned)(s->lag_us / 1000 % 1000));
    case UNDER_WAY:
        return buf_append_number(out, s->under_way);
    case RECORDS:
        return buf_append_number(out, s->records);
    case BATCHES:
        return buf_append_number(out, s->batches);
    case CURSOR_FAILED:
        return buf_append_number(out, s->cursor_failed);
    }
    return 0;
}

/* A sink's name needs no escape (audit/receipt.h). */
static int put_metric(struct buf *out, const struct ship_status *p, const struct metric *m)
{
    int r = buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->name, m->help, m->name, m->kind);

    for (unsigned i = 0; r == 0 && i < p->n; i++) {
        r = buf_printf(out, "%s{sink=\"%s\",type=\"%s\"} ", m->name, p->sinks[i].name,
                       p->sinks[i].kind);
        if (r == 0)
            r = put_value(out, &p->sinks[i], m->value);
        if (r == 0)
            r = buf_append(out, "\n", 1);
    }
    return r;
}

static int put_alarms(struct buf *out, const struct ship_status *p)
{
    int r = buf_printf(out, "# HELP cention_ship_alarms_total Alarms since the start.\n"
                            "# TYPE cention_ship_alarms_total counter\n");

    for (unsigned i = 0; i < p->n; i++)
        for (unsigned k = 0; r == 0 && k <= SHIP_BEHIND; k++)
            r = buf_printf(out, "cention_ship_alarms_total{sink=\"%s\",kind=\"%s\"} %" PRIu64 "\n",
                           p->sinks[i].name, ship_alarm_name((enum ship_alarm_kind)k),
                           p->sinks[i].alarms[k]);
    return r;
}

int status_metrics(struct buf *out, const struct ship_status *p)
{
    int r = buf_printf(out,
                       "# HELP cention_ship_log Whether there is an audit log.\n"
                       "# TYPE cention_ship_log gauge\n"
                       "cention_ship_log %d\n",
                       p->begun);

    for (unsigned i = 0; r == 0 && i < sizeof(METRICS) / sizeof(METRICS[0]); i++)
        r = put_metric(out, p, &METRICS[i]);
    if (r == 0)
        r = put_alarms(out, p);
    return r < 0 ? r : 200;
}
