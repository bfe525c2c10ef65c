#include "keeper/audit/receipts.h"

#include "base/log.h"
#include "unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_receipts.XXXXXX";
static struct receipts_paths paths;
static struct receipts receipts;
static struct receipts_log own;

static const char *in_folder(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void setup(unsigned n)
{
    static const char *const NAMES[] = {"a.receipt", "b-1.receipt", "C_2.receipt"};

    log_set_level(LOG_LEVEL_ERROR);
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    paths = (struct receipts_paths){0};
    for (unsigned i = 0; i < n; i++)
        CU_ASSERT_PTR_NULL(receipts_paths_add(&paths, in_folder(NAMES[i])));
    receipts_init(&receipts, &paths);
    own = (struct receipts_log){.identity = {{1, 2, 3}}, .seq = 100, .hash = {{9}}};
}

static void cleanup(void)
{
    receipts_paths_deinit(&paths);
    unit_remove(folder);
}

static void put_bytes(const char *name, const char *data, size_t n)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, data, n), (ssize_t)n);
    close(fd);
}

static struct receipt of_own(uint64_t seq)
{
    struct receipt r = {.sink = "a", .log = own.identity, .epoch = 1, .seq = seq, .hash = {{9}}};

    memcpy(r.time, "1970-01-01T00:00:02.000003Z", SEAL_TIME);
    return r;
}

/* As the shipper does: another file in its place. */
static void put_receipt(const char *name, const struct receipt *r)
{
    struct buf text = BUF_INIT(RECEIPT_MAX);
    char to[128];

    CU_ASSERT_EQUAL_FATAL(receipt_write(&text, r), 0);
    put_bytes("new", text.data, buf_len(&text));
    buf_deinit(&text);
    strcpy(to, in_folder(name));
    CU_ASSERT_EQUAL(rename(in_folder("new"), to), 0);
}

static void put_seq(const char *name, uint64_t seq)
{
    struct receipt r = of_own(seq);

    put_receipt(name, &r);
}

static uint64_t look(void)
{
    receipts_look(&receipts, &own, UINT64_C(1) << 62);
    return receipts_covered(&receipts);
}

static void test_paths(void)
{
    static const char *const BAD[] = {
        "", "/x/", "/x/.receipt", "/x/a.receip", "/x/a.b.receipt", "a receipt", "/x/a .receipt"};
    struct receipts_paths one = {0}, other = {0};
    char path[32];

    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++)
        CU_ASSERT_PTR_NOT_NULL(receipts_paths_add(&one, BAD[i]));
    CU_ASSERT_EQUAL(one.n, 0);
    CU_ASSERT_TRUE(receipts_paths_same(&one, &other));
    CU_ASSERT_PTR_NULL(receipts_paths_add(&one, "/x/a.receipt"));
    CU_ASSERT_PTR_NOT_NULL(strstr(receipts_paths_add(&one, "/y/a.receipt"), "same name"));
    CU_ASSERT_FALSE(receipts_paths_same(&one, &other));
    CU_ASSERT_PTR_NULL(receipts_paths_add(&other, "/y/a.receipt"));
    CU_ASSERT_FALSE(receipts_paths_same(&one, &other));
    for (unsigned i = 1; i < RECEIPTS_MAX; i++) {
        snprintf(path, sizeof(path), "r%u.receipt", i);
        CU_ASSERT_PTR_NULL(receipts_paths_add(&one, path));
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(receipts_paths_add(&one, "z.receipt"), "more than 8"));
    receipts_paths_deinit(&one);
    receipts_paths_deinit(&other);
    CU_ASSERT_EQUAL(one.n, 0);
}

static void test_none(void)
{
    receipts_init(&receipts, NULL);
    CU_ASSERT_EQUAL(look(), UINT64_MAX);
    CU_ASSERT_PTR_NULL(receipts_last(&receipts));
}

static void test_moves_on(void)
{
    setup(1);
    CU_ASSERT_EQUAL(receipts_covered(&receipts), 0);
    CU_ASSERT_EQUAL(look(), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(receipts.list[0].why, "No such file"));
    put_seq("a.receipt", 7);
    CU_ASSERT_EQUAL(look(), 7);
    CU_ASSERT_STRING_EQUAL(receipts.list[0].why, "");
    CU_ASSERT_STRING_EQUAL(receipts.list[0].name, "a");
    CU_ASSERT_EQUAL(receipts.list[0].time_us, 2000003);
    put_seq("a.receipt", 100);
    CU_ASSERT_EQUAL(look(), 100);
    put_seq("a.receipt", 8);
    CU_ASSERT_EQUAL(look(), 8);
    CU_ASSERT_EQUAL(unlink(in_folder("a.receipt")), 0);
    CU_ASSERT_EQUAL(look(), 0);
    put_seq("a.receipt", 8);
    CU_ASSERT_EQUAL(look(), 8);
    cleanup();
}

static void test_the_least_of_all(void)
{
    setup(3);
    put_seq("a.receipt", 50);
    put_seq("b-1.receipt", 40);
    CU_ASSERT_EQUAL(look(), 0);
    CU_ASSERT_STRING_EQUAL(receipts_last(&receipts)->name, "C_2");
    put_seq("C_2.receipt", 60);
    CU_ASSERT_EQUAL(look(), 40);
    CU_ASSERT_STRING_EQUAL(receipts_last(&receipts)->name, "b-1");
    cleanup();
}

/* Whatever lies there: nothing is covered, and the next good file counts again. */
static void test_no_receipt(void)
{
    struct buf text = BUF_INIT(1024);
    struct receipt r;

    setup(1);
    r = of_own(7);
    CU_ASSERT_EQUAL_FATAL(receipt_write(&text, &r), 0);
    for (size_t n = 0; n < buf_len(&text); n++) {
        put_bytes("a.receipt", text.data, n);
        receipts.list[0].fresh = true;
        CU_ASSERT_EQUAL(look(), 0);
    }
    put_bytes("a.receipt", text.data, buf_len(&text));
    receipts.list[0].fresh = true;
    CU_ASSERT_EQUAL(look(), 7);
    while (buf_len(&text) < 900)
        CU_ASSERT_EQUAL_FATAL(buf_append(&text, "\n", 1), 0);
    put_bytes("a.receipt", text.data, buf_len(&text));
    CU_ASSERT_EQUAL(look(), 0);
    put_seq("a.receipt", 7);
    CU_ASSERT_EQUAL(look(), 7);
    r.log.bytes[31] ^= 1;
    put_receipt("a.receipt", &r);
    CU_ASSERT_EQUAL(look(), 0);
    CU_ASSERT_STRING_EQUAL(receipts.list[0].why, "it is of another log");
    buf_deinit(&text);
    cleanup();
}

/* Nothing that is opened may make the keeper wait. */
static void test_no_regular_file(void)
{
    char target[128];

    setup(1);
    put_seq("real", 7);
    strcpy(target, in_folder("real"));
    CU_ASSERT_EQUAL(symlink(target, in_folder("a.receipt")), 0);
    CU_ASSERT_EQUAL(look(), 0);
    CU_ASSERT_STRING_EQUAL(receipts.list[0].why, "it is a symbolic link");
    CU_ASSERT_EQUAL(unlink(in_folder("a.receipt")), 0);
    CU_ASSERT_EQUAL(mkfifo(in_folder("a.receipt"), 0644), 0);
    CU_ASSERT_EQUAL(look(), 0);
    CU_ASSERT_STRING_EQUAL(receipts.list[0].why, "it is no regular file");
    CU_ASSERT_EQUAL(unlink(in_folder("a.receipt")), 0);
    CU_ASSERT_EQUAL(mkdir(in_folder("a.receipt"), 0755), 0);
    CU_ASSERT_EQUAL(look(), 0);
    CU_ASSERT_EQUAL(rmdir(in_folder("a.receipt")), 0);
    put_seq("a.receipt", 7);
    CU_ASSERT_EQUAL(look(), 7);
    cleanup();
}

/* A centre knows of records that this log doesn't have. That it grows to their number proves
 * nothing. */
static void test_ahead_of_the_log(void)
{
    struct receipt r;

    setup(1);
    put_seq("a.receipt", 101);
    CU_ASSERT_EQUAL(look(), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(receipts.list[0].why, "cut off"));
    own.seq = 500;
    CU_ASSERT_EQUAL(look(), 0);
    put_seq("a.receipt", 101);
    CU_ASSERT_EQUAL(look(), 0);
    CU_ASSERT_EQUAL(unlink(in_folder("a.receipt")), 0);
    CU_ASSERT_EQUAL(look(), 0);
    put_seq("a.receipt", 101);
    CU_ASSERT_EQUAL(look(), 0);
    put_seq("a.receipt", 102);
    CU_ASSERT_EQUAL(look(), 102);
    /* The last record is known, so its hash must be the one. */
    r = of_own(500);
    r.hash.bytes[31] ^= 1;
    put_receipt("a.receipt", &r);
    CU_ASSERT_EQUAL(look(), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(receipts.list[0].why, "rewritten"));
    own.seq = 501;
    CU_ASSERT_EQUAL(look(), 0);
    put_seq("a.receipt", 500);
    CU_ASSERT_EQUAL(look(), 500);
    cleanup();
}

/* What did not change is not read; what is so new that it could have changed unseen is. */
static void test_reads_only_changes(void)
{
    struct stat st;

    setup(1);
    put_seq("a.receipt", 7);
    CU_ASSERT_EQUAL(look(), 7);
    CU_ASSERT_FALSE(receipts.list[0].fresh);
    receipts.list[0].seq = 3;
    CU_ASSERT_EQUAL(look(), 3);
    CU_ASSERT_EQUAL(stat(in_folder("a.receipt"), &st), 0);
    put_seq("a.receipt", 8);
    receipts_look(&receipts, &own, (uint64_t)st.st_ctim.tv_sec * 1000000);
    CU_ASSERT_TRUE(receipts.list[0].fresh);
    receipts.list[0].seq = 3;
    CU_ASSERT_EQUAL(look(), 8);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"paths", test_paths},
    {"none", test_none},
    {"moves on", test_moves_on},
    {"the least of all", test_the_least_of_all},
    {"no receipt", test_no_receipt},
    {"no regular file", test_no_regular_file},
    {"ahead of the log", test_ahead_of_the_log},
    {"reads only what changed", test_reads_only_changes},
};

UNIT_MAIN("receipts", CASES)
