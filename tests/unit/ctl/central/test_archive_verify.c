#include "audit/line.h"
#include "ctl/central/archive_verify.h"
#include "ctl/central/finding.h"
#include "ctl/command/ctl.h"
#include "unit/central/archive_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000)

static char folders[2][64], identities[] = "/tmp/test_centre_ids.XXXXXX";
static struct fake f;
static struct archive_verify_options options;

static uint64_t time_of(const struct row *row)
{
    struct line line;

    CU_ASSERT_PTR_NULL_FATAL(line_read(slice_str(row->line), &line));
    return line_time(&line);
}

static void setup(void)
{
    fake_init(&f);
    for (unsigned i = 0; i < 2; i++) {
        made_log(folders[i], 6, false);
        fake_load(&f, folders[i], i ? "web2" : "web1");
    }
    strcpy(identities + strlen(identities) - 6, "XXXXXX");
    close(mkstemp(identities));
    unlink(identities);
    options = (struct archive_verify_options){.archive = &f.archive};
    for (size_t i = 0; i < f.n; i++)
        if (time_of(&f.rows[i]) > options.now_us)
            options.now_us = time_of(&f.rows[i]);
    options.now_us += SECOND;
}

static void cleanup(void)
{
    fake_deinit(&f);
    for (size_t i = 0; i < 2; i++)
        unit_remove(folders[i]);
    unlink(identities);
}

/* The report; the exit code must be that. Freed by the next call. */
static const char *report(int code)
{
    static char *text;
    struct err err = ERR_INIT;
    size_t n = 0;
    FILE *out;

    free(text);
    text = NULL;
    out = open_memstream(&text, &n);
    CU_ASSERT_EQUAL(archive_verify(&options, out, &err), code);
    fprintf(out, "ERR %s\n", err.text);
    fclose(out);
    return text;
}

static void has(const char *text, const char *what)
{
    CU_ASSERT_PTR_NOT_NULL(strstr(text, what));
    if (!strstr(text, what))
        fprintf(stderr, "    no `%s` in:\n%s", what, text);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;

    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

/* The first row of a host. */
static size_t of(const char *host)
{
    size_t i = 0;

    while (strcmp(f.rows[i].host, host) != 0)
        i++;
    return i;
}

static size_t last_of(const char *host)
{
    size_t i = f.n - 1;

    while (strcmp(f.rows[i].host, host) != 0)
        i--;
    return i;
}

static void test_sound(void)
{
    const char *text;
    char row[64];

    setup();
    text = report(CTL_DONE);
    has(text, "HOST  LOG                RECORDS  HEAD  TIME ");
    has(text, "\nweb1  ");
    has(text, "\nweb2  ");
    CU_ASSERT_EQUAL(count(text, "  sound\n"), 2);
    has(text, "Nothing was found. Whose logs these are was not asked");
    snprintf(row, sizeof(row), "  %zu  ", last_of("web1") - of("web1") + 1);
    has(text, row);
    has(text, "ERR \n");
    cleanup();
}

static void test_quiet(void)
{
    const char *text;

    setup();
    options.now_us += 3600 * SECOND;
    (void)report(CTL_USAGE); /* the last records had time to be signed; else nothing */
    options.now_us += 370 * SECOND;
    text = report(CTL_FAILED);
    CU_ASSERT_EQUAL(count(text, "silent: web"), 2);
    has(text, "nothing came for 66m; at most 3970 s");
    options.has_silent = true;
    options.silent_s = 100;
    options.now_us -= 3965 * SECOND;
    (void)report(CTL_DONE);
    options.now_us += 99 * SECOND;
    has(report(CTL_FAILED), "at most 100 s");
    cleanup();
}

/* A clock of the host that is ahead hides nothing, where the centre says when it got the record. */
static void test_clock(void)
{
    setup();
    f.rows[last_of("web2")].received_us = options.now_us - 5000 * SECOND;
    has(report(CTL_FAILED), "silent: web2");
    f.rows[last_of("web2")].received_us = options.now_us;
    (void)report(CTL_DONE);
    f.rows[last_of("web2")].received_us = 0;
    options.now_us -= 400 * SECOND;
    has(report(CTL_USAGE), "unproved: web2");
    cleanup();
}

/* Records that nobody signs are not young because others follow them. */
static void test_unsigned(void)
{
    size_t i;

    setup();
    for (i = last_of("web1"); !strstr(f.rows[i].line, "\"signature\""); i--)
        f.rows[i].received_us = options.now_us;
    CU_ASSERT_FATAL(i + 2 < last_of("web1"));
    (void)report(CTL_DONE);
    f.rows[i].received_us = options.now_us - 20 * SECOND;
    (void)report(CTL_DONE);
    f.rows[i + 1].received_us = options.now_us - 20 * SECOND;
    has(report(CTL_USAGE), "unproved: web1");
    cleanup();
}

static void test_stopped(void)
{
    const char *text;

    setup();
    made_more(folders[1], 1, "more", true);
    fake_load(&f, folders[1], "web2");
    options.now_us = time_of(&f.rows[last_of("web2")]) + 3 * SECOND;
    text = report(CTL_FAILED);
    has(text, "stopped: web2, ");
    has(text, "the keeper was stopped 3s ago");
    CU_ASSERT_EQUAL(count(text, "stopped: "), 1);
    cleanup();
}

/* Findings of one log, and the other one is sound. */
static void test_damage(void)
{
    const char *text;

    setup();
    f.rows[of("web1") + 6].line[40] ^= 1;
    fake_delete(&f, of("web2") + 7);
    text = report(CTL_FAILED);
    has(text, "altered: web1, log ");
    has(text, ", seq 7, 20");
    has(text, "gap: web2, log ");
    has(text, ", seq 8, 20");
    CU_ASSERT_EQUAL(count(text, "  altered\n"), 1);
    CU_ASSERT_EQUAL(count(text, "  gap\n"), 1);
    CU_ASSERT_EQUAL(count(text, "unproved: "), 0);
    /* What hands over to the next key. */
    CU_ASSERT_PTR_NOT_NULL_FATAL(strstr(f.rows[of("web1") + 9].line, "next_key"));
    f.rows[of("web1") + 9].line[40] ^= 1;
    text = report(CTL_FAILED);
    has(text, "unproved: web1, log ");
    has(text, ", seq 11 to 17, 20");
    has(text, "their key is only given");
    cleanup();
}

static void test_identities(void)
{
    const char *text;

    setup();
    options.identities = identities;
    has(report(CTL_CONFIG), "No such file");
    options.learn = true;
    text = report(CTL_DONE);
    has(text, "learned: the identity of web1\nlearned: the identity of web2\n");
    options.learn = false;
    has(report(CTL_DONE), "\nNothing was found.\n");
    /* Another host's name, a log that is gone, one that nobody knows. */
    for (size_t i = 0; i < f.n; i++)
        if (strcmp(f.rows[i].host, "web2") == 0)
            f.rows[i].host = "web9";
    has(report(CTL_FAILED), "unknown: web9, log ");
    has(report(CTL_FAILED), "is expected of web2");
    while (f.n > 1 && strcmp(f.rows[0].host, f.rows[f.n - 1].host) != 0)
        fake_delete(&f, f.n - 1);
    text = report(CTL_FAILED);
    CU_ASSERT_EQUAL(count(text, "missing: web"), 1);
    fake_deinit(&f);
    made_more(folders[0], 1, "more", false);
    unit_remove(folders[1]);
    made_log(folders[1], 2, false);
    fake_load(&f, folders[0], "web1");
    fake_load(&f, folders[1], "web2");
    options.learn = true; /* web2 with another log is what a forger has */
    options.now_us += 5 * SECOND;
    text = report(CTL_FAILED);
    has(text, "unknown: web2, log ");
    has(text, "missing: web2, log ");
    CU_ASSERT_EQUAL(count(text, "learned"), 0);
    cleanup();
}

/* Nothing that is damaged is learned, nor a name that can't stand in the file. */
static void test_not_learned(void)
{
    const char *text;

    setup();
    options.identities = identities;
    options.learn = true;
    f.rows[of("web1") + 4].line[40] ^= 1;
    for (size_t i = 0; i < f.n; i++)
        if (strcmp(f.rows[i].host, "web2") == 0)
            f.rows[i].host = "web 2";
    text = report(CTL_FAILED);
    CU_ASSERT_EQUAL(count(text, "learned"), 0);
    CU_ASSERT_EQUAL(count(text, "nobody expects the identity"), 2);
    cleanup();
}

/* A log whose beginning the centre never had is learned with what it begins with. */
static void test_late(void)
{
    setup();
    while (f.rows[0].seq == 1 || !strstr(f.rows[0].line, "\"segment\""))
        fake_delete(&f, 0);
    has(report(CTL_FAILED), "gap: ");
    options.identities = identities;
    options.learn = true;
    has(report(CTL_USAGE), "unproved: ");
    options.learn = false;
    (void)report(CTL_DONE);
    fake_delete(&f, 0);
    has(report(CTL_FAILED), "gap: ");
    cleanup();
}

static void test_alarms(void)
{
    const char *text;

    setup();
    f.alarms[0] = (struct archive_alarm){.log = f.rows[of("web2")].log,
                                         .host = "web2",
                                         .kind = "truncated",
                                         .here_epoch = 2,
                                         .here_seq = 11,
                                         .there_epoch = 3,
                                         .there_seq = 19,
                                         .received_us = options.now_us,
                                         .why = "the log is \x1b shorter"};
    f.alarms[0].here.bytes[0] = 0xab;
    f.alarms[1] = (struct archive_alarm){.kind = "conflict", .host = "gone", .log = {{1, 2}}};
    f.n_alarms = 2;
    text = report(CTL_FAILED);
    has(text, "alarm: web2, log ");
    has(text,
        "truncated, told by its shipper: on the host epoch 2 seq 11 (ab000000), at the centre "
        "epoch 3 seq 19 (00000000): the log is \\u001b shorter\n");
    has(text, "alarm: gone, log 01020000-00000000: conflict (a fork)");
    CU_ASSERT_EQUAL(count(text, "  alarm\n"), 1);
    options.log = SLICE_LIT("0102-0000");
    text = report(CTL_FAILED);
    CU_ASSERT_EQUAL(count(text, "alarm: "), 1);
    cleanup();
}

/* However much strangers leave, what is wrong with a log that is expected is listed. */
static void test_flood(void)
{
    struct archive_alarm *one = &f.alarms[0];
    const char *text;

    setup();
    options.identities = identities;
    options.learn = true;
    (void)report(CTL_DONE);
    options.learn = false;
    *one = (struct archive_alarm){.kind = "conflict", .host = "evil", .why = "x"};
    f.n_alarms = 1;
    f.flood = 2 * FINDING_ALL;
    for (size_t i = f.n; i-- > 0;) /* gone */
        if (strcmp(f.rows[i].host, "web2") == 0)
            fake_delete(&f, i);
    text = report(CTL_FAILED);
    has(text, "missing: web2, log ");
    has(text, "alarm: evil, log ");
    has(text, "not all of them are listed");
    CU_ASSERT(strstr(text, "missing: web2") < strstr(text, "alarm: evil"));
    /* Also where the logs are some that are expected. */
    fake_double(&f, 3)->seq = 4;
    text = report(CTL_FAILED);
    has(text, "fork: web1, log ");
    cleanup();
}

/* Heads of many days, of all logs: every one counts. */
static void test_many_heads(void)
{
    struct verify_head heads[24];
    size_t n = 0, first;

    setup();
    for (size_t i = 0; i < 12; i++)
        for (size_t k = 0; k < 2; k++) {
            size_t row = of(k ? "web1" : "web2") + 11 - i;

            heads[n++] = (struct verify_head){f.rows[row].log, f.rows[row].seq, f.rows[row].hash};
        }
    options.heads = heads;
    options.n_heads = n;
    (void)report(CTL_DONE);
    for (first = 0; first < n; first++) {
        const char *text;

        heads[first].hash.bytes[0] ^= 1;
        text = report(CTL_FAILED); /* which sorts them, the same way each time */
        CU_ASSERT_EQUAL(count(text, "rewritten: "), 1);
        heads[first].hash.bytes[0] ^= 1;
    }
    for (size_t i = 0; i < n; i++)
        heads[i].log.bytes[5] ^= 1;
    CU_ASSERT_EQUAL(count(report(CTL_FAILED), "missing: -, log"), 2);
    cleanup();
}

static void test_heads(void)
{
    struct verify_head heads[3] = {0};

    setup();
    heads[0].log = f.rows[of("web1")].log;
    heads[0].seq = 5;
    heads[0].hash = f.rows[of("web1") + 4].hash;
    heads[1].log = f.rows[of("web2")].log;
    heads[1].seq = 500;
    options.heads = heads;
    options.n_heads = 1;
    (void)report(CTL_DONE);
    options.n_heads = 2;
    has(report(CTL_FAILED), "truncated: web2");
    heads[1].log.bytes[0] ^= 1;
    has(report(CTL_FAILED), "missing: -, log");
    /* In whatever order they were kept, each has its say. */
    heads[1] = heads[2] = heads[0];
    heads[0].seq = 7;
    heads[0].hash = f.rows[of("web1") + 6].hash;
    heads[2].seq = 6;
    heads[2].hash = f.rows[of("web1") + 5].hash;
    options.n_heads = 3;
    (void)report(CTL_DONE);
    heads[1].hash.bytes[0] ^= 1;
    has(report(CTL_FAILED), "rewritten: web1");
    cleanup();
}

/* This host's log beside the centre's. */
static void test_local(void)
{
    const char *text;
    char copy[64];

    setup();
    options.directory = folders[0];
    has(report(CTL_DONE), "The centre is not behind this host's log");
    made_copy(folders[0], copy);
    made_more(folders[0], 2, "more", false);
    has(report(CTL_DONE), " records behind this host's log, which ends at seq ");
    /* The centre has what the host's log, a copy from before, doesn't. */
    fake_load(&f, folders[0], "web1");
    options.now_us += 2 * SECOND;
    (void)report(CTL_DONE);
    options.directory = copy;
    text = report(CTL_FAILED);
    has(text, "truncated: local, log ");
    has(text, "its end was cut off");
    made_more(copy, 5, "other", false);
    text = report(CTL_FAILED);
    has(text, "rewritten: local, log ");
    CU_ASSERT_EQUAL(count(text, "altered: "), 0);
    cleanup();
    unit_remove(copy);
}

static void test_local_missing(void)
{
    setup();
    options.directory = folders[0];
    for (size_t i = f.n; i-- > 0;)
        if (strcmp(f.rows[i].host, "web1") == 0)
            fake_delete(&f, i);
    has(report(CTL_FAILED), "missing: local, log ");
    options.directory = "/nowhere/at/all";
    has(report(CTL_USAGE), "ERR /nowhere/at/all: ");
    cleanup();
}

static void test_empty(void)
{
    setup();
    f.has_empty = true;
    has(report(CTL_FAILED), "missing: empty, log ee000000-00000000: ");
    options.identities = identities;
    options.learn = true;
    CU_ASSERT_EQUAL(count(report(CTL_FAILED), "learned"), 2);
    cleanup();
}

/* It is told, and the others are verified all the same. */
static void test_wrong(void)
{
    const char *text;

    setup();
    f.has_empty = true;
    f.wrong = "it has two subjects";
    text = report(CTL_FAILED);
    has(text, "broken: empty, log ee000000-00000000: it has two subjects");
    CU_ASSERT_EQUAL(count(text, "missing"), 0);
    has(text, "web1");
    has(text, "web2");
    options.identities = identities;
    options.learn = true;
    CU_ASSERT_EQUAL(count(report(CTL_FAILED), "learned"), 2);
    cleanup();
}

static void test_unreadable(void)
{
    setup();
    f.fail = -EPIPE;
    has(report(CTL_USAGE), "ERR the centre went away");
    f.fail = 0;
    options.log = SLICE_LIT("00000000000000000000");
    has(report(CTL_USAGE), "nothing is proved");
    cleanup();
}

static const struct unit_case CASES[] = {
    {"sound", test_sound},
    {"quiet", test_quiet},
    {"clock", test_clock},
    {"unsigned", test_unsigned},
    {"stopped", test_stopped},
    {"damage", test_damage},
    {"identities", test_identities},
    {"not learned", test_not_learned},
    {"late", test_late},
    {"alarms", test_alarms},
    {"flood", test_flood},
    {"heads", test_heads},
    {"many heads", test_many_heads},
    {"local", test_local},
    {"local missing", test_local_missing},
    {"unreadable", test_unreadable},
    {"empty", test_empty},
    {"wrong", test_wrong},
};

UNIT_MAIN("archive_verify", CASES)
