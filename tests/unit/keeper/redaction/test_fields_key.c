#include "keeper/redaction/fields_key.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_fields_key.XXXXXX";

static int open_folder(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    return open(folder, O_RDONLY | O_DIRECTORY);
}

static void close_folder(int directory)
{
    close(directory);
    unit_remove(folder);
}

static void put(int directory, const char *name, size_t n, mode_t mode)
{
    static const char BYTES[64] = "x";
    int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, BYTES, n), (ssize_t)n);
    CU_ASSERT_EQUAL(fchmod(fd, mode), 0);
    close(fd);
}

static void test_life(void)
{
    static const unsigned char ZEROS[MAC_KEY];
    unsigned char one[MAC_KEY] = {0}, two[MAC_KEY];
    int directory = open_folder();
    struct err err = ERR_INIT;
    bool created = false;
    struct stat st;
    mode_t mask = umask(0777);

    CU_ASSERT_EQUAL(fields_key_check(directory, "d", &err), 0);
    CU_ASSERT_NOT_EQUAL(fstatat(directory, MAC_KEY_FILE, &st, 0), 0); /* without a trace */
    put(directory, MAC_KEY_FILE ".new", 5, 0600);                     /* of a crash */
    CU_ASSERT_EQUAL(fields_key_get(directory, "d", one, &created, &err), 0);
    CU_ASSERT(created);
    umask(mask);
    CU_ASSERT(memcmp(one, ZEROS, MAC_KEY) != 0);
    CU_ASSERT_EQUAL(fstatat(directory, MAC_KEY_FILE, &st, 0), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL(st.st_size, MAC_KEY);
    CU_ASSERT_NOT_EQUAL(fstatat(directory, MAC_KEY_FILE ".new", &st, 0), 0);
    CU_ASSERT_EQUAL(fields_key_get(directory, "d", two, &created, &err), 0);
    CU_ASSERT_FALSE(created);
    CU_ASSERT(memcmp(one, two, MAC_KEY) == 0);
    CU_ASSERT_EQUAL(fields_key_check(directory, "d", &err), 0);
    /* Removed: another one. */
    CU_ASSERT_EQUAL(unlinkat(directory, MAC_KEY_FILE, 0), 0);
    CU_ASSERT_EQUAL(fields_key_get(directory, "d", two, &created, &err), 0);
    CU_ASSERT(created);
    CU_ASSERT(memcmp(one, two, MAC_KEY) != 0);
    close_folder(directory);
}

static void expect_refused(int directory, int code, const char *says)
{
    static const unsigned char ZEROS[MAC_KEY];
    unsigned char key[MAC_KEY];
    struct err err = ERR_INIT;
    bool created = true;

    CU_ASSERT_EQUAL(fields_key_check(directory, "d", &err), code);
    err = ERR_INIT;
    CU_ASSERT_EQUAL(fields_key_get(directory, "d", key, &created, &err), code);
    CU_ASSERT_FALSE(created);
    CU_ASSERT(memcmp(key, ZEROS, MAC_KEY) == 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "d/" MAC_KEY_FILE));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, says));
}

static void test_refused(void)
{
    static const mode_t MODES[] = {0640, 0604, 0620, 0601};
    int directory = open_folder();

    for (size_t i = 0; i < sizeof(MODES) / sizeof(MODES[0]); i++) {
        put(directory, MAC_KEY_FILE, MAC_KEY, MODES[i]);
        expect_refused(directory, -EPERM, "mode 0600");
    }
    put(directory, MAC_KEY_FILE, MAC_KEY - 1, 0600);
    expect_refused(directory, -EINVAL, "not a key of 32 bytes");
    put(directory, MAC_KEY_FILE, MAC_KEY + 1, 0600);
    expect_refused(directory, -EINVAL, "not a key of 32 bytes");
    put(directory, MAC_KEY_FILE, 0, 0600);
    expect_refused(directory, -EINVAL, "not a key of 32 bytes");
    CU_ASSERT_EQUAL(renameat(directory, MAC_KEY_FILE, directory, "x"), 0);
    CU_ASSERT_EQUAL(symlinkat("x", directory, MAC_KEY_FILE), 0);
    expect_refused(directory, -ELOOP, "symbolic links");
    CU_ASSERT_EQUAL(unlinkat(directory, MAC_KEY_FILE, 0), 0);
    CU_ASSERT_EQUAL(mkdirat(directory, MAC_KEY_FILE, 0700), 0);
    expect_refused(directory, -EPERM, "must be a file");
    CU_ASSERT_EQUAL(unlinkat(directory, MAC_KEY_FILE, AT_REMOVEDIR), 0);
    if (geteuid() == 0) {
        put(directory, MAC_KEY_FILE, MAC_KEY, 0600);
        CU_ASSERT_EQUAL(fchownat(directory, MAC_KEY_FILE, 65534, 65534, 0), 0);
        expect_refused(directory, -EPERM, "of user 0 alone");
    }
    close_folder(directory);
}

static void test_no_room(void)
{
    unsigned char key[MAC_KEY];
    struct err err = ERR_INIT;
    bool created;

    CU_ASSERT_EQUAL(fields_key_get(-1, "d", key, &created, &err), -EBADF);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "d/" MAC_KEY_FILE ": "));
}

static const struct unit_case CASES[] = {
    {"made once", test_life},
    {"refused", test_refused},
    {"no directory", test_no_room},
};

UNIT_MAIN("fields_key", CASES)
