#include "unit/unit.h"
#include "users/users.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char passwd[64], group[64];

static void file(char path[64], const char *text)
{
    FILE *f;

    strcpy(path, "/tmp/test_users.XXXXXX");
    f = fdopen(mkstemp(path), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void files(const char *users, const char *groups)
{
    file(passwd, users);
    file(group, groups);
}

static void done(void)
{
    unlink(passwd);
    unlink(group);
}

static void test_uid(void)
{
    uint32_t uid = 7;

    files("# a comment\nroot:x:0:0::/:/bin/sh\nbroken "
          "line\n+nis::::::\ncarol:x:62001:100::/:/bin/sh\n"
          "carol:x:62009:100::/:/bin/sh\nlast:x:4000000000:100::/:/bin/sh",
          "");
    CU_ASSERT_EQUAL(users_uid(passwd, "root", &uid), 0);
    CU_ASSERT_EQUAL(uid, 0);
    CU_ASSERT_EQUAL(users_uid(passwd, "carol", &uid), 0);
    CU_ASSERT_EQUAL(uid, 62001); /* the first one, as everywhere */
    CU_ASSERT_EQUAL(users_uid(passwd, "last", &uid), 0);
    CU_ASSERT_EQUAL(uid, 4000000000);
    uid = 7;
    CU_ASSERT_EQUAL(users_uid(passwd, "dave", &uid), -ENOENT);
    CU_ASSERT_EQUAL(users_uid(passwd, "", &uid), -ENOENT);
    CU_ASSERT_EQUAL(users_uid(passwd, "0", &uid), -ENOENT);
    CU_ASSERT_EQUAL(users_uid(passwd, "broken line", &uid), -ENOENT);
    CU_ASSERT_EQUAL(uid, 7);
    done();
    CU_ASSERT_EQUAL(users_uid(passwd, "root", &uid), -ENOENT);
    CU_ASSERT_EQUAL(users_uid("/", "root", &uid), -EISDIR);
    CU_ASSERT_EQUAL(users_uid(USERS_PASSWD, "root", &uid), 0);
    CU_ASSERT_EQUAL(uid, 0);
}

static void are(const char *name, const char *wanted)
{
    char text[256] = "";
    uint32_t *list = NULL;
    size_t n = 0;

    CU_ASSERT_EQUAL(users_members(passwd, group, name, &list, &n), 0);
    for (size_t i = 0; i < n; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), " %u", list[i]);
    CU_ASSERT_STRING_EQUAL(text, wanted);
    free(list);
}

static void test_members(void)
{
    uint32_t *list = NULL;
    size_t n = 0;

    files("dave:x:9:70::/:/bin/sh\ncarol:x:3:100::/:/bin/sh\nerin:x:5:100::/:/bin/sh\n"
          "twin:x:9:70::/:/bin/sh\ncar:x:6:101::/:/bin/sh\n",
          "empty:x:1:\nops:x:70:carol,gone,dave\nusers:x:100:\nops:x:101:car\n");
    are("ops", " 3 9");   /* named in it, or by primary group, once each */
    are("users", " 3 5"); /* by primary group alone */
    are("empty", "");
    CU_ASSERT_EQUAL(users_members(passwd, group, "op", &list, &n), -ENOENT);
    CU_ASSERT_EQUAL(users_members(passwd, group, "70", &list, &n), -ENOENT);
    CU_ASSERT_PTR_NULL(list);
    unlink(passwd);
    CU_ASSERT_EQUAL(users_members(passwd, group, "ops", &list, &n), -ENOENT);
    done();
}

static const struct unit_case CASES[] = {
    {"a user's number", test_uid},
    {"a group's members", test_members},
};

UNIT_MAIN("users", CASES)
