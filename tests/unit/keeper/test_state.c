/* What proxies are told of the audit log, and a keeper over its quota. */
#include "keeper/state.h"

#include "unit/keeper/keeper_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char elsewhere[] = "/tmp/test_state.XXXXXX";
static struct receipts_paths paths;

static const char *receipt_path(const char *name)
{
    static char path[64];

    snprintf(path, sizeof(path), "%s/%s.receipt", elsewhere, name);
    return path;
}

static void begin(struct fixture *f, unsigned receipts, uint64_t quota)
{
    static const char *const NAMES[] = {"a", "b"};

    strcpy(elsewhere + strlen(elsewhere) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(elsewhere));
    paths = (struct receipts_paths){0};
    for (unsigned i = 0; i < receipts; i++)
        CU_ASSERT_PTR_NULL(receipts_paths_add(&paths, receipt_path(NAMES[i])));
    keeper_audit.receipts = &paths;
    keeper_audit.quota = quota;
    setup(f);
}

static void end(struct fixture *f)
{
    cleanup(f);
    receipts_paths_deinit(&paths);
    unit_remove(elsewhere);
    keeper_audit.receipts = NULL;
    keeper_audit.quota = 0;
}

/* Says that the sink has all records so far, and waits for the keeper's look at it. */
static void cover(const struct fixture *f, const char *name, uint64_t seq)
{
    const struct ledger *ledger;
    const struct backlog *b = audit_backlog(f->audit, &ledger);
    struct receipt r = {
        .sink = "a", .log = ledger->log, .epoch = 1, .seq = seq, .hash = ledger->last};
    struct buf text = BUF_INIT(RECEIPT_MAX);
    FILE *file = fopen(receipt_path(name), "w");

    memcpy(r.time, "2026-01-01T00:00:00.000000Z", SEAL_TIME);
    CU_ASSERT_EQUAL_FATAL(receipt_write(&text, &r), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(text.data, 1, buf_len(&text), file), buf_len(&text));
    fclose(file);
    buf_deinit(&text);
    for (uint64_t before = b->looked_at, i = 0; i < 1000 && b->looked_at == before; i++) {
        usleep((useconds_t)backlog_due(b));
        turn(f);
    }
}

static void test_without_receipts(void)
{
    struct fixture f;
    struct state s;

    begin(&f, 0, 0);
    state_make(&s, WIRE_STATE, 7, f.audit, 3);
    CU_ASSERT_EQUAL(s.message.type, WIRE_STATE);
    CU_ASSERT_EQUAL(s.message.state.id, 7);
    CU_ASSERT_EQUAL(s.message.state.audit_ok, 1);
    CU_ASSERT_EQUAL(s.message.state.reason.len, 0);
    CU_ASSERT_EQUAL(s.message.state.signatures, 3);
    CU_ASSERT_EQUAL(s.message.state.records, audit_seq(f.audit));
    CU_ASSERT_EQUAL(s.message.state.waiting, 0);
    CU_ASSERT_EQUAL(s.message.state.n_receipts, 0);
    end(&f);
}

static void test_receipts(void)
{
    struct fixture f;
    struct state s;
    uint64_t last;

    begin(&f, 2, 1000000);
    last = audit_seq(f.audit);
    cover(&f, "b", last - 1);
    last = audit_seq(f.audit);
    state_make(&s, WIRE_WELCOME, 0, f.audit, 0);
    CU_ASSERT_EQUAL(s.message.state.quota, 1000000);
    CU_ASSERT(s.message.state.waiting > 0);
    CU_ASSERT_EQUAL_FATAL(s.message.state.n_receipts, 2);
    CU_ASSERT(slice_eq(s.message.state.receipts[0].name, SLICE_LIT("a")));
    CU_ASSERT_EQUAL(s.message.state.receipts[0].records, last);
    CU_ASSERT(slice_eq(s.message.state.receipts[1].name, SLICE_LIT("b")));
    CU_ASSERT(s.message.state.receipts[1].records > 0 &&
              s.message.state.receipts[1].records < last);
    end(&f);
}

static int failures;

static void on_failure(void *arg)
{
    (void)arg;
    failures++;
}

static void put_reject(const struct proxy *p, uint64_t id)
{
    struct wire_message m = {.type = WIRE_REJECT,
                             .reject = {.id = id, .client = {.uid = 1}, .status = 400}};

    put(p, &m);
}

static const struct wire_state *state(struct proxy *p)
{
    const struct wire_message *m = next(p);

    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_EQUAL_FATAL(m->type, WIRE_STATE);
    return &m->state;
}

/* Too much waits for a receipt: nothing new, but the end of all that is under way; and it passes.
 */
static void test_quota(void)
{
    struct fixture f;
    struct proxy *p;
    const struct wire_state *s;
    uint64_t seq;

    begin(&f, 1, 6000);
    failures = 0;
    keeper_on_failure(f.keeper, on_failure, NULL);
    p = greet(&f);
    put_sign(p, 1);
    turn(&f);
    expect_signed(p, 1);
    for (uint64_t id = 2; audit_state(f.audit).ok && id < 100; id++) {
        put_reject(p, id);
        turn(&f);
        expect_recorded(p, id, audit_state(f.audit).ok);
    }
    CU_ASSERT_TRUE(audit_state(f.audit).passing);
    seq = audit_seq(f.audit);
    /* Neither requests nor refusals, whoever refuses. */
    put_sign(p, 200);
    put_reject(p, 201);
    turn(&f);
    CU_ASSERT_PTR_NOT_NULL_FATAL(next(p));
    CU_ASSERT_EQUAL_FATAL(p->m.type, WIRE_REFUSED);
    CU_ASSERT_EQUAL(p->m.refused.reason, WIRE_REASON_AUDIT);
    CU_ASSERT(slice_eq(slice_cut(p->m.refused.text, 12), SLICE_LIT("audit.quota:")));
    expect_recorded(p, 201, 0);
    CU_ASSERT_EQUAL(audit_seq(f.audit), seq);
    put_outcome(p, 1);
    turn(&f);
    expect_recorded(p, 1, 1);
    /* Everyone is told, unasked. */
    s = state(p);
    CU_ASSERT_EQUAL(s->audit_ok, 0);
    CU_ASSERT(slice_eq(slice_cut(s->reason, 12), SLICE_LIT("audit.quota:")));
    CU_ASSERT(s->waiting > s->quota);
    /* A signature over the log may come between: that is one record more to wait for. */
    for (int i = 0; i < 3 && !audit_state(f.audit).ok; i++)
        cover(&f, "a", audit_seq(f.audit));
    s = state(p);
    CU_ASSERT_EQUAL(s->audit_ok, 1);
    CU_ASSERT_EQUAL(s->reason.len, 0);
    put_sign(p, 300);
    turn(&f);
    expect_signed(p, 300);
    CU_ASSERT_EQUAL(failures, 0);
    leave(p);
    end(&f);
}

/* As greet, of a keeper that is over its quota from the start. */
static struct proxy *greet_over(const struct fixture *f)
{
    struct wire_message hello = {.type = WIRE_HELLO, .version = WIRE_VERSION};
    struct proxy *p = arrive(f);

    put(p, &hello);
    turn(f);
    CU_ASSERT_PTR_NOT_NULL_FATAL(next(p));
    CU_ASSERT_EQUAL(p->m.type, WIRE_WELCOME);
    CU_ASSERT_EQUAL(p->m.state.audit_ok, 0);
    while (next(p))
        CU_ASSERT_EQUAL(p->m.state.audit_ok, 0);
    return p;
}

/* A disk that fails meanwhile is told of, and ends the keeper, as ever. */
static void test_failure_over_the_quota(void)
{
    struct fixture f;
    struct proxy *p;
    const struct wire_state *s;

    begin(&f, 1, 1);
    failures = 0;
    keeper_on_failure(f.keeper, on_failure, NULL);
    p = greet_over(&f);
    CU_ASSERT_EQUAL(failures, 0);
    keeper_reload_refused(f.keeper, "x");
    fail_sync = true;
    turn(&f);
    s = state(p);
    CU_ASSERT_EQUAL(s->audit_ok, 0);
    CU_ASSERT_FALSE(slice_eq(slice_cut(s->reason, 12), SLICE_LIT("audit.quota:")));
    CU_ASSERT_EQUAL(failures, 1);
    leave(p);
    end(&f);
}

static const struct unit_case CASES[] = {
    {"without receipts", test_without_receipts},
    {"receipts", test_receipts},
    {"over the quota", test_quota},
    {"a failure over the quota", test_failure_over_the_quota},
};

UNIT_MAIN("state", CASES)
