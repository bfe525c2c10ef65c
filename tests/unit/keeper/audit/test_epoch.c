#include "keeper/audit/epoch.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/test_epoch.XXXXXX";

static int open_folder(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    return open(folder, O_RDONLY | O_DIRECTORY);
}

static bool signs(const struct epoch *e)
{
    unsigned char signature[SEAL_SIGNATURE];
    struct seal seal = {.epoch = 3, .seq = 9};
    struct seal_verifier *verifier = NULL;
    bool good;

    CU_ASSERT_EQUAL(epoch_sign(e, &seal, signature), 0);
    CU_ASSERT_EQUAL_FATAL(seal_verifier_new(&verifier, epoch_public(e)), 0);
    good = seal_verify(verifier, &seal, signature);
    seal.seq++;
    CU_ASSERT_FALSE(seal_verify(verifier, &seal, signature));
    seal.seq--;
    signature[5] ^= 1;
    CU_ASSERT_FALSE(seal_verify(verifier, &seal, signature));
    seal_verifier_free(verifier);
    return good;
}

static void test_life(void)
{
    struct epoch *made = NULL, *read = NULL;
    struct err err = ERR_INIT;
    struct stat st;
    int directory = open_folder();

    CU_ASSERT_EQUAL(epoch_newest(directory), 0);
    CU_ASSERT_EQUAL_FATAL(epoch_create(&made, directory, 3, &err), 0);
    CU_ASSERT_EQUAL(epoch_number(made), 3);
    CU_ASSERT_EQUAL(epoch_newest(directory), 3);
    CU_ASSERT_EQUAL(fstatat(directory, ".epoch-3.key", &st, 0), 0);
    CU_ASSERT(st.st_size == SEAL_KEY && (st.st_mode & 07777) == 0600);
    CU_ASSERT(signs(made));
    CU_ASSERT_EQUAL_FATAL(epoch_load(&read, directory, 3, epoch_public(made), &err), 0);
    CU_ASSERT(signs(read));
    epoch_free(read);
    /* Made again: another key. */
    CU_ASSERT_EQUAL_FATAL(epoch_create(&read, directory, 3, &err), 0);
    CU_ASSERT(memcmp(epoch_public(read), epoch_public(made), SEAL_KEY) != 0);
    epoch_free(read);
    CU_ASSERT_EQUAL(epoch_load(&read, directory, 3, epoch_public(made), &err), -EINVAL);
    CU_ASSERT_EQUAL(epoch_erase(directory, 3), 0);
    CU_ASSERT_EQUAL(epoch_erase(directory, 3), 0);
    CU_ASSERT_EQUAL(epoch_newest(directory), 0);
    CU_ASSERT_EQUAL(epoch_load(&read, directory, 3, epoch_public(made), &err), -ENOENT);
    epoch_free(made);
    epoch_free(NULL);
    close(directory);
    unit_remove(folder);
}

/* Overwriting comes before the unlinking: another name of the file shows it. */
static void test_erased(void)
{
    static const char ZEROS[SEAL_KEY];
    struct epoch *made = NULL;
    struct err err = ERR_INIT;
    int directory = open_folder(), fd;
    char bytes[SEAL_KEY];

    CU_ASSERT_EQUAL_FATAL(epoch_create(&made, directory, 1, &err), 0);
    CU_ASSERT_EQUAL(linkat(directory, ".epoch-1.key", directory, "other", 0), 0);
    CU_ASSERT_EQUAL(epoch_erase(directory, 1), 0);
    fd = openat(directory, "other", O_RDONLY);
    CU_ASSERT_EQUAL(read(fd, bytes, SEAL_KEY), SEAL_KEY);
    CU_ASSERT(memcmp(bytes, ZEROS, SEAL_KEY) == 0);
    close(fd);
    epoch_free(made);
    close(directory);
    unit_remove(folder);
}

static void test_bad_files(void)
{
    struct seal_key key = {{0}};
    struct epoch *e = NULL;
    struct err err = ERR_INIT;
    int directory = open_folder(), fd = openat(directory, ".epoch-2.key", O_CREAT | O_RDWR, 0600);

    CU_ASSERT_EQUAL(write(fd, "short", 5), 5);
    CU_ASSERT_EQUAL(epoch_load(&e, directory, 2, &key, &err), -EINVAL);
    CU_ASSERT_EQUAL(ftruncate(fd, SEAL_KEY + 1), 0);
    CU_ASSERT_EQUAL(epoch_load(&e, directory, 2, &key, &err), -EINVAL);
    CU_ASSERT_EQUAL(fchmod(fd, 0640), 0);
    CU_ASSERT_EQUAL(epoch_load(&e, directory, 2, &key, &err), -EPERM);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, ".epoch-2.key"));
    close(fd);
    CU_ASSERT_EQUAL(epoch_create(&e, -1, 1, &err), -EBADF);
    close(directory);
    unit_remove(folder);
}

static const struct unit_case CASES[] = {
    {"made, used, erased", test_life},
    {"erased means overwritten", test_erased},
    {"files that are no keys", test_bad_files},
};

UNIT_MAIN("epoch", CASES)
