#include "base/asan.h"
#include "keeper/keyfile.h"
#include "keeper/keystore.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { NOBODY = 65534 };

static char folder[] = "/tmp/test_keystore.XXXXXX"; /* private, inside a sticky folder */

/* Paths inside the folder; two are valid at a time. */
static const char *at(const char *name)
{
    static char paths[2][128];
    static unsigned turn;
    char *path = paths[turn++ % 2];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static void setup(void)
{
    struct err err = ERR_INIT;

    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    CU_ASSERT_EQUAL_FATAL(keystore_init(&err), 0);
}

static void cleanup(void)
{
    static const char *const NAMES[] = {"k",    "credential", "group",  "link",   "link2",
                                        "big",  "fifo",       "open/k", "safe/k", "open/link",
                                        "open", "safe",       "into",   "loop"};

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        (void)remove(at(NAMES[i]));
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void put_file(const char *name, const char *text)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

#define GOOD                                                                                       \
    "keys = ( { workspace = \"beta\"; access_key_id = \"id-b\"; access_key_secret = \"sb\"; },\n"  \
    "{ workspace = \"alpha\"; access_key_id = \"A.1_z\"; access_key_secret = \"s3cr3t/+=\"; } );"

static void test_load(void)
{
    const struct keystore_key *key;
    struct err err = ERR_INIT;
    struct keystore *ks = NULL;
    size_t used;

    setup();
    used = CRYPTO_secure_used();
    put_file("k", GOOD);
    CU_ASSERT_EQUAL_FATAL(keystore_load(&ks, at("k"), true, &err), 0);
    CU_ASSERT_EQUAL(keystore_count(ks), 2);
    CU_ASSERT(slice_eq(keystore_at(ks, 0)->workspace, SLICE_LIT("alpha")));
    CU_ASSERT(slice_eq(keystore_at(ks, 1)->workspace, SLICE_LIT("beta")));
    key = keystore_find(ks, SLICE_LIT("alpha"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    CU_ASSERT(slice_eq(key->id, SLICE_LIT("A.1_z")));
    CU_ASSERT(slice_eq(key->secret, SLICE_LIT("s3cr3t/+=")));
    CU_ASSERT(CRYPTO_secure_allocated(key->secret.data));
    CU_ASSERT_PTR_NULL(keystore_find(ks, SLICE_LIT("alph")));
    CU_ASSERT_PTR_NULL(keystore_find(ks, SLICE_LIT("alphaa")));
    CU_ASSERT_PTR_NULL(keystore_find(ks, SLICE_NULL));
    CU_ASSERT(CRYPTO_secure_used() > used);
    keystore_free(ks);
    CU_ASSERT_EQUAL(CRYPTO_secure_used(), used);
    /* No key at all is a way to take every key away. */
    put_file("k", "keys = ( );");
    CU_ASSERT_EQUAL_FATAL(keystore_load(&ks, at("k"), true, &err), 0);
    CU_ASSERT_EQUAL(keystore_count(ks), 0);
    CU_ASSERT_PTR_NULL(keystore_find(ks, SLICE_LIT("alpha")));
    keystore_free(ks);
    keystore_free(NULL);
    cleanup();
}

/* Searches this process's writable memory, but not [skip, skip_end), for the needle. */
static unsigned count_in_memory(const char *needle, size_t len)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    char line[512], block[65536];
    unsigned found = 0;

    while (maps && fgets(line, sizeof(line), maps)) {
        unsigned long from, to;
        char mode[8];

        if (sscanf(line, "%lx-%lx %7s", &from, &to, mode) != 3 || mode[1] != 'w' ||
            strstr(line, "[stack]"))
            continue;
        for (unsigned long p = from; p < to; p += sizeof(block) / 2) {
            ssize_t n = pread(mem, block, sizeof(block), (off_t)p);

            for (char *at_ = block; n > 0; at_++) {
                at_ = memmem(at_, (size_t)(n - (at_ - block)), needle, len);
                if (!at_)
                    break;
                /* Halves overlap: what begins in the second is counted with the next block. */
                if (at_ < block + sizeof(block) / 2)
                    found++;
            }
        }
    }
    if (maps)
        fclose(maps);
    close(mem);
    return found;
}

/* The secret is in this process's memory once, in the secure heap, and after that not at all. */
static void test_memory(void)
{
    char needle[] = "xN2_hidden_Kw7"; /* on the stack, which isn't searched; no constant */
    struct err err = ERR_INIT;
    struct keystore *ks = NULL;

#if CENTION_ASAN
    unit_skip("the sanitizer's memory is too large to search");
    return;
#endif
    for (size_t i = 0; i < sizeof(needle) - 1; i++)
        needle[i] ^= 3;
    setup();
    {
        char text[256];

        snprintf(text, sizeof(text),
                 "keys = ( { workspace = \"w\"; access_key_id = \"i\"; access_key_secret = \"%s\"; "
                 "} );",
                 needle);
        put_file("k", text);
    }
    CU_ASSERT_EQUAL_FATAL(keystore_load(&ks, at("k"), true, &err), 0);
    CU_ASSERT_EQUAL(count_in_memory(needle, sizeof(needle) - 1), 1);
    keystore_free(ks);
    CU_ASSERT_EQUAL(count_in_memory(needle, sizeof(needle) - 1), 0);
    cleanup();
}

#define KEY(w, i, s)                                                                               \
    "{ workspace = \"" w "\"; access_key_id = \"" i "\"; access_key_secret = \"" s "\"; }"

static void test_errors(void)
{
    static const struct {
        const char *text, *says;
    } CASES[] = {
        {"", "keys: missing"},
        {"keys = 1;", ":1: keys: must be a list"},
        {"kyes = ();", "kyes: unknown setting"},
        {"keys = (\n" KEY("a", "i", "s") ",\n" KEY("a", "j", "t") ");",
         ":3: keys[1].workspace: a second key for this workspace"},
        {"keys = ( { workspace = \"a\"; access_key_id = \"i\"; } );",
         "keys[0].access_key_secret: missing"},
        {"keys = (" KEY("", "i", "s") ");", "workspace: must not be empty"},
        {"keys = (" KEY("a b", "i", "s") ");", "workspace: must be"},
        {"keys = (" KEY("..", "i", "s") ");", "workspace: must be"},
        {"keys = (" KEY("a", "", "s") ");", "access_key_id: must not be empty"},
        {"keys = (" KEY("a", "i:j", "s") ");", "access_key_id: must be"},
        {"keys = (" KEY("a", "i,j", "s") ");", "access_key_id: must be"},
        {"keys = (" KEY("a", "i", "") ");", "access_key_secret: must not be empty"},
        {"keys = ( { workspace = \"a\"; access_key_id = \"i\"; secret = \"hidden\"; } );",
         "keys[0].secret: unknown setting"},
        {"keys = ( { workspace = \"a\"; access_key_id = \"i\"; access_key_secret = 7; } );",
         "access_key_secret: must be a string"},
        {"keys = (" KEY("a", "i", "hidden") ";", ":1: syntax error"},
    };

    setup();
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct err err = ERR_INIT;
        struct keystore *ks = NULL;

        put_file("k", CASES[i].text);
        CU_ASSERT_EQUAL(keystore_load(&ks, at("k"), true, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, CASES[i].says));
        /* By its own name, not by that of the descriptor. */
        CU_ASSERT_EQUAL(strncmp(err.text, folder, strlen(folder)), 0);
        CU_ASSERT_PTR_NULL(strstr(err.text, "hidden"));
        CU_ASSERT_PTR_NULL(ks);
    }
    cleanup();
}

static void test_limits(void)
{
    char id[KEYSTORE_ID_MAX + 2], secret[KEYSTORE_SECRET_MAX + 2], text[8192];
    struct err err = ERR_INIT;
    struct keystore *ks = NULL;
    size_t used;
    FILE *f;

    setup();
    used = CRYPTO_secure_used();
    for (unsigned over = 0; over < 3; over++) {
        size_t id_len = KEYSTORE_ID_MAX + (over == 1), len = KEYSTORE_SECRET_MAX + (over == 2);

        memset(id, 'i', id_len);
        id[id_len] = '\0';
        memset(secret, 's', len);
        secret[len] = '\0';
        snprintf(text, sizeof(text), "keys = (" KEY("w", "%s", "%s") ");", id, secret);
        put_file("k", text);
        CU_ASSERT_EQUAL(keystore_load(&ks, at("k"), true, &err), over ? -EINVAL : 0);
        CU_ASSERT_PTR_NULL(strstr(err.text, "iiii"));
        CU_ASSERT_PTR_NULL(strstr(err.text, "ssss"));
        if (!over)
            keystore_free(ks);
    }
    /* More secrets than there is locked memory: refused, and all of it given back. */
    f = fopen(at("k"), "w");
    fputs("keys = (", f);
    secret[KEYSTORE_SECRET_MAX] = '\0';
    for (unsigned i = 0; i < 600; i++)
        fprintf(f, "%s" KEY("w%u", "i", "%s"), i ? ",\n" : "", i, secret);
    fputs(");", f);
    fclose(f);
    CU_ASSERT_EQUAL(keystore_load(&ks, at("k"), true, &err), -EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "locked memory"));
    CU_ASSERT_EQUAL(CRYPTO_secure_used(), used);
    cleanup();
}

/* The mode decides, whoever asks; root too. */
static void test_modes(void)
{
    setup();
    put_file("k", GOOD);
    for (mode_t mode = 0400; mode <= 0777; mode++) {
        struct err err = ERR_INIT;
        int fd;

        CU_ASSERT_EQUAL(chmod(at("k"), mode), 0);
        fd = keyfile_open(at("k"), &err);
        CU_ASSERT_EQUAL(fd >= 0, (mode & 066) == 0);
        if (fd >= 0)
            close(fd);
        else
            CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "chmod 600"));
    }
    cleanup();
}

static void test_kinds(void)
{
    struct err err = ERR_INIT;
    int fd;

    setup();
    CU_ASSERT_EQUAL(keyfile_open(at("none"), &err), -ENOENT);
    CU_ASSERT_EQUAL(keyfile_open(folder, &err), -EINVAL);
    CU_ASSERT_EQUAL(mkfifo(at("fifo"), 0600), 0);
    CU_ASSERT_EQUAL(keyfile_open(at("fifo"), &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not a regular file"));
    put_file("big", "");
    CU_ASSERT_EQUAL(truncate(at("big"), 1024 * 1024 + 1), 0);
    CU_ASSERT_EQUAL(keyfile_open(at("big"), &err), -EFBIG);
    CU_ASSERT_EQUAL(truncate(at("big"), 1024 * 1024), 0);
    fd = keyfile_open(at("big"), &err);
    CU_ASSERT(fd >= 0);
    CU_ASSERT_EQUAL(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    cleanup();
}

static int opens(const char *path)
{
    struct err err = ERR_INIT;
    int fd = keyfile_open(path, &err);

    if (fd >= 0)
        close(fd);
    return fd >= 0 ? 0 : fd;
}

static void test_links(void)
{
    setup();
    mkdir(at("safe"), 0700);
    mkdir(at("open"), 0700);
    put_file("safe/k", GOOD);
    put_file("open/k", GOOD);
    /* Within folders that are ours alone, by whatever way. */
    CU_ASSERT_EQUAL(symlink("safe/k", at("link")), 0);
    CU_ASSERT_EQUAL(symlink(at("link"), at("link2")), 0);
    CU_ASSERT_EQUAL(symlink("../safe/./k", at("open/link")), 0);
    CU_ASSERT_EQUAL(symlink("open", at("into")), 0);
    CU_ASSERT_EQUAL(symlink("loop", at("loop")), 0);
    CU_ASSERT_EQUAL(opens(at("link")), 0);
    CU_ASSERT_EQUAL(opens(at("link2")), 0);
    CU_ASSERT_EQUAL(opens(at("open/link")), 0);
    CU_ASSERT_EQUAL(opens(at("into/k")), 0);
    CU_ASSERT_EQUAL(opens(at("into/link")), 0);
    CU_ASSERT_EQUAL(opens(at("loop")), -ELOOP);
    /* The link's own folder is open to others. */
    CU_ASSERT_EQUAL(chmod(at("open"), 0770), 0);
    CU_ASSERT_EQUAL(opens(at("open/link")), -EPERM);
    CU_ASSERT_EQUAL(opens(at("into/link")), -EPERM);
    /* A plain file in it is judged by itself. */
    CU_ASSERT_EQUAL(opens(at("open/k")), 0);
    CU_ASSERT_EQUAL(chmod(at("open"), 0702), 0);
    CU_ASSERT_EQUAL(opens(at("open/link")), -EPERM);
    /* Sticky: nobody else can replace what is ours. */
    CU_ASSERT_EQUAL(chmod(at("open"), 01777), 0);
    CU_ASSERT_EQUAL(opens(at("open/link")), 0);
    CU_ASSERT_EQUAL(chmod(at("open"), 0700), 0);
    /* The folder that it points into is open, or one above it is. */
    CU_ASSERT_EQUAL(chmod(at("safe"), 0720), 0);
    CU_ASSERT_EQUAL(opens(at("link")), -EPERM);
    CU_ASSERT_EQUAL(opens(at("link2")), -EPERM);
    CU_ASSERT_EQUAL(chmod(at("safe"), 0700), 0);
    CU_ASSERT_EQUAL(chmod(folder, 0777), 0);
    CU_ASSERT_EQUAL(opens(at("link")), -EPERM);
    CU_ASSERT_EQUAL(chmod(folder, 0700), 0);
    /* The file's own mode still counts. */
    CU_ASSERT_EQUAL(chmod(at("safe/k"), 0640), 0);
    CU_ASSERT_EQUAL(opens(at("link")), -EPERM);
    /* To a folder, to nothing. */
    unlink(at("link"));
    CU_ASSERT_EQUAL(symlink("safe", at("link")), 0);
    CU_ASSERT_EQUAL(opens(at("link")), -EISDIR);
    unlink(at("link"));
    CU_ASSERT_EQUAL(symlink("safe/none", at("link")), 0);
    CU_ASSERT_EQUAL(opens(at("link")), -ENOENT);
    cleanup();
}

/* An access control list as the kernel keeps it; false: this file system has none. */
static bool put_acl(const char *name, const uint16_t (*entries)[3], size_t n)
{
    unsigned char acl[256] = {2, 0, 0, 0};
    size_t len = 4;

    for (size_t i = 0; i < n; i++, len += 8) {
        uint32_t id = entries[i][2] == 0xffff ? 0xffffffff : entries[i][2];

        acl[len] = (unsigned char)entries[i][0];
        acl[len + 1] = acl[len + 3] = 0;
        acl[len + 2] = (unsigned char)entries[i][1];
        for (size_t k = 0; k < 4; k++)
            acl[len + 4 + k] = (unsigned char)(id >> (8 * k));
    }
    return setxattr(at(name), "system.posix_acl_access", acl, len, 0) == 0;
}

static void refused_with(const char *name, const char *says)
{
    struct err err = ERR_INIT;
    int fd = keyfile_open(at(name), &err);

    CU_ASSERT_EQUAL(fd, -EPERM);
    if (!strstr(err.text, says))
        printf("\n    %s", err.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, says));
    if (fd >= 0)
        close(fd);
}

/* Who may read by a list: systemd leaves credentials like that. Tag, permission, id. */
static void test_access_lists(void)
{
    const uint16_t us = (uint16_t)geteuid(), none = 0xffff;
    const uint16_t ours[][3] = {
        {1, 4, none}, {2, 4, us}, {4, 0, none}, {0x10, 4, none}, {0x20, 0, none}};
    const uint16_t another[][3] = {{1, 4, none}, {2, 4, us},      {2, 4, 4711},
                                   {4, 0, none}, {0x10, 4, none}, {0x20, 0, none}};
    const uint16_t masked[][3] = {{1, 4, none}, {2, 4, us},      {2, 7, 4711},
                                  {4, 4, none}, {0x10, 0, none}, {0x20, 0, none}};
    const uint16_t group[][3] = {
        {1, 4, none}, {2, 4, us}, {4, 4, none}, {0x10, 4, none}, {0x20, 0, none}};
    const uint16_t named[][3] = {{1, 4, none}, {2, 4, us},      {4, 0, none},
                                 {8, 4, 4711}, {0x10, 4, none}, {0x20, 0, none}};
    const uint16_t writer[][3] = {{1, 4, none}, {2, 4, us},      {2, 2, 4711},
                                  {4, 0, none}, {0x10, 6, none}, {0x20, 0, none}};
    const uint16_t others[][3] = {
        {1, 4, none}, {2, 4, us}, {4, 0, none}, {0x10, 4, none}, {0x20, 4, none}};

    setup();
    put_file("k", GOOD);
    CU_ASSERT_EQUAL(chmod(at("k"), 0440), 0);
    refused_with("k", "its group may read");
    refused_with("k", "chmod 600");
    CU_ASSERT_EQUAL(chmod(at("k"), 0404), 0);
    refused_with("k", "every user may read");
    CU_ASSERT_EQUAL(chmod(at("k"), 0400), 0);
    if (!put_acl("k", ours, 5)) {
        unit_skip("this file system keeps no access control lists");
        cleanup();
        return;
    }
    CU_ASSERT_EQUAL(opens(at("k")), 0);
    CU_ASSERT(put_acl("k", masked, 6));
    CU_ASSERT_EQUAL(opens(at("k")), 0);
    CU_ASSERT(put_acl("k", another, 6));
    refused_with("k", "access control list");
    CU_ASSERT(put_acl("k", group, 5));
    refused_with("k", "access control list");
    CU_ASSERT(put_acl("k", named, 6));
    refused_with("k", "access control list");
    CU_ASSERT(put_acl("k", writer, 6));
    refused_with("k", "access control list");
    CU_ASSERT(put_acl("k", others, 5));
    refused_with("k", "access control list");
    cleanup();
}

static void test_owners(void)
{
    if (geteuid() != 0) {
        unit_skip("needs root to make files of other users");
        return;
    }
    setup();
    mkdir(at("safe"), 0700);
    mkdir(at("open"), 0700);
    put_file("safe/k", GOOD);
    /* Someone else's file; root may read it but must not believe it. */
    CU_ASSERT_EQUAL(chown(at("safe/k"), NOBODY, NOBODY), 0);
    CU_ASSERT_EQUAL(opens(at("safe/k")), -EPERM);
    CU_ASSERT_EQUAL(chown(at("safe/k"), 0, 0), 0);
    CU_ASSERT_EQUAL(opens(at("safe/k")), 0);
    /* Someone else's folder on the way of a link. */
    CU_ASSERT_EQUAL(symlink("safe/k", at("link")), 0);
    CU_ASSERT_EQUAL(chown(at("safe"), NOBODY, NOBODY), 0);
    CU_ASSERT_EQUAL(opens(at("link")), -EPERM);
    CU_ASSERT_EQUAL(chown(at("safe"), 0, 0), 0);
    CU_ASSERT_EQUAL(opens(at("link")), 0);
    /* Someone else's link in a sticky folder. */
    CU_ASSERT_EQUAL(symlink("../safe/k", at("open/link")), 0);
    CU_ASSERT_EQUAL(chmod(at("open"), 01777), 0);
    CU_ASSERT_EQUAL(opens(at("open/link")), 0);
    CU_ASSERT_EQUAL(lchown(at("open/link"), NOBODY, NOBODY), 0);
    CU_ASSERT_EQUAL(opens(at("open/link")), -EPERM);
    cleanup();
}

/* As a user that is not root and can't be dumped, as the keeper runs: the child's way to the file.
 */
static void test_unprivileged(void)
{
    static const uint16_t CREDENTIAL[][3] = {
        {1, 4, 0xffff}, {2, 4, NOBODY}, {4, 0, 0xffff}, {0x10, 4, 0xffff}, {0x20, 0, 0xffff}};
    bool with_list;
    pid_t pid;
    int status = 0;

    if (geteuid() != 0) {
        unit_skip("needs root to become someone else; the other cases ran without it");
        return;
    }
    setup();
    put_file("k", GOOD);
    CU_ASSERT_EQUAL(chown(at("k"), NOBODY, NOBODY), 0);
    /* As systemd leaves a credential, and as an administrator may leave the file. */
    put_file("credential", GOOD);
    CU_ASSERT_EQUAL(chmod(at("credential"), 0400), 0);
    with_list = put_acl("credential", CREDENTIAL, 5);
    put_file("group", GOOD);
    CU_ASSERT_EQUAL(chown(at("group"), 0, NOBODY), 0);
    CU_ASSERT_EQUAL(chmod(at("group"), 0440), 0);
    CU_ASSERT_EQUAL(chown(folder, NOBODY, NOBODY), 0);
    pid = fork();
    if (pid == 0) {
        struct err err = ERR_INIT;
        struct keystore *ks = NULL;

        if (setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
            _exit(2);
        if (keystore_load(&ks, at("k"), true, &err) != 0 || keystore_count(ks) != 2)
            _exit(1);
        keystore_free(ks);
        if (with_list &&
            (keystore_load(&ks, at("credential"), true, &err) != 0 || keystore_count(ks) != 2))
            _exit(3);
        if (keystore_load(&ks, at("group"), true, &err) != -EPERM ||
            !strstr(err.text, "use chown 65534 and chmod 600"))
            _exit(4);
        _exit(0);
    }
    CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
    CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cleanup();
}

static const struct unit_case CASES[] = {
    {"load and find", test_load},      {"secrets in memory", test_memory},
    {"errors", test_errors},           {"limits", test_limits},
    {"modes of the file", test_modes}, {"kinds of file", test_kinds},
    {"symbolic links", test_links},    {"access lists", test_access_lists},
    {"owners", test_owners},           {"without privileges", test_unprivileged},
};

UNIT_MAIN("keystore", CASES)
