/* What becomes of finished segments, through the audit log that has them (and proof.c with it). */
#include "audit/verify.h"
#include "keeper/audit/retention.h"
#include "unit/keeper/audit/audit_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct audit_options options;

static struct audit *open_small(void)
{
    options.segment_bytes = 4096;
    return open_audit(&options);
}

static void settle(struct audit *a)
{
    for (int i = 0; i < 1000 && audit_due(a) == 0; i++)
        CU_ASSERT_EQUAL(audit_tend(a), 0);
    CU_ASSERT(audit_due(a) > 0);
}

/* Goes on until a new segment is begun and all work on the old ones is done. */
static void rotate(struct audit *a)
{
    for (int i = 0; i < 40; i++)
        CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    settle(a);
}

static void list(struct segments *s)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CU_ASSERT_EQUAL_FATAL(segments_list(s, fd), 0);
    close(fd);
}

static size_t count(void)
{
    struct segments s;
    size_t n;

    list(&s);
    n = s.n;
    segments_deinit(&s);
    return n;
}

static const char *verify_file(struct verify *v, const char *name, bool packed, uint64_t chain)
{
    struct segment_reader reader = SEGMENT_READER_INIT;
    const char *why = NULL;
    struct slice line;
    int fd = open(in_folder(name), O_RDONLY | O_CLOEXEC);

    CU_ASSERT_FATAL(fd >= 0);
    segment_reader_borrow(&reader, fd, packed);
    if (!chain)
        verify_segment(v);
    while (!why && segment_read(&reader, &line) == 1)
        why = chain ? verify_retired(v, line, chain) : verify_line(v, line);
    segment_reader_close(&reader);
    close(fd);
    return why;
}

/* Everything that is left, from the log's identity on. NULL when it is sound. */
static const char *verify_all(const struct seal_key *pin)
{
    static struct verify v;
    static char why[160];
    const char *found = NULL;
    char name[SEGMENT_NAME];
    struct segments s;

    CU_ASSERT_EQUAL(verify_init(&v), 0);
    v.pin = pin;
    v.whole = true;
    list(&s);
    if (s.first[0] > 1)
        found = verify_file(&v, SEGMENTS_RETIRED, false, s.first[0]);
    for (size_t i = 0; !found && i < s.n; i++) {
        segment_file_name(name, s.first[i], s.packed[i]);
        found = verify_file(&v, name, s.packed[i], 0);
    }
    if (!found)
        found = verify_end(&v);
    if (!found && s.first[0] > 1 && !v.proved)
        found = "not proved";
    if (found)
        snprintf(why, sizeof(why), "%s", found);
    segments_deinit(&s);
    verify_deinit(&v);
    return found ? why : NULL;
}

static struct seal_key identity(void)
{
    struct verify v;
    struct seal_key key;

    CU_ASSERT_EQUAL(verify_init(&v), 0);
    CU_ASSERT_PTR_NULL(verify_file(&v, "audit-1.jsonl", false, 0));
    key = v.log;
    verify_deinit(&v);
    return key;
}

static void expect_sound(const struct seal_key *pin)
{
    const char *why = verify_all(pin);

    if (why)
        printf("verify: %s\n", why);
    CU_ASSERT_PTR_NULL(why);
}

static void test_compress(void)
{
    struct seal_key pin;
    struct segments s;
    struct audit *a;
    struct stat st;
    char name[SEGMENT_NAME];

    setup();
    options = (struct audit_options){.retention = {.compress = true}};
    a = open_small();
    pin = identity();
    for (int i = 0; i < 5; i++)
        rotate(a);
    list(&s);
    CU_ASSERT_EQUAL(s.n, 6);
    for (size_t i = 0; i < s.n; i++) {
        CU_ASSERT_EQUAL(s.packed[i], i < 5);
        segment_file_name(name, s.first[i], s.packed[i]);
        CU_ASSERT_EQUAL(stat(in_folder(name), &st), 0);
        CU_ASSERT_EQUAL(st.st_mode & 07777, i < 5 ? 0440 : 0640);
    }
    segments_deinit(&s);
    CU_ASSERT_EQUAL(audit_stop(a), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    expect_sound(&pin);
    /* A crash before the plain form was removed: it counts, and is compressed again. */
    put_file("audit-1.jsonl", "");
    CU_ASSERT_PTR_NOT_NULL(verify_all(&pin));
    cleanup();
}

/* An intent in a compressed segment still gets its outcome at the next start. */
static void test_recovery(void)
{
    struct audit *a;

    setup();
    options = (struct audit_options){.retention = {.compress = true}};
    a = open_small();
    intent(a, "x");
    rotate(a);
    rotate(a);
    audit_free(a);
    a = open_small();
    CU_ASSERT_EQUAL(audit_state(a).records, 2); /* start, outcome */
    CU_ASSERT_EQUAL(audit_stop(a), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    expect_sound(NULL);
    cleanup();
}

static void test_keep_segments(void)
{
    struct seal_key pin, other;
    struct audit *a;
    char *text;

    for (int compress = 0; compress < 2; compress++) {
        setup();
        options =
            (struct audit_options){.retention = {.compress = compress != 0, .keep_segments = 3}};
        a = open_small();
        pin = identity();
        for (int i = 0; i < 8; i++)
            rotate(a);
        CU_ASSERT_EQUAL(count(), 3);
        CU_ASSERT_EQUAL(audit_stop(a), 0);
        CU_ASSERT_EQUAL(audit_commit(a), 0);
        audit_free(a);
        expect_sound(&pin);
        other = pin;
        other.bytes[0] ^= 1;
        CU_ASSERT_STRING_EQUAL(verify_all(&other), "the pinned key is not a key of this log");
        /* The proof can't be done without, nor altered. */
        text = unit_file(in_folder(SEGMENTS_RETIRED), &(size_t){0});
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        for (size_t i = 0, n = strlen(text); i < n; i += 7) {
            char was = text[i];

            text[i] = was == '0' ? '1' : '0';
            put_file(SEGMENTS_RETIRED, text);
            CU_ASSERT_PTR_NOT_NULL(verify_all(&pin));
            text[i] = was;
        }
        put_file(SEGMENTS_RETIRED, text);
        expect_sound(&pin);
        free(text);
        /* The next start goes on with it. */
        a = open_small();
        rotate(a);
        audit_free(a);
        CU_ASSERT_EQUAL(count(), 3);
        expect_sound(&pin);
        cleanup();
    }
}

/* A segment that no record says was retired was removed by someone. */
static void test_removed(void)
{
    struct segments s;
    struct audit *a;
    char name[SEGMENT_NAME];

    setup();
    options = (struct audit_options){.retention = {.keep_segments = 4}};
    a = open_small();
    for (int i = 0; i < 8; i++)
        rotate(a);
    audit_free(a);
    expect_sound(NULL);
    list(&s);
    segment_name(name, s.first[0]);
    CU_ASSERT_EQUAL(unlink(in_folder(name)), 0);
    CU_ASSERT_STRING_EQUAL(verify_all(NULL), "the header doesn't follow what was retired");
    CU_ASSERT_EQUAL(unlink(in_folder(SEGMENTS_RETIRED)), 0);
    put_file(SEGMENTS_RETIRED, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(verify_all(NULL), "they were removed"));
    segments_deinit(&s);
    cleanup();
}

static void test_keep_bytes(void)
{
    struct seal_key pin;
    struct audit *a;

    setup();
    options = (struct audit_options){.retention = {.keep_bytes = 20000}};
    a = open_small();
    pin = identity();
    for (int i = 0; i < 8; i++)
        rotate(a);
    CU_ASSERT(count() >= 3 && count() < 6);
    audit_free(a);
    expect_sound(&pin);
    cleanup();
}

static void test_keep_age(void)
{
    struct seal_key pin;
    struct audit *a;

    setup();
    options = (struct audit_options){.retention = {.keep_age_us = 1000000000}};
    a = open_small();
    pin = identity();
    rotate(a);
    rotate(a);
    CU_ASSERT_EQUAL(count(), 3);
    audit_free(a);
    options.retention.keep_age_us = 1;
    a = open_small();
    rotate(a);
    CU_ASSERT_EQUAL(count(), 1);
    audit_free(a);
    expect_sound(&pin);
    cleanup();
}

/* Nothing goes that a request under way began in. */
static void test_open_requests(void)
{
    struct audit *a;

    setup();
    options = (struct audit_options){.retention = {.keep_segments = 1}};
    a = open_small();
    rotate(a);
    CU_ASSERT_EQUAL(count(), 1);
    intent(a, "x");
    rotate(a);
    rotate(a);
    CU_ASSERT_EQUAL(count(), 3);
    outcome(a, "x");
    rotate(a);
    CU_ASSERT_EQUAL(count(), 1);
    audit_free(a);
    expect_sound(NULL);
    cleanup();
}

static void write_receipt(const struct seal_key *log, uint64_t seq)
{
    struct receipt r = {.sink = "a", .log = *log, .epoch = 1, .seq = seq};
    struct buf text = BUF_INIT(RECEIPT_MAX);

    memcpy(r.time, "2026-01-01T00:00:00.000000Z", SEAL_TIME);
    CU_ASSERT_EQUAL_FATAL(receipt_write(&text, &r), 0);
    CU_ASSERT_EQUAL_FATAL(buf_append(&text, "", 1), 0);
    put_file("a.receipt", text.data);
    buf_deinit(&text);
}

/* Until the next look at the receipts is over, and what follows from it. */
static void next_look(struct audit *a)
{
    const struct ledger *ledger;
    const struct backlog *b = audit_backlog(a, &ledger);
    uint64_t before = b->looked_at;

    for (int i = 0; i < 1000 && b->looked_at == before; i++) {
        usleep((useconds_t)backlog_due(b));
        CU_ASSERT_EQUAL(audit_tend(a), 0);
    }
    settle(a);
}

/* No segment goes before the receipts cover its last record; compressing doesn't wait. */
static void test_receipts(void)
{
    struct receipts_paths paths = {0};
    struct seal_key pin, other;
    struct segments s;
    struct audit *a;
    uint64_t last;

    setup();
    CU_ASSERT_PTR_NULL(receipts_paths_add(&paths, in_folder("a.receipt")));
    options = (struct audit_options){.retention = {.compress = true, .keep_segments = 2},
                                     .receipts = &paths};
    a = open_small();
    pin = other = identity();
    other.bytes[0] ^= 1;
    for (int i = 0; i < 5; i++)
        rotate(a);
    list(&s);
    CU_ASSERT_EQUAL_FATAL(s.n, 6);
    CU_ASSERT_TRUE(s.packed[4]);
    last = s.first[2] - 1; /* of the second one */
    segments_deinit(&s);
    write_receipt(&other, last);
    next_look(a);
    CU_ASSERT_EQUAL(count(), 6);
    write_receipt(&pin, last - 1);
    next_look(a);
    CU_ASSERT_EQUAL(count(), 5);
    write_receipt(&pin, last);
    next_look(a);
    CU_ASSERT_EQUAL(count(), 4);
    /* One more than the log has. */
    write_receipt(&pin, audit_seq(a) + 1);
    next_look(a);
    CU_ASSERT_EQUAL(count(), 4);
    write_receipt(&pin, audit_seq(a) - 1);
    next_look(a);
    CU_ASSERT_EQUAL(count(), 2);
    audit_free(a);
    /* The next start waits, too, from its first moment on. */
    CU_ASSERT_EQUAL(unlink(in_folder("a.receipt")), 0);
    a = open_small();
    rotate(a);
    CU_ASSERT_EQUAL(count(), 3);
    audit_free(a);
    receipts_paths_deinit(&paths);
    expect_sound(&pin);
    cleanup();
}

/* What has to go by its age or size waits as well. */
static void test_receipts_other_reasons(void)
{
    static const struct retention_options WAYS[] = {{.keep_age_us = 1}, {.keep_bytes = 4096}};

    for (size_t i = 0; i < sizeof(WAYS) / sizeof(WAYS[0]); i++) {
        struct receipts_paths paths = {0};
        struct seal_key pin;
        struct audit *a;

        setup();
        CU_ASSERT_PTR_NULL(receipts_paths_add(&paths, in_folder("a.receipt")));
        options = (struct audit_options){.retention = WAYS[i], .receipts = &paths};
        a = open_small();
        pin = identity();
        rotate(a);
        rotate(a);
        CU_ASSERT_EQUAL(count(), 3);
        write_receipt(&pin, audit_seq(a) - 1);
        next_look(a);
        CU_ASSERT_EQUAL(count(), 1);
        audit_free(a);
        receipts_paths_deinit(&paths);
        expect_sound(&pin);
        cleanup();
    }
}

/* A receipt that goes while the segment is gathered from keeps it. */
static void test_receipt_gone(void)
{
    struct ledger ledger = {0};
    struct retention retention;
    struct segments s;
    struct audit *a;
    int directory;

    setup();
    options = (struct audit_options){0};
    a = open_small();
    rotate(a);
    audit_free(a);
    list(&s);
    directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL(directory >= 0);
    retention_init(&retention, &(struct retention_options){.keep_segments = 1}, directory, folder);
    CU_ASSERT_EQUAL(retention_step(&retention, &ledger, s.first[1], UINT64_MAX, s.first[1] - 1), 0);
    CU_ASSERT_EQUAL(retention.state, RETENTION_RETIRING);
    for (int i = 0; i < 10 && retention.state == RETENTION_RETIRING; i++)
        CU_ASSERT_EQUAL(retention_step(&retention, &ledger, s.first[1], UINT64_MAX, 0), 0);
    CU_ASSERT_EQUAL(retention.state, RETENTION_IDLE);
    CU_ASSERT_EQUAL(count(), 2);
    retention_deinit(&retention);
    segments_deinit(&s);
    close(directory);
    cleanup();
}

static size_t waiting(const struct audit *a)
{
    const struct ledger *ledger;
    const struct backlog *b = audit_backlog(a, &ledger);

    return backlog_bytes(b, ledger);
}

/* What waits is what lies there, through rotation and compression. */
static void test_waiting(void)
{
    struct receipts_paths paths = {0};
    struct seal_key pin;
    struct segments s;
    struct audit *a;
    char name[SEGMENT_NAME];
    struct stat st;
    size_t bytes;

    for (int compress = 0; compress < 2; compress++) {
        setup();
        CU_ASSERT_PTR_NULL(receipts_paths_add(&paths, in_folder("a.receipt")));
        options = (struct audit_options){
            .retention = {.compress = compress != 0, .keep_segments = 3}, .receipts = &paths};
        a = open_small();
        pin = identity();
        for (int i = 0; i < 6; i++) {
            if (i == 3) {
                write_receipt(&pin, audit_seq(a) - 1);
                next_look(a);
                CU_ASSERT(waiting(a) < 4096);
            }
            rotate(a);
            list(&s);
            bytes = 0;
            for (size_t k = 0; k < s.n; k++) {
                const struct ledger *ledger;
                uint64_t last = k + 1 < s.n ? s.first[k + 1] - 1 : audit_seq(a);

                segment_file_name(name, s.first[k], s.packed[k]);
                CU_ASSERT_EQUAL(stat(in_folder(name), &st), 0);
                bytes += last > audit_backlog(a, &ledger)->covered ? (size_t)st.st_size : 0;
            }
            segments_deinit(&s);
            CU_ASSERT_EQUAL(waiting(a), bytes);
        }
        audit_free(a);
        receipts_paths_deinit(&paths);
        cleanup();
    }
}

/* What can't be done is left, and the log goes on. */
static void test_trouble(void)
{
    struct audit *a;

    setup();
    options = (struct audit_options){.retention = {.keep_segments = 2}};
    put_file(SEGMENTS_RETIRED, "not a record\n");
    a = open_small();
    for (int i = 0; i < 3; i++)
        rotate(a);
    CU_ASSERT_EQUAL(count(), 4);
    CU_ASSERT(audit_state(a).ok);
    audit_free(a);
    /* A truncated line of the proof is one that a crash left. */
    put_file(SEGMENTS_RETIRED, "not a rec");
    a = open_small();
    rotate(a);
    CU_ASSERT_EQUAL(count(), 2);
    audit_free(a);
    expect_sound(NULL);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"compress", test_compress},
    {"recovery through a compressed segment", test_recovery},
    {"keep so many", test_keep_segments},
    {"removed and not retired", test_removed},
    {"keep so many bytes", test_keep_bytes},
    {"keep so long", test_keep_age},
    {"open requests", test_open_requests},
    {"receipts", test_receipts},
    {"receipts and other reasons", test_receipts_other_reasons},
    {"a receipt that goes meanwhile", test_receipt_gone},
    {"waiting bytes", test_waiting},
    {"trouble", test_trouble},
};

UNIT_MAIN("retention", CASES)
