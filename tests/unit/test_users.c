#include "policy/users.h"
#include "unit/unit.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void test_uid(void)
{
    const struct passwd *nobody = getpwnam("nobody");
    uint32_t uid = 7;

    CU_ASSERT_EQUAL(users_uid("root", &uid), 0);
    CU_ASSERT_EQUAL(uid, 0);
    CU_ASSERT_EQUAL(users_uid("no-such-user-here", &uid), -ENOENT);
    CU_ASSERT_EQUAL(users_uid("", &uid), -ENOENT);
    CU_ASSERT_EQUAL(users_uid("0", &uid), -ENOENT);
    if (nobody) {
        CU_ASSERT_EQUAL(users_uid("nobody", &uid), 0);
        CU_ASSERT_EQUAL(uid, nobody->pw_uid);
    }
}

static bool has(const uint32_t *list, size_t n, uint32_t uid)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == uid)
            return true;
    return false;
}

/* Against getgrouplist(3), for every user of every group. */
static void test_members(void)
{
    struct group *g;
    char *names[64];
    size_t n_names = 0;
    unsigned members = 0;

    setgrent();
    while (n_names < 64 && (g = getgrent()))
        names[n_names++] = strdup(g->gr_name);
    endgrent();
    CU_ASSERT(n_names > 0);
    for (size_t i = 0; i < n_names; i++) {
        uint32_t *list = NULL;
        size_t n = 0;
        const struct passwd *u;
        size_t n_users = 0;
        gid_t gid = getgrnam(names[i])->gr_gid;
        char *user_names[256];
        gid_t primary[256];
        uint32_t uids[256];

        CU_ASSERT_EQUAL_FATAL(users_members(names[i], &list, &n), 0);
        for (size_t k = 1; k < n; k++)
            CU_ASSERT(list[k - 1] < list[k]);
        setpwent();
        while (n_users < 256 && (u = getpwent())) {
            user_names[n_users] = strdup(u->pw_name);
            primary[n_users] = u->pw_gid;
            uids[n_users++] = u->pw_uid;
        }
        endpwent();
        for (size_t k = 0; k < n_users; k++) {
            gid_t groups[256];
            int room = 256;
            bool in = false;

            CU_ASSERT(getgrouplist(user_names[k], primary[k], groups, &room) >= 0);
            for (int x = 0; x < room; x++)
                in = in || groups[x] == gid;
            CU_ASSERT_EQUAL(has(list, n, uids[k]), in);
            members += in;
            free(user_names[k]);
        }
        free(list);
        free(names[i]);
    }
    CU_ASSERT(members > 0);
}

static void test_no_group(void)
{
    uint32_t *list = NULL;
    size_t n = 0;

    CU_ASSERT_EQUAL(users_members("no-such-group-here", &list, &n), -ENOENT);
    CU_ASSERT_PTR_NULL(list);
}

static const struct unit_case CASES[] = {
    {"a user's number", test_uid},
    {"a group's members", test_members},
    {"no such group", test_no_group},
};

UNIT_MAIN("users", CASES)
