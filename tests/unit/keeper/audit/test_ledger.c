/*
 * What the ledger does when the disk fails, is full, or someone touches the file, seen through the
 * audit log that it writes.
 */
#include "unit/keeper/audit/audit_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* A write that takes a few bytes at a time loses and repeats none. */
static void test_partial_writes(void)
{
    struct audit *a;
    char *text;

    setup();
    a = open_audit(&IO);
    most = 7;
    fail_write = 3;
    write_error = EINTR;
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT(writes > 20);
    CU_ASSERT_EQUAL(syncs, 1);
    audit_free(a);
    text = log_text("audit-1.jsonl");
    CU_ASSERT_STRING_EQUAL(text,
                           "{\"seq\":2," TIME "," START "{\"seq\":3," TIME "," NEW_KEY
                           "{\"seq\":4," TIME ",\"type\":\"config\",\"result\":\"applied\"}\n"
                           "{\"seq\":5," TIME ",\"type\":\"config\",\"result\":\"applied\"}\n");
    free(text);
    cleanup();
}

static void test_early_write(void)
{
    struct request_field field = {SLICE_LIT("a"), SLICE_NULL, REQUEST_STRING};
    struct sign_request sign = {.request_id = SLICE_LIT("big"), .n_fields = 1, .fields = &field};
    char *value = malloc(REQUEST_BODY_MAX);
    struct audit *a;
    struct stat st;

    setup();
    a = open_audit(&IO);
    /* The longest message, every byte of it escaped. */
    memset(value, 1, REQUEST_BODY_MAX);
    field.value = slice_of(value, REQUEST_BODY_MAX);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), 0);
    CU_ASSERT_EQUAL(writes, 2);
    CU_ASSERT_EQUAL(syncs, 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT_EQUAL(syncs, 1);
    audit_free(a);
    CU_ASSERT_EQUAL(stat(in_folder("audit-1.jsonl"), &st), 0);
    CU_ASSERT(st.st_size > 2 * 6 * REQUEST_BODY_MAX);
    a = open_audit(NULL);
    CU_ASSERT_EQUAL(audit_state(a).records, 3);
    audit_free(a);
    free(value);
    cleanup();
}

/* After the first failure everything is refused and the disk is left alone. */
static void expect_latched(struct audit *a)
{
    unsigned w = writes, s = syncs;

    CU_ASSERT_FALSE(audit_state(a).ok);
    CU_ASSERT(audit_state(a).reason[0] != '\0');
    fail_write = fail_sync = 0;
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), -EIO);
    CU_ASSERT_EQUAL(audit_commit(a), -EIO);
    CU_ASSERT_EQUAL(audit_commit(a), -EIO);
    CU_ASSERT_EQUAL(writes, w);
    CU_ASSERT_EQUAL(syncs, s);
}

static void test_write_failure(void)
{
    struct audit *a;

    setup();
    for (int i = 0; i < 2; i++) {
        a = open_audit(&IO);
        fail_write = 2;
        write_error = i ? 0 : ENOSPC;
        most = 10;
        CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
        CU_ASSERT_EQUAL(audit_commit(a), -EIO);
        CU_ASSERT_EQUAL(syncs, 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(audit_state(a).reason, i ? "Input/output" : "No space left"));
        expect_latched(a);
        audit_free(a);
    }
    /* The next start sets the ten bytes aside and goes on. */
    a = open_audit(NULL);
    CU_ASSERT_EQUAL(audit_state(a).records, 2);
    audit_free(a);
    cleanup();
}

static void test_sync_failure(void)
{
    struct audit *a;

    setup();
    a = open_audit(&IO);
    fail_sync = 1;
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_commit(a), -EIO);
    CU_ASSERT_EQUAL(syncs, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(audit_state(a).reason, "Input/output"));
    expect_latched(a);
    audit_free(a);
    cleanup();
}

/* The kernel's own refusal to write more, in the middle of a record. */
static void test_file_size_limit(void)
{
    struct rlimit before, limit;
    struct err err = ERR_INIT;
    struct audit *a = NULL;

    setup();
    signal(SIGXFSZ, SIG_IGN);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_FSIZE, &before), 0);
    limit = (struct rlimit){.rlim_cur = 100, .rlim_max = before.rlim_max};
    a = open_audit(NULL);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_commit(a), -EIO);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_FSIZE, &before), 0);
    CU_ASSERT_FALSE(audit_state(a).ok);
    audit_free(a);
    CU_ASSERT_EQUAL(audit_open(&a, folder, NULL, &err), 0);
    CU_ASSERT_EQUAL(audit_begin(a, "1", 2, &err), 0);
    CU_ASSERT(audit_state(a).ok);
    audit_free(a);
    cleanup();
}

/* Nothing new is taken; what is under way ends, and so does the log. */
static void test_full(void)
{
    struct audit_options options = {.io = &TEST_IO, .segment_bytes = 64 * 1024};
    struct sign_request sign = {.request_id = SLICE_LIT("n"),
                                .client = {.uid = CLIENT_UID_UNKNOWN}};
    struct reject_request reject = {.client = {.uid = 1}};
    struct audit *a;
    uint64_t first;
    char *text, id[16];
    int n = 0;

    setup();
    a = open_audit(&options);
    first = audit_seq(a) + 1;
    no_space = ENOSPC;
    for (; n < 1000 && audit_state(a).ok; n++) {
        snprintf(id, sizeof(id), "r%d", n);
        sign.request_id = slice_str(id);
        if (audit_intent(a, &sign, SLICE_LIT("k")) < 0)
            break;
    }
    /* What was reserved at the start was enough for some, and for their outcomes. */
    CU_ASSERT(n > 10 && n < 1000);
    CU_ASSERT_FALSE(audit_state(a).ok);
    CU_ASSERT_FALSE(audit_failed(a));
    CU_ASSERT_PTR_NOT_NULL(strstr(audit_state(a).reason, "No space left"));
    CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), -ENOSPC);
    CU_ASSERT_EQUAL(audit_reject(a, &reject), -ENOSPC);
    CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), -ENOSPC);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    for (int i = 0; i < n; i++) {
        snprintf(id, sizeof(id), "r%d", i);
        outcome_of(a, id, first + (uint64_t)i);
    }
    CU_ASSERT_EQUAL(audit_tend(a), 0);
    CU_ASSERT_EQUAL(audit_stop(a), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    no_space = 0;
    text = log_text("audit-1.jsonl");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"type\":\"stop\""));
    CU_ASSERT_PTR_NULL(strstr(text, "\"id\":\"n\""));
    free(text);
    a = open_audit(&options);
    CU_ASSERT(audit_state(a).ok);
    CU_ASSERT_EQUAL(audit_state(a).records, 1);
    audit_free(a);
    cleanup();
}

/* A disk that was full before can't be begun on; one that can't reserve is used as it is. */
static void test_no_reserve(void)
{
    struct err err = ERR_INIT;
    struct audit *a = NULL;

    setup();
    no_space = ENOSPC;
    CU_ASSERT_EQUAL(audit_open(&a, folder, &IO, &err), -ENOSPC);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, folder));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No space left"));
    no_space = EOPNOTSUPP;
    a = open_audit(&IO);
    for (int i = 0; i < 100; i++)
        intent(a, "x");
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    no_space = ENOSPC;
    CU_ASSERT_EQUAL(audit_open(&a, folder, &IO, &err), 0);
    CU_ASSERT_EQUAL(audit_begin(a, "1", 2, &err), -ENOSPC);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "No space left"));
    audit_free(a);
    no_space = 0;
    cleanup();
}

/* A segment that can't be begun leaves the old one going on. */
static void test_no_new_segment(void)
{
    struct audit_options options = {.io = &TEST_IO, .segment_bytes = 4096};
    struct audit *a;
    char *text;

    setup();
    a = open_audit(&options);
    intent(a, "x");
    for (int i = 0; i < 40; i++)
        CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    no_space = ENOSPC;
    CU_ASSERT_EQUAL(audit_due(a), 0);
    CU_ASSERT_EQUAL(audit_tend(a), 0);
    CU_ASSERT_FALSE(audit_state(a).ok);
    outcome(a, "x");
    CU_ASSERT_EQUAL(audit_stop(a), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    no_space = 0;
    text = log_text("audit-1.jsonl");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"type\":\"stop\""));
    free(text);
    a = open_audit(&options);
    CU_ASSERT(audit_state(a).ok);
    audit_free(a);
    cleanup();
}

/* The file is taken away under the keeper's feet: it is put back, and the log says so. */
static void test_alarm(void)
{
    static const char *const KEPT[] = {"removed", "replaced", "altered"};
    struct audit *a;
    char *text;

    setup();
    a = open_audit(&IO);
    for (int i = 0; i < 3; i++) {
        intent(a, "x");
        CU_ASSERT_EQUAL(audit_commit(a), 0);
        if (i < 2)
            CU_ASSERT_EQUAL(unlink(in_folder("audit-1.jsonl")), 0);
        if (i == 1)
            put_file("audit-1.jsonl", "mine\n");
        if (i == 2)
            append("audit-1.jsonl", "more\n");
        outcome(a, "x");
        CU_ASSERT_EQUAL(audit_commit(a), 0);
        CU_ASSERT(audit_state(a).ok);
        CU_ASSERT_PTR_NOT_NULL(strstr(audit_state(a).reason, KEPT[i]));
    }
    CU_ASSERT_EQUAL(audit_stop(a), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    text = log_text("audit-1.jsonl");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"type\":\"alarm\",\"segment\":\"audit-1.jsonl\","
                                        "\"event\":\"removed\",\"restored_bytes\":"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"event\":\"replaced\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"kept\":\"audit-1.jsonl.replaced\"}"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"kept\":\"audit-1.jsonl.replaced-2\"}"));
    free(text);
    text = unit_file(in_folder("audit-1.jsonl.replaced"), &(size_t){0});
    CU_ASSERT_STRING_EQUAL(text, "mine\n");
    free(text);
    a = open_audit(NULL);
    CU_ASSERT(audit_state(a).ok);
    CU_ASSERT_EQUAL(audit_state(a).records, 1);
    audit_free(a);
    cleanup();
}

/* What was written is gone for good: nothing is taken any more. */
static void test_cut(void)
{
    struct audit *a;

    setup();
    a = open_audit(&IO);
    intent(a, "x");
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT_EQUAL(truncate(in_folder("audit-1.jsonl"), 100), 0);
    outcome(a, "x");
    CU_ASSERT_EQUAL(audit_commit(a), -EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(audit_state(a).reason, "altered"));
    expect_latched(a);
    audit_free(a);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"a batch too large to hold", test_early_write},
    {"partial writes", test_partial_writes},
    {"a failed write", test_write_failure},
    {"a failed sync", test_sync_failure},
    {"a file size limit", test_file_size_limit},
    {"a full disk", test_full},
    {"no space at the start, or no reserving", test_no_reserve},
    {"no space for a segment", test_no_new_segment},
    {"a file that is taken away", test_alarm},
    {"a file that is cut", test_cut},
};

UNIT_MAIN("ledger", CASES)
