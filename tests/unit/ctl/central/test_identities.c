#include "ctl/central/identities.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ID    "00112233-44556677-8899aabb-ccddeeff-00112233-44556677-8899aabb-ccddeeff"
#define PLAIN "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static char path[] = "/tmp/test_identities.XXXXXX";

static int read_text(struct identities *all, const char *text, struct err *err)
{
    FILE *f;
    int r;

    strcpy(path + strlen(path) - 6, "XXXXXX");
    close(mkstemp(path));
    f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
    *err = ERR_INIT;
    r = identities_read(all, path, err);
    unlink(path);
    return r;
}

static void test_read(void)
{
    struct identities all;
    struct err err;

    CU_ASSERT_EQUAL_FATAL(read_text(&all,
                                    "# hosts\n\n" ID " web1\n\t" PLAIN "\tweb2 17 " PLAIN
                                    " # the new one\r\n   \n",
                                    &err),
                          0);
    CU_ASSERT_EQUAL_FATAL(all.n, 2);
    CU_ASSERT_STRING_EQUAL(all.list[0].name, "web1");
    CU_ASSERT(all.list[0].first == 1 && !all.list[0].has_hash);
    CU_ASSERT_EQUAL(all.list[0].log.bytes[3], 0x33);
    CU_ASSERT_STRING_EQUAL(all.list[1].name, "web2");
    CU_ASSERT(all.list[1].first == 17 && all.list[1].has_hash);
    CU_ASSERT_EQUAL(all.list[1].hash.bytes[0], 0x10);
    CU_ASSERT_PTR_EQUAL(identities_find(&all, &all.list[1].log), &all.list[1]);
    CU_ASSERT_PTR_EQUAL(identities_find_name(&all, "web1"), &all.list[0]);
    CU_ASSERT_PTR_NULL(identities_find_name(&all, "web"));
    identities_deinit(&all);
    CU_ASSERT_EQUAL(read_text(&all, "", &err), 0);
    CU_ASSERT_EQUAL(all.n, 0);
    CU_ASSERT_EQUAL(identities_read(&all, "/nowhere/at/all", &err), -ENOENT);
}

static void test_refused(void)
{
    static const char *const TEXTS[] = {
        "web1 " ID "\n",
        ID "\n",
        ID "0 web1\n",
        "00112233 web1\n",
        ID " web1\n" ID " web2\n",
        ID " web1 17\n",
        ID " web1 0 " PLAIN "\n",
        ID " web1 017 " PLAIN "\n",
        ID " web1 17 " PLAIN "0\n",
        ID " web1 17 " PLAIN " more\n",
        ID " web1 more\n",
    };
    struct identities all;
    struct err err;

    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        CU_ASSERT_EQUAL(read_text(&all, TEXTS[i], &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, i == 4 ? "line 2: " : "line 1: "));
        CU_ASSERT_EQUAL(all.n, 0);
    }
}

static void test_append(void)
{
    char web3[] = "web3", web4[] = "web4";
    struct identity one = {.name = web3, .first = 1}, two = {.name = web4, .first = 9};
    struct identities all = {0}, again;
    struct err err = ERR_INIT;

    one.log.bytes[0] = 1;
    two.log.bytes[0] = 2;
    two.has_hash = true;
    two.hash.bytes[31] = 7;
    strcpy(path + strlen(path) - 6, "XXXXXX");
    close(mkstemp(path));
    unlink(path);
    CU_ASSERT_EQUAL(identities_append(&all, path, &one, &err), 0);
    CU_ASSERT_EQUAL(identities_append(&all, path, &two, &err), 0);
    CU_ASSERT_EQUAL(all.n, 2);
    CU_ASSERT_EQUAL_FATAL(identities_read(&again, path, &err), 0);
    CU_ASSERT_EQUAL_FATAL(again.n, 2);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_STRING_EQUAL(again.list[i].name, all.list[i].name);
        CU_ASSERT_EQUAL(memcmp(&again.list[i].log, &all.list[i].log, SEAL_KEY), 0);
        CU_ASSERT_EQUAL(again.list[i].first, all.list[i].first);
        CU_ASSERT_EQUAL(again.list[i].has_hash, all.list[i].has_hash);
    }
    CU_ASSERT_EQUAL(again.list[1].hash.bytes[31], 7);
    CU_ASSERT_EQUAL(identities_append(&all, "/nowhere/at/all", &one, &err), -ENOENT);
    identities_deinit(&all);
    identities_deinit(&again);
    unlink(path);
}

/* What somebody wrote by hand may end without a newline, in a comment too. */
static void test_append_behind_no_newline(void)
{
    char web3[] = "web3";
    struct identity one = {.log = {{1}}, .name = web3, .first = 1};
    struct identities all = {0}, again;
    struct err err = ERR_INIT;
    FILE *f;

    strcpy(path + strlen(path) - 6, "XXXXXX");
    close(mkstemp(path));
    f = fopen(path, "w");
    fputs(ID " web1\n" PLAIN " web2 # late", f);
    fclose(f);
    CU_ASSERT_EQUAL_FATAL(identities_read(&all, path, &err), 0);
    CU_ASSERT_EQUAL(identities_append(&all, path, &one, &err), 0);
    CU_ASSERT_EQUAL_FATAL(identities_read(&again, path, &err), 0);
    CU_ASSERT_EQUAL_FATAL(again.n, 3);
    CU_ASSERT_STRING_EQUAL(again.list[1].name, "web2");
    CU_ASSERT_STRING_EQUAL(again.list[2].name, "web3");
    identities_deinit(&all);
    identities_deinit(&again);
    unlink(path);
}

static void test_names(void)
{
    CU_ASSERT(identities_name_ok("web-1.example.com"));
    CU_ASSERT(identities_name_ok("w\xc3\xa9"));
    CU_ASSERT_FALSE(identities_name_ok(""));
    CU_ASSERT_FALSE(identities_name_ok("a b"));
    CU_ASSERT_FALSE(identities_name_ok("a\nb"));
    CU_ASSERT_FALSE(identities_name_ok("a#b"));
    CU_ASSERT_FALSE(identities_name_ok("a\x7f"));
    CU_ASSERT_FALSE(identities_name_ok("a\xc2\x9b"
                                       "31m"));           /* CSI */
    CU_ASSERT_FALSE(identities_name_ok("a\xe2\x80\xae")); /* right to left */
    CU_ASSERT_FALSE(identities_name_ok("a\xff"));
}

static const struct unit_case CASES[] = {
    {"read", test_read},
    {"refused", test_refused},
    {"append", test_append},
    {"append behind no newline", test_append_behind_no_newline},
    {"names", test_names}};

UNIT_MAIN("identities", CASES)
