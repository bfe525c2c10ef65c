#include "ship/status.h"
#include "unit/unit.h"

#include <string.h>

static struct shipper_report sinks[2];
static struct ship_status status;
static struct buf text;

static void reset(void)
{
    sinks[0] = (struct shipper_report){.name = "archive",
                                       .kind = "postgresql",
                                       .state = SHIPPER_SHIPPING,
                                       .receipt = true,
                                       .acknowledged = 41,
                                       .lag_records = 3,
                                       .lag_us = 1234567,
                                       .records = 40,
                                       .batches = 4,
                                       .under_way = 1,
                                       .alarms = {[SHIP_BEHIND] = 2},
                                       .why = ""};
    sinks[1] = sinks[0];
    sinks[1].name = "stream";
    sinks[1].kind = "nats";
    status = (struct ship_status){.begun = true, .n = 2, .sinks = sinks};
}

/* What a page says, terminated. */
static const char *page(int (*put)(struct buf *, const struct ship_status *), int code)
{
    buf_deinit(&text);
    text = BUF_INIT(65536);
    CU_ASSERT_EQUAL(put(&text, &status), code);
    CU_ASSERT_EQUAL_FATAL(buf_append(&text, "", 1), 0);
    return buf_slice(&text).data;
}

#define HAS(haystack, needle) CU_ASSERT_PTR_NOT_NULL(strstr(haystack, needle))

static void ready(void)
{
    const char *s;

    reset();
    s = page(status_ready, 200);
    CU_ASSERT_STRING_EQUAL(s, "ready\narchive: shipping, 3 records behind\n"
                              "stream: shipping, 3 records behind\n");
    sinks[0].state = SHIPPER_LOOKING;
    (void)page(status_ready, 200);
}

static void not_ready(void)
{
    static const enum shipper_state BAD[] = {SHIPPER_DOWN, SHIPPER_SUSPECT, SHIPPER_STOPPED};

    for (unsigned i = 0; i < 3; i++) {
        reset();
        sinks[1].state = BAD[i];
        CU_ASSERT(strncmp(page(status_ready, 503), "not ready\n", 10) == 0);
    }
    reset();
    sinks[1].state = SHIPPER_STOPPED;
    sinks[1].why = "a \"reason\"\nof two lines";
    HAS(page(status_ready, 503), "stream: stopped by an alarm, 3 records behind; last error: "
                                 "\"a \\\"reason\\\"\\x0aof two lines\"\n");
    reset();
    sinks[0].cursor_failed = true;
    HAS(page(status_ready, 503), "archive: its cursor can't be written");
    reset();
    status.begun = false;
    status.n = 0;
    CU_ASSERT_STRING_EQUAL(page(status_ready, 503), "not ready: no audit log yet\n");
}

static void metrics(void)
{
    const char *s;

    reset();
    sinks[1].state = SHIPPER_STOPPED;
    sinks[0].state = SHIPPER_DOWN;
    s = page(status_metrics, 200);
    HAS(s, "cention_ship_log 1\n");
    HAS(s, "# TYPE cention_ship_records_total counter\n");
    HAS(s, "cention_ship_connected{sink=\"archive\",type=\"postgresql\"} 0\n");
    HAS(s, "cention_ship_connected{sink=\"stream\",type=\"nats\"} 1\n");
    HAS(s, "cention_ship_stopped{sink=\"archive\",type=\"postgresql\"} 0\n");
    HAS(s, "cention_ship_stopped{sink=\"stream\",type=\"nats\"} 1\n");
    HAS(s, "cention_ship_acknowledged_seq{sink=\"archive\",type=\"postgresql\"} 41\n");
    HAS(s, "cention_ship_lag_records{sink=\"archive\",type=\"postgresql\"} 3\n");
    HAS(s, "cention_ship_lag_seconds{sink=\"archive\",type=\"postgresql\"} 1.234\n");
    HAS(s, "cention_ship_batches_under_way{sink=\"archive\",type=\"postgresql\"} 1\n");
    HAS(s, "cention_ship_records_total{sink=\"archive\",type=\"postgresql\"} 40\n");
    HAS(s, "cention_ship_batches_total{sink=\"archive\",type=\"postgresql\"} 4\n");
    HAS(s, "cention_ship_cursor_failed{sink=\"archive\",type=\"postgresql\"} 0\n");
    HAS(s, "cention_ship_alarms_total{sink=\"archive\",kind=\"behind\"} 2\n");
    HAS(s, "cention_ship_alarms_total{sink=\"stream\",kind=\"truncated\"} 0\n");
}

static void bounded(void)
{
    struct buf little = BUF_INIT(16);

    reset();
    CU_ASSERT(status_metrics(&little, &status) < 0);
    buf_reset(&little, 0);
    CU_ASSERT(status_ready(&little, &status) < 0);
    buf_deinit(&little);
    buf_deinit(&text);
}

static const struct unit_case CASES[] = {
    {"ready", ready},
    {"not ready", not_ready},
    {"metrics", metrics},
    {"bounded", bounded},
};

UNIT_MAIN("status", CASES)
