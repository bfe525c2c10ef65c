#include "audit/segments.h"
#include "audit/verify.h"
#include "base/log.h"
#include "keeper/audit/audit.h"
#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A log of several segments and epochs, as the keeper writes it, in memory. */
struct log {
    char *text[8];
    size_t len[8], n;
    char folder[32];
};

static void request(struct audit *a, const char *id, bool whole)
{
    struct sign_request sign = {.request_id = slice_str(id), .client = {.uid = CLIENT_UID_UNKNOWN}};
    struct record_outcome o = {.request_id = slice_str(id), .status = 200, .sent = "all"};

    CU_ASSERT_EQUAL(audit_intent(a, &sign, SLICE_LIT("k")), 0);
    o.intent = audit_last_intent(a);
    if (whole)
        CU_ASSERT_EQUAL(audit_outcome(a, &o), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    CU_ASSERT_EQUAL(audit_tend(a), 0);
}

static void log_make(struct log *log)
{
    struct audit_options options = {.segment_bytes = 2048};
    struct record_outcome late = {.request_id = SLICE_LIT("late"), .sent = "none"};
    struct segments segments;
    struct err err = ERR_INIT;
    struct audit *a = NULL;
    int directory;

    log_set_level(LOG_LEVEL_ERROR);
    *log = (struct log){.folder = "/tmp/test_verify.XXXXXX"};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(log->folder));
    CU_ASSERT_EQUAL_FATAL(audit_open(&a, log->folder, &options, &err), 0);
    CU_ASSERT_EQUAL(audit_begin(a, "1", 2, &err), 0);
    request(a, "late", false);
    late.intent = audit_last_intent(a);
    for (unsigned i = 0; i < 8; i++)
        request(a, i % 2 ? "odd" : "even", true);
    CU_ASSERT_EQUAL(audit_outcome(a, &late), 0);
    CU_ASSERT_EQUAL(audit_stop(a), 0);
    CU_ASSERT_EQUAL(audit_commit(a), 0);
    audit_free(a);
    directory = open(log->folder, O_RDONLY | O_DIRECTORY);
    CU_ASSERT_EQUAL_FATAL(segments_list(&segments, directory), 0);
    CU_ASSERT_FATAL(segments.n >= 2 && segments.n <= 8);
    for (; log->n < segments.n; log->n++) {
        char name[SEGMENT_NAME], path[128];

        segment_name(name, segments.first[log->n]);
        snprintf(path, sizeof(path), "%s/%s", log->folder, name);
        log->text[log->n] = unit_file(path, &log->len[log->n]);
    }
    segments_deinit(&segments);
    close(directory);
}

static void log_free(struct log *log)
{
    for (size_t i = 0; i < log->n; i++)
        free(log->text[i]);
    unit_remove(log->folder);
}

/* NULL when all lines are good; the state is left in *v. */
static const char *feed(struct verify *v, const struct log *log, size_t from)
{
    const char *why = NULL;

    for (size_t i = from; !why && i < log->n; i++) {
        const char *at = log->text[i], *end = at + log->len[i], *newline;

        verify_segment(v);
        for (; !why && at < end; at = newline + 1) {
            newline = memchr(at, '\n', (size_t)(end - at));
            if (!newline)
                return "torn";
            why = verify_line(v, slice_of(at, (size_t)(newline - at)));
        }
    }
    return why ? why : verify_end(v);
}

static const char *verdict(const struct log *log, size_t from, const struct verify_head *head,
                           const struct seal_key *pin)
{
    static char copy[160];
    struct verify v;
    const char *why;

    CU_ASSERT_EQUAL_FATAL(verify_init(&v), 0);
    v.head = head;
    v.pin = pin;
    why = feed(&v, log, from);
    snprintf(copy, sizeof(copy), "%s", why ? why : "");
    verify_deinit(&v);
    return why ? copy : NULL;
}

static void test_sound(void)
{
    struct verify_head head;
    struct seal_key pins[2];
    struct verify v;
    struct log log;

    log_make(&log);
    CU_ASSERT_EQUAL_FATAL(verify_init(&v), 0);
    CU_ASSERT_PTR_NULL(feed(&v, &log, 0));
    CU_ASSERT_EQUAL(v.segments, log.n);
    CU_ASSERT_EQUAL(v.epochs, log.n);
    CU_ASSERT_EQUAL(v.records, v.next_seq - 1);
    CU_ASSERT_EQUAL(v.open.n, 0);
    CU_ASSERT(v.sealed);
    CU_ASSERT_EQUAL(verify_unsigned(&v), 0);
    pins[0] = v.log;
    pins[1] = v.key;
    head = (struct verify_head){v.log, v.seal.seq, v.seal.hash};
    verify_deinit(&v);
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_PTR_NULL(verdict(&log, 0, &head, &pins[i]));
    /* From a later segment: what its header says is given, also the open request. */
    CU_ASSERT_PTR_NULL(verdict(&log, 1, &head, &pins[1]));
    CU_ASSERT_PTR_NOT_NULL(verdict(&log, 1, &head, &pins[0]));
    pins[0].bytes[0] ^= 1;
    CU_ASSERT_PTR_NOT_NULL(verdict(&log, 0, NULL, &pins[0]));
    head.hash.bytes[0] ^= 1;
    CU_ASSERT_PTR_NOT_NULL(verdict(&log, 0, &head, NULL));
    head.hash.bytes[0] ^= 1;
    head.seq += 2;
    CU_ASSERT_PTR_NOT_NULL(strstr(verdict(&log, 0, &head, NULL), "cut off"));
    log_free(&log);
}

/* Every byte of the log, changed in a bit that is different each time. */
static void test_every_byte(void)
{
    size_t n = 0, found = 0;
    struct log log;

    log_make(&log);
    for (size_t i = 0; i < log.n; i++)
        for (size_t k = 0; k < log.len[i]; k++, n++) {
            char before = log.text[i][k];

            log.text[i][k] = (char)(before ^ (1 << k % 8));
            found += verdict(&log, 0, NULL, NULL) != NULL;
            log.text[i][k] = before;
        }
    CU_ASSERT_EQUAL(found, n);
    CU_ASSERT(n > 4000);
    CU_ASSERT_PTR_NULL(verdict(&log, 0, NULL, NULL));
    log_free(&log);
}

static size_t line_end(const struct log *log, size_t i, size_t at)
{
    return (size_t)((char *)memchr(log->text[i] + at, '\n', log->len[i] - at) - log->text[i]) + 1;
}

enum change { DROP, DOUBLE, SWAP, TRUNCATE, CHANGES };

/* A copy of the log with segment i changed at the line [a, b). Shares the other texts. */
static struct log changed(const struct log *log, enum change change, size_t i, size_t a, size_t b)
{
    struct log copy = *log;
    const char *old = log->text[i];
    size_t n = log->len[i], c = b < n ? line_end(log, i, b) : b;
    char *out = malloc(2 * n), *at = out;

    at = mempcpy(at, old, a);
    if (change == DOUBLE)
        at = mempcpy(mempcpy(at, old + a, b - a), old + a, b - a);
    if (change == SWAP)
        at = mempcpy(mempcpy(at, old + b, c - b), old + a, b - a);
    if (change != TRUNCATE)
        at = mempcpy(at, old + (change == SWAP ? c : b), n - (change == SWAP ? c : b));
    copy.text[i] = out;
    copy.len[i] = (size_t)(at - out);
    return copy;
}

/* Lines dropped, doubled, swapped, and the log cut there. The end of the log is known by a head. */
static void test_every_line(void)
{
    struct verify_head head;
    struct verify v;
    struct log log;
    size_t lines = 0;

    log_make(&log);
    CU_ASSERT_EQUAL_FATAL(verify_init(&v), 0);
    CU_ASSERT_PTR_NULL(feed(&v, &log, 0));
    head = (struct verify_head){v.log, v.next_seq - 1, v.last};
    verify_deinit(&v);
    CU_ASSERT_PTR_NULL(verdict(&log, 0, &head, NULL));
    for (size_t i = 0; i < log.n; i++)
        for (size_t a = 0, b; a < log.len[i]; a = b, lines++) {
            b = line_end(&log, i, a);
            for (enum change c = DROP; c < CHANGES; c++) {
                struct log copy = changed(&log, c, i, a, b);

                if (c == SWAP && b == log.len[i]) {
                    free(copy.text[i]);
                    continue;
                }
                if (c == TRUNCATE)
                    copy.n = i + 1;
                CU_ASSERT_PTR_NOT_NULL(verdict(&copy, 0, &head, NULL));
                free(copy.text[i]);
            }
        }
    CU_ASSERT(lines > 20);
    log_free(&log);
}

static void test_segments(void)
{
    struct log log, other;

    log_make(&log);
    log_make(&other);
    for (size_t i = 0; i + 1 < log.n; i++) {
        struct log copy = log;

        /* One left out, not the first: then it is a log that begins later. */
        memmove(copy.text + i + 1, copy.text + i + 2, (log.n - i - 2) * sizeof(copy.text[0]));
        memmove(copy.len + i + 1, copy.len + i + 2, (log.n - i - 2) * sizeof(copy.len[0]));
        copy.n--;
        if (i + 1 < copy.n)
            CU_ASSERT_PTR_NOT_NULL(verdict(&copy, 0, NULL, NULL));
        copy = log;
        copy.text[i + 1] = other.text[i + 1];
        copy.len[i + 1] = other.len[i + 1];
        CU_ASSERT_PTR_NOT_NULL(verdict(&copy, 0, NULL, NULL));
    }
    log_free(&log);
    log_free(&other);
}

/* The line with the number n from 0 in the whole log, and where its segment begins. */
static struct slice line_at(const struct log *log, size_t n, bool *first)
{
    for (size_t i = 0; i < log->n; i++)
        for (size_t a = 0, b; a < log->len[i]; a = b, n--) {
            b = line_end(log, i, a);
            *first = a == 0;
            if (n == 0)
                return slice_of(log->text[i] + a, b - a - 1);
        }
    return SLICE_NULL;
}

/* Goes on behind any line that wasn't seen. */
static void test_resume(void)
{
    struct log log;
    size_t n = 0;
    bool first;

    log_make(&log);
    while (line_at(&log, n, &first).len)
        n++;
    for (size_t gone = 1; gone < n; gone++) {
        struct verify v;
        struct line line;

        CU_ASSERT_EQUAL_FATAL(verify_init(&v), 0);
        for (size_t i = 0; i < n; i++) {
            struct slice bytes = line_at(&log, i, &first);

            CU_ASSERT_PTR_NULL(line_read(bytes, &line));
            if (i == gone)
                verify_resume(&v, &v.log, line.seq, &line.hash,
                              v.epoch + (line.type == LINE_EPOCH));
            else if (first)
                verify_segment(&v);
            if (i != gone)
                CU_ASSERT_PTR_NULL(verify_line(&v, bytes));
            if (first && i > gone) /* a header ends what wasn't seen */
                CU_ASSERT_FALSE(v.adrift);
        }
        CU_ASSERT_PTR_NULL(verify_end(&v));
        verify_deinit(&v);
    }
    log_free(&log);
}

/* What follows the gap is verified again: every byte of it. */
static void test_resume_finds(void)
{
    struct log log;
    size_t found = 0, n = 0;
    bool first;

    log_make(&log);
    for (size_t k = 0; k < line_at(&log, 6, &first).len; k++, n++) {
        struct verify v;
        struct line line;
        char *byte;

        CU_ASSERT_EQUAL_FATAL(verify_init(&v), 0);
        for (size_t i = 0; i < 4; i++) {
            struct slice bytes = line_at(&log, i, &first);

            if (first)
                verify_segment(&v);
            CU_ASSERT_PTR_NULL(verify_line(&v, bytes));
        }
        CU_ASSERT_PTR_NULL(line_read(line_at(&log, 5, &first), &line));
        verify_resume(&v, &v.log, 6, &line.hash, v.epoch);
        byte = (char *)(uintptr_t)line_at(&log, 6, &first).data + k;
        *byte ^= 4;
        found += verify_line(&v, line_at(&log, 6, &first)) != NULL;
        *byte ^= 4;
        verify_deinit(&v);
    }
    CU_ASSERT(n > 100);
    CU_ASSERT_EQUAL(found, n);
    log_free(&log);
}

static const struct unit_case CASES[] = {
    {"a sound log", test_sound},
    {"every byte changed", test_every_byte},
    {"every line dropped, doubled, swapped, cut off", test_every_line},
    {"segments of elsewhere", test_segments},
    {"going on behind a line", test_resume},
    {"every byte behind it", test_resume_finds},
};

UNIT_MAIN("verify", CASES)
