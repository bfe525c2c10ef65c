/*
 * Members by primary group are found by going through the users: a directory service that doesn't
 * list its users has only those that the group itself names.
 */
#include "policy/users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

enum {
    ROOM_FIRST = 4096,
    ROOM_MAX = 16 * 1024 * 1024, /* bytes; of a group's entry */
};

int users_uid(const char *name, uint32_t *out)
{
    struct passwd entry, *found = NULL;
    int r = ERANGE;

    for (size_t room = ROOM_FIRST; r == ERANGE && room <= ROOM_MAX; room *= 2) {
        char *text = malloc(room);

        if (!text)
            return -ENOMEM;
        r = getpwnam_r(name, &entry, text, room, &found);
        if (r == 0 && found)
            *out = entry.pw_uid;
        free(text);
    }
    if (r == 0)
        return found ? 0 : -ENOENT;
    /* What getpwnam(3) may also say for a name that is not there. */
    return r == ESRCH || r == EBADF || r == EPERM ? -ENOENT : -r;
}

/* The entry with its text, which the caller frees. */
static int group_of(const char *name, struct group *entry, char **text)
{
    struct group *found = NULL;
    int r = ERANGE;

    *text = NULL;
    for (size_t room = ROOM_FIRST; r == ERANGE && room <= ROOM_MAX; room *= 2) {
        free(*text);
        *text = malloc(room);
        if (!*text)
            return -ENOMEM;
        r = getgrnam_r(name, entry, *text, room, &found);
    }
    if (r == 0)
        return found ? 0 : -ENOENT;
    return r == ESRCH || r == EBADF || r == EPERM ? -ENOENT : -r;
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

static int add_named(struct members *m, char *const *names)
{
    for (; *names; names++) {
        uint32_t uid;
        int r = users_uid(*names, &uid);

        /* A group may name users that are gone. */
        if (r == 0)
            r = add(m, uid);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 0;
}

static int add_primary(struct members *m, gid_t gid)
{
    const struct passwd *entry;
    int r = 0;

    setpwent();
    while (r == 0 && (entry = getpwent()))
        if (entry->pw_gid == gid)
            r = add(m, entry->pw_uid);
    endpwent();
    return r;
}

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

int users_members(const char *group, uint32_t **out, size_t *n)
{
    struct members m = {0};
    struct group entry;
    char *text;
    size_t kept = 0;
    int r = group_of(group, &entry, &text);

    if (r == 0)
        r = add_named(&m, entry.gr_mem);
    if (r == 0)
        r = add_primary(&m, entry.gr_gid);
    free(text);
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
