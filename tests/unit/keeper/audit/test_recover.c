#include "audit/segments.h"
#include "base/log.h"
#include "keeper/audit/audit.h"
#include "keeper/audit/recover.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_recover.XXXXXX";
static int directory;

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put_file(const char *name, const char *text, size_t n)
{
    FILE *f = fopen(path_of(name), "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fwrite(text, 1, n, f), n);
    fclose(f);
}

/* The intents so far whose outcome is owed, in their order. */
static struct {
    const char *id;
    uint64_t seq;
} owed[64];

static void setup(void)
{
    memset(owed, 0, sizeof(owed));
    log_set_level(LOG_LEVEL_ERROR);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    directory = open(folder, O_RDONLY | O_DIRECTORY);
}

static void cleanup(void)
{
    close(directory);
    unit_remove(folder);
}

static void intent(struct audit *a, const char *id)
{
    struct sign_request sign = {.request_id = slice_str(id), .client = {.uid = CLIENT_UID_UNKNOWN}};

    CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), 0);
    memmove(owed, owed + 1, sizeof(owed) - sizeof(owed[0]));
    owed[63].id = id;
    owed[63].seq = audit_last_intent(a);
}

static void outcome(struct audit *a, const char *id)
{
    struct record_outcome o = {.request_id = slice_str(id), .sent = "all"};

    for (unsigned i = 0; i < 64 && !o.intent; i++) {
        if (!owed[i].id || strcmp(owed[i].id, id) != 0)
            continue;
        o.intent = owed[i].seq;
        owed[i].id = NULL;
    }
    CU_ASSERT_EQUAL(audit_outcome(a, &o), 0);
}

static struct audit *open_audit(uint64_t segment_bytes)
{
    struct audit_options options = {.segment_bytes = segment_bytes};
    struct err err = ERR_INIT;
    struct audit *a = NULL;

    CU_ASSERT_EQUAL_FATAL(audit_open(&a, folder, &options, &err), 0);
    CU_ASSERT_EQUAL(audit_begin(a, "1", 2, &err), 0);
    return a;
}

/* A segment of header, start, the fields' key, "b" twice, "a", and one outcome of "b"; left as by a
 * crash. */
static char *make_log(size_t *n)
{
    struct audit *a = open_audit(0);

    intent(a, "b");
    intent(a, "a");
    intent(a, "b");
    outcome(a, "b");
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    return unit_file(path_of("audit-1.jsonl"), n);
}

/* The ids that are open, in the order of the log, each with a space behind it. */
static const char *ids_open(const struct recover *rec)
{
    static char all[64];

    all[0] = '\0';
    for (const struct open_request *o = rec->verify.open.first; o; o = o->after)
        strncat(strncat(all, o->id.data, o->id.len), " ", 2);
    return all;
}

static void test_orphans(void)
{
    struct recover r = {0};
    struct err err = ERR_INIT;
    size_t n = 0;

    setup();
    free(make_log(&n));
    CU_ASSERT_EQUAL(recover_log(&r, directory, folder, &err), 0);
    CU_ASSERT_FALSE(r.fresh);
    CU_ASSERT_EQUAL(r.first, 1);
    CU_ASSERT_EQUAL(r.good, n);
    CU_ASSERT_EQUAL(r.tail, 0);
    CU_ASSERT_EQUAL(r.verify.next_seq, 8);
    CU_ASSERT_STRING_EQUAL(ids_open(&r), "a b ");
    recover_deinit(&r);
    cleanup();
}

/* Cut at any byte: whole lines count, the rest is set aside, and nothing is damage. */
static void test_torn(void)
{
    size_t n = 0, good = 0;
    uint64_t seq = 1;
    char *text;

    setup();
    text = make_log(&n);
    for (size_t cut = 0; cut < n; cut++) {
        struct recover r = {0};
        struct err err = ERR_INIT;
        struct stat st;

        if (cut && text[cut - 1] == '\n') {
            good = cut;
            seq++;
        }
        put_file("audit-1.jsonl", text, cut);
        unlink(path_of("audit-1.jsonl.torn.pending"));
        CU_ASSERT_EQUAL(recover_log(&r, directory, folder, &err), 0);
        CU_ASSERT_EQUAL(r.fresh, good == 0);
        CU_ASSERT_EQUAL(stat(path_of("audit-1.jsonl.torn.pending"), &st), cut > good ? 0 : -1);
        CU_ASSERT(cut == good || st.st_size == (off_t)(cut - good));
        if (good) {
            CU_ASSERT_EQUAL(r.verify.next_seq, seq);
            CU_ASSERT_EQUAL(stat(path_of("audit-1.jsonl"), &st), 0);
            CU_ASSERT_EQUAL(st.st_size, (off_t)good);
        }
        recover_deinit(&r);
    }
    free(text);
    cleanup();
}

/* What no record follows is torn, newlines or not; what a record follows is damage. */
static void test_garbage(void)
{
    static const char GARBAGE[] = "\0\0\n{\"seq\":7\n\n\xff";
    struct recover r = {0};
    struct err err = ERR_INIT;
    size_t n = 0, more = sizeof(GARBAGE) - 1;
    char *text, *all;

    setup();
    text = make_log(&n);
    all = malloc(2 * n + more);
    memcpy(mempcpy(all, text, n), GARBAGE, more);
    put_file("audit-1.jsonl", all, n + more);
    CU_ASSERT_EQUAL(recover_log(&r, directory, folder, &err), 0);
    CU_ASSERT_EQUAL(r.tail, more);
    recover_deinit(&r);
    memcpy(all + n + more - 1, text, n);
    put_file("audit-1.jsonl", all, 2 * n + more - 1);
    CU_ASSERT_EQUAL(recover_log(&r, directory, folder, &err), -EBADMSG);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/audit-1.jsonl: line 8, byte offset "));
    recover_deinit(&r);
    free(text);
    free(all);
    cleanup();
}

/* Requests that are open at a segment's start are found in the segments before it. */
static void test_look_back(void)
{
    struct recover r = {0};
    struct err err = ERR_INIT;
    struct audit *a;

    setup();
    a = open_audit(1);
    intent(a, "x");
    for (unsigned i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(audit_commit(a), 0);
        CU_ASSERT_EQUAL(audit_tend(a), 0);
        intent(a, "y");
        outcome(a, "y");
    }
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    CU_ASSERT_EQUAL(recover_log(&r, directory, folder, &err), 0);
    CU_ASSERT_EQUAL(r.first_kept, 1);
    CU_ASSERT_EQUAL(r.verify.segments, 4);
    CU_ASSERT_STRING_EQUAL(ids_open(&r), "x ");
    recover_deinit(&r);
    a = open_audit(0);
    CU_ASSERT_EQUAL(audit_state(a).records, 2); /* start, and the outcome of x */
    audit_free(a);
    cleanup();
}

/* A crash between a new segment's making and its header. */
static void test_empty_segment(void)
{
    struct err err = ERR_INIT;
    struct audit *a;
    struct stat st;
    size_t n = 0;

    setup();
    free(make_log(&n));
    put_file("audit-7.jsonl", "{\"seq\":7,", 9);
    a = open_audit(0);
    CU_ASSERT_EQUAL(audit_state(a).records, 4); /* start, recovery, two outcomes */
    audit_free(a);
    CU_ASSERT_EQUAL(stat(path_of("audit-7.jsonl"), &st), -1);
    CU_ASSERT_EQUAL(stat(path_of("audit-7.jsonl.torn"), &st), 0);
    /* The same without anything before it. */
    put_file("audit-11.jsonl", "", 0);
    unlink(path_of("audit-1.jsonl"));
    CU_ASSERT_EQUAL(audit_open(&a, folder, NULL, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "are gone"));
    cleanup();
}

/* The key tells that a log was here, or a later part of it. */
static void test_missing(void)
{
    struct err err = ERR_INIT;
    struct audit *a = NULL;
    size_t n = 0;

    setup();
    free(make_log(&n));
    rename(path_of("audit-1.jsonl"), "/tmp/test_recover.kept");
    CU_ASSERT_EQUAL(audit_open(&a, folder, NULL, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, ".epoch-1.key"));
    rename("/tmp/test_recover.kept", path_of("audit-1.jsonl"));
    rename(path_of(".epoch-1.key"), "/tmp/test_recover.kept");
    CU_ASSERT_EQUAL(audit_open(&a, folder, NULL, &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "the key of epoch 1 is missing"));
    unlink("/tmp/test_recover.kept");
    cleanup();
}

static unsigned memory_for = UINT_MAX; /* so many more open requests */

struct open_request *__real_requests_open(struct requests *r, uint64_t seq, struct slice id,
                                          struct slice record);
struct open_request *__wrap_requests_open(struct requests *r, uint64_t seq, struct slice id,
                                          struct slice record);

struct open_request *__wrap_requests_open(struct requests *r, uint64_t seq, struct slice id,
                                          struct slice record)
{
    return memory_for-- ? __real_requests_open(r, seq, id, record) : NULL;
}

/* A last record that there is no memory for is no truncated end. */
static void test_no_memory(void)
{
    struct recover r = {0};
    struct err err = ERR_INIT;
    struct stat st;
    size_t n = 0;
    char *text, *last;

    setup();
    text = make_log(&n);
    text[n - 1] = '\0';
    last = strrchr(text, '\n') + 1; /* the outcome: "b" is open twice without it */
    n = (size_t)(last - text);
    put_file("audit-1.jsonl", text, n);
    for (memory_for = 0; memory_for < 3;) {
        unsigned had = memory_for;

        CU_ASSERT_EQUAL(recover_log(&r, directory, folder, &err), -ENOMEM);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "out of memory"));
        recover_deinit(&r);
        CU_ASSERT_EQUAL(stat(path_of("audit-1.jsonl.torn.pending"), &st), -1);
        CU_ASSERT_EQUAL(stat(path_of("audit-1.jsonl"), &st), 0);
        CU_ASSERT_EQUAL(st.st_size, (off_t)n);
        memory_for = had + 1;
    }
    memory_for = UINT_MAX;
    CU_ASSERT_EQUAL(recover_log(&r, directory, folder, &err), 0);
    CU_ASSERT_EQUAL(r.verify.open.n, 3);
    recover_deinit(&r);
    free(text);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"requests without outcome", test_orphans},
    {"a torn end", test_torn},
    {"garbage at the end, and in the middle", test_garbage},
    {"looking back", test_look_back},
    {"a segment without header", test_empty_segment},
    {"missing segments and keys", test_missing},
    {"no memory", test_no_memory},
};

UNIT_MAIN("recover", CASES)
