#include "ship/cursor.h"

#include "base/file.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/test_cursor.XXXXXX";
static int fd;
static const struct seal_key LOG = {{1, 2, 3}}, ANOTHER = {{4}};
static const struct ship_place PLACE = {2, 77, {{9, 8, 7}}};

static void setup(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
}

static void cleanup(void)
{
    close(fd);
    unit_remove(folder);
}

static void put(const char *name, const char *text)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void written_and_read(void)
{
    struct err err = ERR_INIT;
    struct cursor c;
    struct stat st;
    uint64_t now;

    setup();
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "archive", true, &LOG, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 0);
    CU_ASSERT_EQUAL(cursor_time(&c), 0);
    (void)umask(0077);
    CU_ASSERT_EQUAL(cursor_write(&c, &PLACE), 0);
    (void)umask(0022);
    CU_ASSERT_EQUAL(c.at.seq, 77);
    CU_ASSERT_EQUAL_FATAL(fstatat(fd, "archive.receipt", &st, 0), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0644); /* the keeper reads it */
    CU_ASSERT(faccessat(fd, ".archive.receipt.new", F_OK, 0) < 0);
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "archive", true, &LOG, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 77);
    CU_ASSERT_EQUAL(c.at.epoch, 2);
    CU_ASSERT(chain_same(&c.at.hash, &PLACE.hash));
    CU_ASSERT_STRING_EQUAL(c.at.sink, "archive");
    now = (uint64_t)time(NULL) * 1000000;
    CU_ASSERT(cursor_time(&c) + 60000000 > now && cursor_time(&c) < now + 60000000);
    /* Another kind is another file, another log another memory. */
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "archive", false, &LOG, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 0);
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "archive", true, &ANOTHER, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 0);
    CU_ASSERT_EQUAL(cursor_time(&c), 0);
    cleanup();
}

static void what_is_none(void)
{
    struct err err = ERR_INIT;
    char *much = malloc(2 * RECEIPT_MAX + 1);
    struct cursor c;

    CU_ASSERT_PTR_NOT_NULL_FATAL(much);
    setup();
    put("a.cursor", "");
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "a", false, &LOG, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 0);
    put("a.cursor", "{\"sink\":\"a\"}\n");
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "a", false, &LOG, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 0);
    memset(much, 'x', 2 * RECEIPT_MAX);
    much[2 * RECEIPT_MAX] = '\0';
    put("a.cursor", much);
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "a", false, &LOG, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 0);
    /* And all are replaced. */
    CU_ASSERT_EQUAL(cursor_write(&c, &PLACE), 0);
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "a", false, &LOG, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 77);
    /* What can't be read is an error: it may be one that counts. */
    CU_ASSERT_EQUAL(unlinkat(fd, "a.cursor", 0), 0);
    CU_ASSERT_EQUAL(symlinkat("/etc/passwd", fd, "a.cursor"), 0);
    CU_ASSERT(cursor_open(&c, fd, "a", false, &LOG, &err) < 0);
    CU_ASSERT(strstr(err.text, "a.cursor") != NULL);
    CU_ASSERT_EQUAL(unlinkat(fd, "a.cursor", 0), 0);
    free(much);
    cleanup();
}

static void what_fails_changes_nothing(void)
{
    struct ship_place further = PLACE;
    struct err err = ERR_INIT;
    struct cursor c;

    setup();
    further.seq++;
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "a", true, &LOG, &err), 0);
    CU_ASSERT_EQUAL(cursor_write(&c, &PLACE), 0);
    /* A folder in the way of the new file. */
    CU_ASSERT_EQUAL(mkdirat(fd, ".a.receipt.new", 0700), 0);
    CU_ASSERT(cursor_write(&c, &further) < 0);
    CU_ASSERT_EQUAL(c.at.seq, 77);
    CU_ASSERT_EQUAL(unlinkat(fd, ".a.receipt.new", AT_REMOVEDIR), 0);
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "a", true, &LOG, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 77);
    /* What a crash left is written over. */
    put(".a.receipt.new", "half");
    CU_ASSERT_EQUAL(cursor_write(&c, &further), 0);
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "a", true, &LOG, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 78);
    cleanup();
}

static void taken_back(void)
{
    struct err err = ERR_INIT;
    struct cursor c;

    setup();
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "a", true, &LOG, &err), 0);
    CU_ASSERT_EQUAL(cursor_write(&c, &PLACE), 0);
    CU_ASSERT_EQUAL(cursor_revoke(&c), 0);
    CU_ASSERT_EQUAL(c.at.seq, 0);
    CU_ASSERT_EQUAL(faccessat(fd, "a.receipt", F_OK, 0), 0);
    /* Nothing can be written: then there is none. */
    CU_ASSERT_EQUAL(cursor_write(&c, &PLACE), 0);
    CU_ASSERT_EQUAL(mkdirat(fd, ".a.receipt.new", 0700), 0);
    CU_ASSERT_EQUAL(cursor_revoke(&c), 0);
    CU_ASSERT_EQUAL(c.at.seq, 0);
    CU_ASSERT_EQUAL(cursor_time(&c), 0);
    CU_ASSERT(faccessat(fd, "a.receipt", F_OK, 0) < 0);
    CU_ASSERT_EQUAL(cursor_revoke(&c), 0);
    /* Nor removed: it says so. */
    CU_ASSERT_EQUAL(mkdirat(fd, "a.receipt", 0700), 0);
    CU_ASSERT(cursor_revoke(&c) < 0);
    CU_ASSERT_EQUAL(unlinkat(fd, "a.receipt", AT_REMOVEDIR), 0);
    CU_ASSERT_EQUAL(unlinkat(fd, ".a.receipt.new", AT_REMOVEDIR), 0);
    CU_ASSERT_EQUAL(cursor_write(&c, &PLACE), 0);
    CU_ASSERT_EQUAL(cursor_open(&c, fd, "a", true, &LOG, &err), 0);
    CU_ASSERT_EQUAL(c.at.seq, 77);
    CU_ASSERT_STRING_EQUAL(c.at.sink, "a");
    cleanup();
}

static const struct unit_case CASES[] = {
    {"written and read", written_and_read},
    {"what is none", what_is_none},
    {"what fails changes nothing", what_fails_changes_nothing},
    {"taken back", taken_back},
};

UNIT_MAIN("cursor", CASES)
