/* What becomes of finished segments, through the audit log that has them (and proof.c with it). */
#include "keeper/archive.h"
#include "trail/verify.h"
#include "unit/audit_fixture.h"

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

static void settle(struct audit *a, uint64_t oldest_open)
{
    for (int i = 0; i < 1000 && audit_due(a) == 0; i++)
        CU_ASSERT_EQUAL(audit_tend(a, oldest_open), 0);
    CU_ASSERT(audit_due(a) > 0);
}

/* Goes on until a new segment is begun and all work on the old ones is done. */
static void rotate(struct audit *a, uint64_t oldest_open)
{
    for (int i = 0; i < 40; i++)
        CU_ASSERT_EQUAL(audit_config(a, "applied", SLICE_NULL), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    settle(a, oldest_open);
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

static const char *verify_file(struct verify *v, const char *name, bool packed, uint64_t proof)
{
    struct segment_reader reader;
    const char *why = NULL;
    struct slice line;
    int fd = open(in_folder(name), O_RDONLY | O_CLOEXEC);

    CU_ASSERT_FATAL(fd >= 0);
    segment_reader_init(&reader, fd);
    reader.packed = packed;
    if (!proof)
        verify_segment(v);
    while (!why && segment_read(&reader, &line) == 1)
        why = proof ? verify_proof(v, line, proof) : verify_line(v, line);
    segment_reader_deinit(&reader);
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
        found = verify_file(&v, PROOF_NAME, false, s.first[0]);
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
    options = (struct audit_options){.archive = {.compress = true}};
    a = open_small();
    pin = identity();
    for (int i = 0; i < 5; i++)
        rotate(a, UINT64_MAX);
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
    options = (struct audit_options){.archive = {.compress = true}};
    a = open_small();
    intent(a, "x");
    rotate(a, 1);
    rotate(a, 1);
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
            (struct audit_options){.archive = {.compress = compress != 0, .keep_segments = 3}};
        a = open_small();
        pin = identity();
        for (int i = 0; i < 8; i++)
            rotate(a, UINT64_MAX);
        CU_ASSERT_EQUAL(count(), 3);
        CU_ASSERT_EQUAL(audit_stop(a), 0);
        CU_ASSERT_EQUAL(audit_commit(a), 0);
        audit_free(a);
        expect_sound(&pin);
        other = pin;
        other.bytes[0] ^= 1;
        CU_ASSERT_STRING_EQUAL(verify_all(&other), "the pinned key is not a key of this log");
        /* The proof can't be done without, nor altered. */
        text = unit_file(in_folder(PROOF_NAME), &(size_t){0});
        CU_ASSERT_PTR_NOT_NULL_FATAL(text);
        for (size_t i = 0, n = strlen(text); i < n; i += 7) {
            char was = text[i];

            text[i] = was == '0' ? '1' : '0';
            put_file(PROOF_NAME, text);
            CU_ASSERT_PTR_NOT_NULL(verify_all(&pin));
            text[i] = was;
        }
        put_file(PROOF_NAME, text);
        expect_sound(&pin);
        free(text);
        /* The next start goes on with it. */
        a = open_small();
        rotate(a, UINT64_MAX);
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
    options = (struct audit_options){.archive = {.keep_segments = 4}};
    a = open_small();
    for (int i = 0; i < 8; i++)
        rotate(a, UINT64_MAX);
    audit_free(a);
    expect_sound(NULL);
    list(&s);
    segment_name(name, s.first[0]);
    CU_ASSERT_EQUAL(unlink(in_folder(name)), 0);
    CU_ASSERT_STRING_EQUAL(verify_all(NULL), "the header doesn't follow what was retired");
    CU_ASSERT_EQUAL(unlink(in_folder(PROOF_NAME)), 0);
    put_file(PROOF_NAME, "");
    CU_ASSERT_PTR_NOT_NULL(strstr(verify_all(NULL), "they were removed"));
    segments_deinit(&s);
    cleanup();
}

static void test_keep_bytes(void)
{
    struct seal_key pin;
    struct audit *a;

    setup();
    options = (struct audit_options){.archive = {.keep_bytes = 20000}};
    a = open_small();
    pin = identity();
    for (int i = 0; i < 8; i++)
        rotate(a, UINT64_MAX);
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
    options = (struct audit_options){.archive = {.keep_age_us = 1000000000}};
    a = open_small();
    pin = identity();
    rotate(a, UINT64_MAX);
    rotate(a, UINT64_MAX);
    CU_ASSERT_EQUAL(count(), 3);
    audit_free(a);
    options.archive.keep_age_us = 1;
    a = open_small();
    rotate(a, UINT64_MAX);
    CU_ASSERT_EQUAL(count(), 1);
    audit_free(a);
    expect_sound(&pin);
    cleanup();
}

/* Nothing goes that a request under way began in. */
static void test_open_requests(void)
{
    struct audit *a;
    uint64_t seq;

    setup();
    options = (struct audit_options){.archive = {.keep_segments = 1}};
    a = open_small();
    rotate(a, UINT64_MAX);
    CU_ASSERT_EQUAL(count(), 1);
    intent(a, "x");
    seq = audit_seq(a);
    rotate(a, seq);
    rotate(a, seq);
    CU_ASSERT_EQUAL(count(), 3);
    outcome(a, "x");
    rotate(a, UINT64_MAX);
    CU_ASSERT_EQUAL(count(), 1);
    audit_free(a);
    expect_sound(NULL);
    cleanup();
}

/* What can't be done is left, and the log goes on. */
static void test_trouble(void)
{
    struct audit *a;

    setup();
    options = (struct audit_options){.archive = {.keep_segments = 2}};
    put_file(PROOF_NAME, "not a record\n");
    a = open_small();
    for (int i = 0; i < 3; i++)
        rotate(a, UINT64_MAX);
    CU_ASSERT_EQUAL(count(), 4);
    CU_ASSERT(audit_state(a).ok);
    audit_free(a);
    /* A torn line of the proof is one that a crash left. */
    put_file(PROOF_NAME, "not a rec");
    a = open_small();
    rotate(a, UINT64_MAX);
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
    {"trouble", test_trouble},
};

UNIT_MAIN("archive", CASES)
