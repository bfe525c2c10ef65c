#include "proxy/report.h"

#include "unit/unit.h"

#include <string.h>

static struct report numbered(uint64_t n, bool connected, const char *trouble, const char *why)
{
    struct report r = {
        .metrics = {n, {n, n, n, n, n, n}, n, n, n},
        .running = (unsigned)n,
        .connections = (unsigned)n,
        .accepts = n,
        .displaced = n,
        .keeper = {.connected = connected,
                   .audit_ok = connected,
                   .records = 100 + n,
                   .syncs = 100 - n,
                   .signatures = 7,
                   .waiting = 1000 * n,
                   .quota = 9,
                   .n_receipts = 1,
                   .receipts = {{"archive", n, 1000000 * n}},
                   .connects = n},
        .upstream = {.connections = n,
                     .handshakes = n,
                     .resumed = n,
                     .reused = n,
                     .retries = n,
                     .failures = n,
                     .open = (unsigned)n,
                     .idle = (unsigned)n,
                     .queued = (unsigned)n},
        .trouble = trouble,
    };

    strcpy(r.keeper.reason, why);
    strcpy(r.why, why);
    return r;
}

static void sums(void)
{
    struct report sum = numbered(3, true, "", ""), one = numbered(40, true, "", "");

    report_add(&sum, &one);
    CU_ASSERT_EQUAL(sum.metrics.requests, 43);
    for (unsigned i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(sum.metrics.answers[i], 43);
    CU_ASSERT_EQUAL(sum.metrics.refusals, 43);
    CU_ASSERT_EQUAL(sum.metrics.unknown, 43);
    CU_ASSERT_EQUAL(sum.metrics.unrecorded, 43);
    CU_ASSERT_EQUAL(sum.running, 43);
    CU_ASSERT_EQUAL(sum.connections, 43);
    CU_ASSERT_EQUAL(sum.accepts, 43);
    CU_ASSERT_EQUAL(sum.displaced, 43);
    CU_ASSERT_EQUAL(sum.upstream.connections, 43);
    CU_ASSERT_EQUAL(sum.upstream.handshakes, 43);
    CU_ASSERT_EQUAL(sum.upstream.resumed, 43);
    CU_ASSERT_EQUAL(sum.upstream.reused, 43);
    CU_ASSERT_EQUAL(sum.upstream.retries, 43);
    CU_ASSERT_EQUAL(sum.upstream.failures, 43);
    CU_ASSERT_EQUAL(sum.upstream.open, 43);
    CU_ASSERT_EQUAL(sum.upstream.idle, 43);
    CU_ASSERT_EQUAL(sum.upstream.queued, 43);
}

/* The keeper counts for all its links: the same number, heard at different times. */
static void the_keeper_s_own(void)
{
    struct report sum = numbered(3, true, "", ""), one = numbered(40, true, "", "");

    report_add(&sum, &one);
    CU_ASSERT_EQUAL(sum.keeper.records, 140);
    CU_ASSERT_EQUAL(sum.keeper.syncs, 97);
    CU_ASSERT_EQUAL(sum.keeper.signatures, 7);
    CU_ASSERT_EQUAL(sum.keeper.connects, 43);
    CU_ASSERT(sum.keeper.connected && sum.keeper.audit_ok);
    CU_ASSERT_EQUAL(sum.keeper.waiting, 40000);
    CU_ASSERT_EQUAL(sum.keeper.receipts[0].records, 40);
    /* What was heard earlier is not the latest. */
    one = numbered(7, true, "", "");
    report_add(&sum, &one);
    CU_ASSERT_EQUAL(sum.keeper.waiting, 40000);
    CU_ASSERT_EQUAL(sum.keeper.receipts[0].records, 40);
}

/* One worker without its link is one too many, whichever it is. */
static void all_or_not_ready(void)
{
    for (unsigned bad = 0; bad < 3; bad++) {
        struct report sum = numbered(1, bad != 0, bad == 0 ? "bad" : "", bad == 0 ? "why" : "");

        for (unsigned i = 1; i < 3; i++) {
            struct report one = numbered(1, bad != i, bad == i ? "bad" : "", bad == i ? "why" : "");

            report_add(&sum, &one);
        }
        CU_ASSERT_FALSE(sum.keeper.connected);
        CU_ASSERT_FALSE(sum.keeper.audit_ok);
        CU_ASSERT_STRING_EQUAL(sum.trouble, "bad");
        CU_ASSERT_STRING_EQUAL(sum.why, "why");
        CU_ASSERT_STRING_EQUAL(sum.keeper.reason, "why");
    }
}

/* One that never answered has no code yet. */
static void nothing_heard(void)
{
    struct report sum = numbered(1, true, "", ""), none = {0};

    report_add(&sum, &none);
    CU_ASSERT_STRING_EQUAL(sum.trouble, "");
    CU_ASSERT_FALSE(sum.keeper.connected);
}

static void text(void)
{
    struct report r = numbered(43, true, "", "");
    struct buf out = BUF_INIT(64 * 1024);

    CU_ASSERT_EQUAL(report_put(&out, &r), 0);
    CU_ASSERT_EQUAL_FATAL(buf_append(&out, "", 1), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_slice(&out).data, "\ncention_requests_total 43\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_slice(&out).data, "\ncention_audit_records_total 143\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_slice(&out).data, "\ncention_upstream_open 43\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_slice(&out).data, "\ncention_audit_waiting_bytes 43000\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_slice(&out).data, "\ncention_audit_quota_bytes 9\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_slice(&out).data,
                                  "\ncention_audit_receipt_lag_records{receipt=\"archive\"} 43\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(buf_slice(&out).data,
                                  "\ncention_audit_receipt_lag_seconds{receipt=\"archive\"} 43\n"));
    buf_deinit(&out);
    out = BUF_INIT(1000);
    CU_ASSERT_EQUAL(report_put_receipts(&out, &r), 0);
    CU_ASSERT_TRUE(
        slice_eq(buf_slice(&out), SLICE_LIT("receipt archive: 43 records, 43 seconds behind\n")));
    buf_deinit(&out);
    out = BUF_INIT(100);
    CU_ASSERT(report_put(&out, &r) < 0);
    buf_deinit(&out);
}

static const struct unit_case CASES[] = {
    {"sums", sums},
    {"the keeper's own counters", the_keeper_s_own},
    {"ready when all are", all_or_not_ready},
    {"one that was not heard", nothing_heard},
    {"text", text},
};
UNIT_MAIN("report", CASES)
