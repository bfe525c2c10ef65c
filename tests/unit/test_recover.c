#include "keeper/recover.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TIME "\"time\":\"2026-11-23T17:07:00.123456Z\""

/* A file in memory with these bytes. */
static int file_of(struct slice s)
{
    int fd = memfd_create("segment", MFD_CLOEXEC);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL_FATAL(write(fd, s.data, s.len), (ssize_t)s.len);
    return fd;
}

static int scan(struct recover *r, const char *text, uint64_t first, struct err *err)
{
    int fd = file_of(slice_str(text)), result;

    *r = (struct recover){0};
    result = recover_scan(r, fd, "a.jsonl", first, err);
    close(fd);
    return result;
}

static int collect(void *arg, struct slice id)
{
    char *all = arg;

    strncat(strncat(all, id.data, id.len), " ", 2);
    return 0;
}

static int give_up(void *arg, struct slice id)
{
    (void)id;
    ++*(int *)arg;
    return -EIO;
}

static void test_empty(void)
{
    struct err err = ERR_INIT;
    struct recover r;

    CU_ASSERT_EQUAL(scan(&r, "", 9, &err), 0);
    CU_ASSERT_EQUAL(r.next_seq, 9);
    CU_ASSERT_EQUAL(r.good + r.torn + r.orphans, 0);
    recover_deinit(&r);
}

#define START          "{\"seq\":5," TIME ",\"type\":\"start\"}\n"
#define INTENT(n, id)  "{\"seq\":" #n "," TIME ",\"type\":\"intent\",\"id\":\"" id "\"}\n"
#define OUTCOME(n, id) "{\"seq\":" #n "," TIME ",\"type\":\"outcome\",\"id\":\"" id "\"}\n"

static void test_orphans(void)
{
    struct err err = ERR_INIT;
    char all[256] = "";
    struct recover r;
    int calls = 0;

    /* "b" twice with one outcome, "d" settled before, "e" from an older segment. */
    CU_ASSERT_EQUAL(scan(&r,
                         START INTENT(6, "b") INTENT(7, "a") INTENT(8, "b") OUTCOME(9, "b")
                             INTENT(10, "d") OUTCOME(11, "d") OUTCOME(12, "e") INTENT(13, "c"),
                         5, &err),
                    0);
    CU_ASSERT_EQUAL(r.next_seq, 14);
    CU_ASSERT_EQUAL(r.torn, 0);
    CU_ASSERT_EQUAL(r.orphans, 3);
    CU_ASSERT_EQUAL(recover_each(&r, collect, all), 0);
    CU_ASSERT_STRING_EQUAL(all, "a b c ");
    CU_ASSERT_EQUAL(recover_each(&r, give_up, &calls), -EIO);
    CU_ASSERT_EQUAL(calls, 1);
    recover_deinit(&r);

    all[0] = '\0';
    CU_ASSERT_EQUAL(scan(&r, START INTENT(6, "b") INTENT(7, "b"), 5, &err), 0);
    CU_ASSERT_EQUAL(recover_each(&r, collect, all), 0);
    CU_ASSERT_STRING_EQUAL(all, "b b ");
    recover_deinit(&r);
}

/* Cut at any byte: whole lines count, the rest is torn, and nothing is damage. */
static void test_torn(void)
{
    static const char TEXT[] = START INTENT(6, "b") OUTCOME(7, "b");
    size_t lines[] = {0, strlen(START), strlen(START INTENT(6, "b")), sizeof(TEXT) - 1};

    for (size_t n = 0; n < sizeof(TEXT); n++) {
        char cut[sizeof(TEXT)] = "";
        struct err err = ERR_INIT;
        struct recover r;
        size_t whole = 0;

        while (whole < 3 && lines[whole + 1] <= n)
            whole++;
        memcpy(cut, TEXT, n);
        CU_ASSERT_EQUAL(scan(&r, cut, 5, &err), 0);
        CU_ASSERT_EQUAL(r.good, lines[whole]);
        CU_ASSERT_EQUAL(r.torn, n - lines[whole]);
        CU_ASSERT_EQUAL(r.next_seq, 5 + whole);
        CU_ASSERT_EQUAL(r.orphans, whole == 2);
        recover_deinit(&r);
    }
}

static void test_damage(void)
{
    enum { ONE = sizeof(START) - 1, TWO = sizeof(START INTENT(6, "b")) - 1 };
    static const struct {
        const char *text;
        unsigned line, offset; /* as the message has them */
    } CASES[] = {
        {"x\n" INTENT(6, "b"), 1, 0},
        {START "\n" INTENT(6, "b"), 2, ONE},
        {START INTENT(7, "b"), 2, ONE},
        {START START, 2, ONE},
        {INTENT(6, "b"), 1, 0},
        {START INTENT(6, "b") "{\"seq\":7," TIME ",\"type\":\"stop\"\n" OUTCOME(8, "b"), 3, TWO},
        {START "{\"seq\":6," TIME ",\"type\":\"start\"} {\n", 2, ONE},
    };

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct err err = ERR_INIT;
        struct recover r;
        char where[64];

        snprintf(where, sizeof(where), "a.jsonl: line %u, byte offset %u: ", CASES[i].line,
                 CASES[i].offset);
        CU_ASSERT_EQUAL(scan(&r, CASES[i].text, 5, &err), -EBADMSG);
        CU_ASSERT_EQUAL(strncmp(err.text, where, strlen(where)), 0);
        recover_deinit(&r);
    }
}

/* Longer than one read, with a line that spans several. */
static void test_long(void)
{
    enum { N = 20000, LONG = 3 * 1024 * 1024 };
    int fd = memfd_create("segment", MFD_CLOEXEC);
    FILE *f = fdopen(fd, "w+");
    struct err err = ERR_INIT;
    struct recover r = {0};

    for (unsigned i = 1; i <= N; i++) {
        fprintf(f, "{\"seq\":%u," TIME ",\"type\":\"%s\",\"id\":\"r%u\"", i,
                i % 2 ? "intent" : "outcome", (i + 1) / 2);
        if (i == N / 2) {
            fputs(",\"x\":\"", f);
            for (unsigned k = 0; k < LONG; k++)
                fputc('x', f);
            fputc('"', f);
        }
        fputs("}\n", f);
    }
    fputs("{\"seq\"", f);
    fflush(f);
    CU_ASSERT_EQUAL(recover_scan(&r, fd, "a", 1, &err), 0);
    CU_ASSERT_EQUAL(r.next_seq, N + 1);
    CU_ASSERT_EQUAL(r.torn, 6);
    CU_ASSERT_EQUAL(r.orphans, 0);
    recover_deinit(&r);
    fclose(f);
}

static void test_cut(void)
{
    char folder[] = "/tmp/test_recover.XXXXXX", path[64], *torn;
    struct err err = ERR_INIT;
    int directory, fd;
    size_t n = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    directory = open(folder, O_RDONLY | O_DIRECTORY);
    fd = openat(directory, "s", O_RDWR | O_APPEND | O_CREAT, 0600);
    for (unsigned round = 0; round < 2; round++) {
        static const char TEXT[] = START "{\"seq\":6";
        struct recover r = {0};
        struct stat st;

        CU_ASSERT_EQUAL(ftruncate(fd, 0), 0);
        CU_ASSERT_EQUAL(write(fd, TEXT, sizeof(TEXT) - 1), sizeof(TEXT) - 1);
        CU_ASSERT_EQUAL(recover_scan(&r, fd, "s", 5, &err), 0);
        CU_ASSERT_EQUAL(recover_cut(&r, directory, fd, "s", &err), 0);
        CU_ASSERT_EQUAL(fstat(fd, &st), 0);
        CU_ASSERT_EQUAL(st.st_size, (off_t)strlen(START));
        recover_deinit(&r);
    }
    snprintf(path, sizeof(path), "%s/s.torn", folder);
    torn = unit_file(path, &n);
    CU_ASSERT_PTR_NOT_NULL_FATAL(torn);
    CU_ASSERT_STRING_EQUAL(torn, "{\"seq\":6{\"seq\":6");
    free(torn);
    unlinkat(directory, "s", 0);
    unlinkat(directory, "s.torn", 0);
    rmdir(folder);
    close(fd);
    close(directory);
}

static const struct unit_case CASES[] = {
    {"an empty segment", test_empty}, {"requests without outcome", test_orphans},
    {"a torn tail", test_torn},       {"damage", test_damage},
    {"a long segment", test_long},    {"setting the tail aside", test_cut},
};

UNIT_MAIN("recover", CASES)
