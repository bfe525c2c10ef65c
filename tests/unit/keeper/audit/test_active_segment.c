#include "keeper/audit/active_segment.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_live.XXXXXX";
static off_t reserved_to;
static unsigned reservations;
static int reserve_error;
static off_t reserve_most; /* the furthest end that there is space for; 0: any */

static int test_reserve(int fd, off_t from, off_t n)
{
    (void)fd;
    reservations++;
    errno = reserve_error ? reserve_error : ENOSPC;
    if (reserve_error || (reserve_most && from + n > reserve_most))
        return -1;
    reserved_to = from + n;
    return 0;
}

static const struct audit_io IO = {write, fdatasync, test_reserve};

static int open_folder(void)
{
    int fd;

    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    reservations = 0;
    reserve_error = 0;
    reserve_most = 0;
    return fd;
}

static void put(struct active_segment *l, const char *text)
{
    struct buf batch = BUF_INIT(4096);

    CU_ASSERT_EQUAL(buf_append(&batch, text, strlen(text)), 0);
    CU_ASSERT_EQUAL(active_write(l, &batch), 0);
    CU_ASSERT_EQUAL(buf_len(&batch), 0);
    buf_deinit(&batch);
}

static void test_reservations(void)
{
    struct active_segment l = {.io = &IO, .fd = -1, .step = 1000};
    int directory = open_folder();
    struct stat st;

    CU_ASSERT_EQUAL(active_create(&l, directory, folder, 7), 0);
    CU_ASSERT_STRING_EQUAL(l.name, "audit-7.jsonl");
    CU_ASSERT_EQUAL(reserved_to, 1001);
    CU_ASSERT_EQUAL(active_reserve(&l, 1001), 0);
    CU_ASSERT_EQUAL(reservations, 1);
    put(&l, "0123456789");
    CU_ASSERT_EQUAL(l.size, 10);
    CU_ASSERT(l.unsynced);
    CU_ASSERT_EQUAL(active_sync(&l), 0);
    CU_ASSERT_FALSE(l.unsynced);
    CU_ASSERT_EQUAL(active_reserve(&l, 991), 0);
    CU_ASSERT_EQUAL(reservations, 1);
    CU_ASSERT_EQUAL(active_reserve(&l, 992), 0);
    CU_ASSERT_EQUAL(reserved_to, 10 + 992 + 1000);
    /* Little space left: what is needed, without the step; then not even that. */
    reserve_most = 3100;
    CU_ASSERT_EQUAL(active_reserve(&l, 3050), 0);
    CU_ASSERT_EQUAL(reserved_to, 3060);
    CU_ASSERT_EQUAL(active_reserve(&l, 3091), -ENOSPC);
    CU_ASSERT_EQUAL(active_reserve(&l, 3050), 0);
    reserve_error = EOPNOTSUPP;
    CU_ASSERT_EQUAL(active_reserve(&l, 1 << 30), 0);
    reserve_error = ENOSPC;
    CU_ASSERT_EQUAL(active_reserve(&l, UINT64_MAX / 2), 0);
    CU_ASSERT_EQUAL(fstat(l.fd, &st), 0);
    CU_ASSERT_EQUAL(st.st_size, 10);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0640);
    active_finish(&l);
    CU_ASSERT_EQUAL(l.fd, -1);
    CU_ASSERT_EQUAL(fstatat(directory, "audit-7.jsonl", &st, 0), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0440);
    close(directory);
    unit_remove(folder);
}

static void test_no_space(void)
{
    struct active_segment l = {.io = &IO, .fd = -1, .step = 1000};
    int directory = open_folder();

    reserve_error = ENOSPC;
    CU_ASSERT_EQUAL(active_create(&l, directory, folder, 1), -ENOSPC);
    CU_ASSERT_EQUAL(l.fd, -1);
    CU_ASSERT_EQUAL(faccessat(directory, "audit-1.jsonl", F_OK, 0), -1);
    reserve_error = 0;
    CU_ASSERT_EQUAL(active_create(&l, directory, folder, 1), 0);
    active_close(&l);
    /* One that is there is left alone. */
    CU_ASSERT_EQUAL(active_create(&l, directory, folder, 1), -EEXIST);
    CU_ASSERT_EQUAL(faccessat(directory, "audit-1.jsonl", F_OK, 0), 0);
    CU_ASSERT_EQUAL(active_open(&l, directory, folder, 2), -ENOENT);
    close(directory);
    unit_remove(folder);
}

static void test_trouble(void)
{
    struct active_segment l = {.io = &IO, .fd = -1, .step = 1000};
    int directory = open_folder();
    char other[128];
    FILE *f;

    CU_ASSERT_EQUAL(active_create(&l, directory, folder, 1), 0);
    put(&l, "0123456789");
    CU_ASSERT_EQUAL(active_check(&l), ACTIVE_SAME);
    f = fopen(l.file, "a");
    fputs("x", f);
    fclose(f);
    CU_ASSERT_EQUAL(active_check(&l), ACTIVE_ALTERED);
    CU_ASSERT_EQUAL(truncate(l.file, 9), 0);
    CU_ASSERT_EQUAL(active_check(&l), ACTIVE_ALTERED);
    CU_ASSERT_EQUAL(unlink(l.file), 0);
    CU_ASSERT_EQUAL(active_check(&l), ACTIVE_REMOVED);
    f = fopen(l.file, "w");
    fputs("0123456789", f);
    fclose(f);
    CU_ASSERT_EQUAL(active_check(&l), ACTIVE_REPLACED);
    /* The whole directory goes. */
    snprintf(other, sizeof(other), "%s.moved", folder);
    CU_ASSERT_EQUAL(rename(folder, other), 0);
    CU_ASSERT_EQUAL(active_check(&l), ACTIVE_REMOVED);
    CU_ASSERT_EQUAL(rename(other, folder), 0);
    CU_ASSERT_STRING_EQUAL(active_trouble_name(ACTIVE_REPLACED), "replaced");
    active_close(&l);
    close(directory);
    unit_remove(folder);
}

static const struct unit_case CASES[] = {
    {"space ahead", test_reservations},
    {"no space", test_no_space},
    {"what happens to the file", test_trouble},
};

UNIT_MAIN("active_segment", CASES)
