#include "base/hex.h"
#include "ctl/central/archive_check.h"
#include "unit/central/archive_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* What was found, in a form to compare: `kind FIRST-LAST;` for each. */
struct result {
    char text[4096], last[320];
    size_t n;
    uint64_t head, heartbeat, given;
    bool stopped, unproved;
};

static void found(void *arg, const struct finding *g)
{
    struct result *r = arg;
    size_t at = strlen(r->text);

    r->n++;
    CU_ASSERT_PTR_NOT_NULL(g->what);
    snprintf(r->last, sizeof(r->last), "%s", g->what);
    snprintf(r->text + at, sizeof(r->text) - at, "%s %" PRIu64 "-%" PRIu64 ";",
             finding_name(g->kind), g->first, g->last);
}

static int each(void *arg, const struct archive_record *record)
{
    return archive_check_record(arg, record);
}

static struct result check_from(struct fake *f, uint64_t from, struct archive_check_options options)
{
    struct result result = {0};
    struct archive_check c;
    struct err err = ERR_INIT;

    if (f->n)
        options.log = f->rows[0].log;
    options.first = options.first ? options.first : 1;
    options.found = found;
    options.arg = &result;
    CU_ASSERT_EQUAL_FATAL(archive_check_init(&c, &options), 0);
    CU_ASSERT_EQUAL(f->archive.kind->records(&f->archive, &options.log, from, each, &c, &err), 0);
    archive_check_end(&c);
    CU_ASSERT_EQUAL(c.records, f->n);
    result.head = c.seq;
    result.stopped = c.stopped;
    result.heartbeat = c.heartbeat_s;
    result.given = c.given;
    result.unproved = archive_check_unproved(&c);
    archive_check_deinit(&c);
    return result;
}

static struct result check_with(struct fake *f, struct archive_check_options options)
{
    return check_from(f, 1, options);
}

static struct result check(struct fake *f)
{
    return check_with(f, (struct archive_check_options){0});
}

static void expect(const struct result *r, const char *kind, uint64_t first, uint64_t last)
{
    char text[64];

    snprintf(text, sizeof(text), "%s %" PRIu64 "-%" PRIu64 ";", kind, first, last);
    CU_ASSERT_STRING_EQUAL(r->text, text);
    if (strcmp(r->text, text) != 0)
        fprintf(stderr, "    not %s but %s (%s)\n", text, r->text, r->last);
}

static char folder[64];
static struct fake f;

static void setup(void)
{
    fake_begin(&f, folder, 12);
    CU_ASSERT_FATAL(f.n > 30 && f.rows[f.n - 1].epoch >= 3);
}

static void cleanup(void)
{
    fake_end(&f, folder);
}

static void test_sound(void)
{
    struct result r;

    setup();
    r = check(&f);
    CU_ASSERT_STRING_EQUAL(r.text, "");
    CU_ASSERT_EQUAL(r.head, f.n);
    CU_ASSERT(r.stopped && !r.unproved);
    CU_ASSERT(memcmp(&f.rows[0].log, "\0\0\0\0", 4) != 0);
    cleanup();
}

/* Every row, in its bytes before the hash, in its hash, in both, and so that it is no record. */
static void test_altered(void)
{
    static const char *const WHAT[] = {"bytes", "hash", "line"};
    size_t none = 0;

    setup();
    for (size_t i = 0; i < f.n; i++)
        for (size_t k = 0; k < 3; k++) {
            char *line = f.rows[i].line, *at = line + strlen(line) - (k == 1 ? 10 : 75);
            char before = *at;
            struct result r;

            *at = k == 2 ? '\x01' : before == '3' ? '4' : '3';
            r = check(&f);
            expect(&r, "altered", i + 1, i + 1);
            none += r.n == 0;
            if (k == 2) { /* and where there are only lines, nothing tells what its hash was */
                struct chain_hash kept = f.rows[i].hash;

                f.rows[i].hash = (struct chain_hash){{0}};
                r = check(&f);
                expect(&r, "altered", i + 1, i + 1);
                f.rows[i].hash = kept;
            }
            if (r.n != 1)
                fprintf(stderr, "    %s of row %zu\n", WHAT[k], i);
            *at = before;
        }
    CU_ASSERT_EQUAL(none, 0);
    cleanup();
}

/* What stands beside the line. */
static void test_columns(void)
{
    setup();
    for (size_t i = 0; i < f.n; i++) {
        struct result r;

        f.rows[i].hash.bytes[7] ^= 1;
        r = check(&f);
        expect(&r, "altered", i + 1, i + 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(r.last, "hash"));
        f.rows[i].hash.bytes[7] ^= 1;
        f.rows[i].epoch++;
        r = check(&f);
        expect(&r, "altered", i + 1, i + 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(r.last, "epoch"));
        f.rows[i].epoch--;
    }
    cleanup();
}

/* Every row, and every three: named with the last of them that is missing, and nothing else. */
static void test_deleted(void)
{
    setup();
    for (size_t n = 1; n <= 3; n += 2)
        for (size_t i = 0; i + n < f.n; i++) {
            struct row kept[3];
            struct result r;

            memcpy(kept, f.rows + i, n * sizeof(kept[0]));
            memmove(f.rows + i, f.rows + i + n, (f.n - i - n) * sizeof(kept[0]));
            f.n -= n;
            r = check(&f);
            expect(&r, "gap", i + 1, i + n);
            f.n += n;
            memmove(f.rows + i + n, f.rows + i, (f.n - i - n) * sizeof(kept[0]));
            memcpy(f.rows + i, kept, n * sizeof(kept[0]));
        }
    cleanup();
}

static void test_several(void)
{
    struct result r;
    char expected[160];

    setup();
    f.rows[9].line[30] ^= 1;
    f.rows[10].line[30] ^= 1;
    fake_delete(&f, 20);
    f.rows[25].hash.bytes[0] ^= 1; /* of seq 27 */
    r = check(&f);
    snprintf(expected, sizeof(expected), "altered 10-11;gap 21-21;altered 27-27;");
    CU_ASSERT_STRING_EQUAL(r.text, expected);
    cleanup();
}

static void swap(struct row *a, struct row *b)
{
    struct row kept = *a;

    *a = *b;
    *b = kept;
}

/* A record twice: in two epochs, and another one at the same place. */
static void test_twice(void)
{
    setup();
    for (size_t i = 0; i < f.n; i++) {
        struct row *twin = fake_double(&f, i);
        struct result r;

        twin->epoch += 7;
        r = check(&f);
        expect(&r, "fork", i + 1, i + 1);
        CU_ASSERT_PTR_NOT_NULL(strstr(r.last, "twice"));
        twin->line[40] ^= 1;
        twin->line[strlen(twin->line) - 9] ^= 1;
        twin->hash.bytes[0] ^= 1;
        r = check(&f);
        expect(&r, "fork", i + 1, i + 1);
        /* Whichever of the two comes first. */
        swap(&f.rows[i], &f.rows[i + 1]);
        r = check(&f);
        if (i) { /* a wrong first header is wrong in itself, too */
            expect(&r, "fork", i + 1, i + 1);
        }
        swap(&f.rows[i], &f.rows[i + 1]);
        fake_delete(&f, i + 1);
    }
    cleanup();
}

/* Two keepers go on with one log. One of them writes more. */
static void test_fork(void)
{
    char copy[64];
    struct result r;
    uint64_t common;

    setup();
    common = f.n;
    made_copy(folder, copy);
    made_more(folder, 3, "one", true);
    made_more(copy, 9, "two", true);
    fake_load(&f, folder, "web1");
    CU_ASSERT_STRING_EQUAL(check(&f).text, "");
    fake_load(&f, copy, "web2");
    r = check(&f);
    CU_ASSERT_EQUAL(strncmp(r.text, "fork ", 5), 0);
    CU_ASSERT_EQUAL(strtoull(r.text + 5, NULL, 10), common + 1);
    CU_ASSERT_PTR_NULL(strstr(r.text, "altered"));
    CU_ASSERT_PTR_NULL(strstr(r.text, "gap"));
    CU_ASSERT(r.n <= 3);
    unit_remove(copy);
    cleanup();
}

/* A chain that is right in itself, with records that are not: only signatures tell. */
static void test_forged(void)
{
    char other[64];
    struct result r;

    setup();
    fake_deinit(&f);
    made_log(other, 12, true);
    fake_load(&f, other, "web1");
    for (size_t i = 0; i < f.n; i++)
        f.rows[i].log.bytes[0] ^= 1; /* under another log's name */
    r = check(&f);
    CU_ASSERT_EQUAL(strncmp(r.text, "broken 1-1;", 11), 0);
    unit_remove(other);
    cleanup();
}

static void put_hash(char *at, const struct chain_hash *hash)
{
    if (at)
        hex_put(at, hash->bytes, CHAIN_HASH);
}

/* All hashes from row i on are made anew, as one does who can write everything but signatures. */
static void chain_anew(size_t i)
{
    struct chain *chain = NULL;

    CU_ASSERT_EQUAL_FATAL(chain_new(&chain), 0);
    for (; i < f.n; i++) {
        char *line = f.rows[i].line, *at = strstr(line, ",\"hash\":\"");
        size_t n = strlen(line);

        put_hash(at ? at + 9 : NULL, &f.rows[i - 1].hash);
        at = strstr(line, "\"previous_hash\":\"");
        put_hash(at ? at + 17 : NULL, &f.rows[i - 1].hash);
        CU_ASSERT_EQUAL(
            chain_hash(chain, &f.rows[i - 1].hash, slice_of(line, n - CHAIN_TAIL), &f.rows[i].hash),
            0);
        put_hash(line + n - CHAIN_TAIL + 6, &f.rows[i].hash);
    }
    chain_free(chain);
}

/* The first signature from there on finds it, also right behind a gap. */
static void test_signatures(void)
{
    size_t tried = 0;

    for (size_t i = 3; i < 36; i += 3) {
        char expected[64];
        struct result r;
        size_t k;

        setup();
        if (strstr(f.rows[i].line, "\"signature\"") || strstr(f.rows[i].line, "\"segment\"")) {
            cleanup();
            continue;
        }
        strstr(f.rows[i].line, "\"time\":\"")[30] ^= 1; /* a microsecond */
        chain_anew(i);
        for (k = i; !strstr(f.rows[k].line, "\"signature\"");)
            k++;
        snprintf(expected, sizeof(expected), "broken %zu-", k + 1);
        r = check(&f);
        CU_ASSERT_EQUAL(strncmp(r.text, expected, strlen(expected)), 0);
        /* Without the epoch's record nobody knows the next key. */
        if (!strstr(f.rows[i - 1].line, "\"next_key\"")) {
            fake_delete(&f, i - 1);
            r = check(&f);
            snprintf(expected, sizeof(expected), "gap %zu-%zu;broken %zu-", i, i, k + 1);
            CU_ASSERT_EQUAL(strncmp(r.text, expected, strlen(expected)), 0);
            tried++;
        }
        cleanup();
    }
    CU_ASSERT(tried >= 4);
}

/* All of a log made anew, without a key: as one that doesn't say whose it is. */
static void test_no_header(void)
{
    static const char RECORD[] = "{\"seq\":1,\"time\":\"2026-01-01T00:00:00.000000Z\","
                                 "\"type\":\"config\",\"h\":\"";
    struct chain_hash hash = {{7}};
    struct result r;
    char line[256];

    setup();
    snprintf(line, sizeof(line), "%s%064d\"}", RECORD, 0);
    put_hash(line + strlen(RECORD), &hash);
    strcpy(f.rows[0].line, line);
    f.rows[0].hash = hash;
    chain_anew(1);
    r = check(&f);
    CU_ASSERT_EQUAL(strncmp(r.text, "broken 1-1;broken ", 18), 0);
    CU_ASSERT_STRING_NOT_EQUAL(r.text, "broken 1-1;");
    /* In a later epoch, of whose key nothing is known. */
    while (f.n > 4)
        fake_delete(&f, 4);
    for (size_t i = 0; i < 4; i++)
        f.rows[i].epoch = 2;
    r = check(&f);
    expect(&r, "broken", 1, 1);
    CU_ASSERT_EQUAL(r.given, 2);
    cleanup();
}

/* Who hands over to a key must be there. */
static void test_given(void)
{
    struct result r;
    size_t i = 0;

    setup();
    CU_ASSERT_EQUAL(check(&f).given, 0);
    f.rows[0].line[40] ^= 1; /* the first epoch's key is the log's name */
    r = check(&f);
    CU_ASSERT_EQUAL(r.given, 0);
    f.rows[0].line[40] ^= 1;
    while (!strstr(f.rows[i].line, "\"next_key\""))
        i++;
    fake_delete(&f, i);
    r = check(&f);
    expect(&r, "gap", i + 1, i + 1);
    CU_ASSERT_EQUAL(r.given, i + 2);
    cleanup();
}

static void test_ends(void)
{
    struct verify_head heads[2] = {0}, *head = &heads[1];
    struct archive_check_options o = {.heads = heads, .n_heads = 2};
    struct result r;

    setup();
    heads[0].seq = 20;
    heads[0].hash = f.rows[19].hash;
    head->seq = 22;
    head->hash = f.rows[21].hash;
    CU_ASSERT_STRING_EQUAL(check_with(&f, o).text, "");
    head->hash.bytes[3] ^= 1;
    r = check_with(&f, o);
    expect(&r, "rewritten", 22, 22);
    /* An older one has its say whatever the newest one proves, also of the same record. */
    head->hash.bytes[3] ^= 1;
    heads[0].hash.bytes[3] ^= 1;
    r = check_with(&f, o);
    expect(&r, "rewritten", 20, 20);
    heads[0] = *head;
    heads[0].hash.bytes[3] ^= 1;
    r = check_with(&f, o);
    expect(&r, "rewritten", 22, 22);
    heads[0] = *head;
    head->seq = f.n + 4;
    r = check_with(&f, o);
    expect(&r, "truncated", f.n + 1, f.n + 4);
    /* Behind the stop stands its signature only. */
    fake_delete(&f, f.n - 1);
    r = check(&f);
    CU_ASSERT_STRING_EQUAL(r.text, "");
    CU_ASSERT(r.stopped);
    fake_delete(&f, f.n - 1);
    CU_ASSERT_FALSE(check(&f).stopped);
    cleanup();
}

/* A log that began before the centre had it. */
static void test_beginnings(void)
{
    struct archive_check_options o = {0};
    struct result r;
    uint64_t first;

    setup();
    while (!strstr(f.rows[0].line, "\"segment\"") || f.rows[0].seq == 1)
        fake_delete(&f, 0);
    first = f.rows[0].seq;
    r = check(&f);
    expect(&r, "gap", 1, first - 1);
    CU_ASSERT(r.unproved);
    o.first = UINT64_MAX;
    r = check_with(&f, o);
    CU_ASSERT(r.n == 0 && r.unproved);
    o.first = first;
    o.has_first_hash = true;
    o.first_hash = f.rows[0].hash;
    r = check_with(&f, o);
    CU_ASSERT(r.n == 0 && !r.unproved);
    /* What is there before it is not proved by it. */
    o.first++;
    o.first_hash = f.rows[1].hash;
    r = check_with(&f, o);
    CU_ASSERT(r.n == 0 && r.unproved);
    o.first--;
    o.first_hash = f.rows[0].hash;
    o.first_hash.bytes[0] ^= 1;
    r = check_with(&f, o);
    expect(&r, "rewritten", first, first);
    /* Where segments may be retired, a record has to say so. */
    o = (struct archive_check_options){.retires = true};
    r = check_with(&f, o);
    expect(&r, "gap", 1, first - 1);
    cleanup();
}

static void test_heartbeat(void)
{
    char *at;
    size_t i = 0;

    setup();
    CU_ASSERT_EQUAL(check(&f).heartbeat, 3600);
    while (!strstr(f.rows[i].line, "\"start\""))
        i++;
    at = strstr(f.rows[i].line, "\"heartbeat\":3600");
    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    memcpy(at, "\"heartbeat\":0009", 16);
    CU_ASSERT_EQUAL(check(&f).heartbeat, 0);
    memcpy(at, "\"heartbeat\":9123", 16);
    CU_ASSERT_EQUAL(check(&f).heartbeat, 9123);
    memcpy(at, "\"heartbeaf\":9123", 16);
    CU_ASSERT_EQUAL(check(&f).heartbeat, 0);
    cleanup();
}

/* A stream may hold what has no place in a log. */
static void test_foreign(void)
{
    struct result r;
    struct row *row;

    setup();
    row = fake_double(&f, 8);
    row->seq = 0;
    fake_sort(&f);
    for (size_t i = 0; i < 2; i++) {
        r = check_from(&f, 0, (struct archive_check_options){0});
        expect(&r, "altered", 0, 0);
        CU_ASSERT_EQUAL(r.head, f.n - 1);
        /* First, and between others. */
        for (size_t k = 0; i == 0 && k < 5; k++) {
            struct row moved = f.rows[k];

            f.rows[k] = f.rows[k + 1];
            f.rows[k + 1] = moved;
        }
    }
    cleanup();
}

static const struct unit_case CASES[] = {
    {"sound", test_sound},     {"altered", test_altered},       {"columns", test_columns},
    {"deleted", test_deleted}, {"several", test_several},       {"twice", test_twice},
    {"fork", test_fork},       {"forged", test_forged},         {"signatures", test_signatures},
    {"ends", test_ends},       {"beginnings", test_beginnings}, {"heartbeat", test_heartbeat},
    {"foreign", test_foreign}, {"no header", test_no_header},   {"given", test_given},
};

UNIT_MAIN("archive_check", CASES)
