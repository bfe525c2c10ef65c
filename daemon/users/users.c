#include "users/users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENTRY_MAX = 1024 * 1024, /* bytes; of a line */
};

/* One of the files, while it is gone through. */
struct entries {
    FILE *file;
    char *text; /* room for an entry's strings */
};

static int entries_open(struct entries *e, const char *path)
{
    *e = (struct entries){.file = fopen(path, "re"), .text = malloc(ENTRY_MAX)};
    if (e->file && e->text)
        return 0;
    return e->file ? -ENOMEM : -errno;
}

static void entries_close(struct entries *e)
{
    if (e->file)
        (void)fclose(e->file);
    free(e->text);
}

/* The next user: 1, 0 at the end, or -errno. Valid until the next one. */
static int next_user(struct entries *e, struct passwd *out)
{
    struct passwd *found;
    int r;

    if (!e->file ||
        !e->text) /* never: entries_open has failed then, which gcc's analyser can't see */
        return -EINVAL;
    r = fgetpwent_r(e->file, out, e->text, ENTRY_MAX, &found);
    return r == 0 ? 1 : r == ENOENT ? 0 : -r;
}

static int next_group(struct entries *e, struct group *out)
{
    struct group *found;
    int r = fgetgrent_r(e->file, out, e->text, ENTRY_MAX, &found);

    return r == 0 ? 1 : r == ENOENT ? 0 : -r;
}

int users_uid(const char *passwd, const char *name, uint32_t *out)
{
    struct entries e;
    struct passwd user = {0};
    int r = entries_open(&e, passwd);

    while (r == 0 && (r = next_user(&e, &user)) == 1) {
        if (strcmp(user.pw_name, name) == 0)
            break;
        r = 0;
    }
    entries_close(&e);
    if (r == 1)
        *out = user.pw_uid;
    return r == 1 ? 0 : r == 0 ? -ENOENT : r;
}

struct members {
    uint32_t *list;
    size_t n;
};

static int add(struct members *m, uint32_t uid)
{
    uint32_t *grown = reallocarray(m->list, m->n + 1, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    m->list = grown;
    m->list[m->n++] = uid;
    return 0;
}

static bool named_in(const struct group *group, const char *user)
{
    for (char *const *name = group->gr_mem; name && *name; name++)
        if (strcmp(*name, user) == 0)
            return true;
    return false;
}

static int add_members(struct members *m, const char *passwd, const struct group *group)
{
    struct entries e;
    struct passwd user = {0};
    int r = entries_open(&e, passwd);

    while (r == 0 && (r = next_user(&e, &user)) == 1)
        r = user.pw_gid == group->gr_gid || named_in(group, user.pw_name) ? add(m, user.pw_uid) : 0;
    entries_close(&e);
    return r;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

int users_members(const char *passwd, const char *group_file, const char *name, uint32_t **out,
                  size_t *n)
{
    struct members m = {0};
    struct entries e;
    struct group group = {0};
    size_t kept = 0;
    int r = entries_open(&e, group_file);

    while (r == 0 && (r = next_group(&e, &group)) == 1) {
        if (strcmp(group.gr_name, name) == 0)
            break;
        r = 0;
    }
    if (r == 0)
        r = -ENOENT;
    else if (r == 1)
        r = add_members(&m, passwd, &group);
    entries_close(&e);
    if (r < 0) {
        free(m.list);
        return r;
    }
    if (m.n)
        qsort(m.list, m.n, sizeof(*m.list), ascending);
    for (size_t i = 0; i < m.n; i++)
        if (kept == 0 || m.list[i] != m.list[kept - 1])
            m.list[kept++] = m.list[i];
    *out = m.list;
    *n = kept;
    return 0;
}
