#include "users/unix_peer.h"

#include "users/users.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool read_text(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return false;
    n = read(fd, out, room - 1);
    (void)close(fd);
    out[n > 0 ? n : 0] = '\0';
    return n > 0;
}

bool user_map_is_whole(const char *uid_map)
{
    unsigned inside, outside, count;
    int end = 0;

    /* NOLINTNEXTLINE(cert-err34-c): the kernel wrote it */
    return sscanf(uid_map, "%u %u %u %n", &inside, &outside, &count, &end) == 3 && inside == 0 &&
           outside == 0 && count == UINT32_MAX && uid_map[end] == '\0';
}

void user_map_read(struct user_map *map)
{
    char text[256];

    map->all = read_text("/proc/self/uid_map", text, sizeof(text)) && user_map_is_whole(text);
    map->overflow = 65534;
    if (read_text("/proc/sys/kernel/overflowuid", text, sizeof(text)))
        map->overflow = (uint32_t)strtoul(text, NULL, 10);
}

uint32_t user_map_uid(const struct user_map *map, uint32_t uid)
{
    return !map->all && uid == map->overflow ? CLIENT_UID_UNKNOWN : uid;
}

void unix_peer(int fd, struct ucred *cred)
{
    socklen_t len = sizeof(*cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, cred, &len) < 0)
        *cred = (struct ucred){.uid = CLIENT_UID_UNKNOWN};
}

static bool has_name(socklen_t len)
{
    return len > offsetof(struct sockaddr_un, sun_path);
}

/*
 * A listener has a name, and each connection that it accepts has it, too (af_unix.c). So the end
 * that was accepted is named, and the one that connected sees a named peer; neither end of a pair
 * has a name.
 */
bool unix_peer_is_accepted(int fd)
{
    struct sockaddr_un address = {0};
    struct pollfd ends = {.fd = fd};
    socklen_t len = sizeof(address);
    int kind = 0;

    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || address.sun_family != AF_UNIX ||
        !has_name(len))
        return false;
    len = sizeof(kind);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &len) < 0 || kind != SOCK_STREAM)
        return false;
    len = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &len) < 0 || has_name(len))
        return false;
    return poll(&ends, 1, 0) >= 0 && !(ends.revents & POLLHUP);
}

static int uid_of(const char *name, uint32_t *uid)
{
    char *end;
    unsigned long number;

    if (*name < '0' || *name > '9')
        return users_uid(USERS_PASSWD, name, uid);
    errno = 0;
    number = strtoul(name, &end, 10);
    if (errno || *end || number >= CLIENT_UID_UNKNOWN)
        return -ENOENT;
    *uid = (uint32_t)number;
    return 0;
}

int unix_users_set(struct unix_users *users, const char *name, const char *usual)
{
    int r = 0;

    *users = (struct unix_users){.uid = {0, geteuid()}, .n = 2};
    (void)snprintf(users->text, sizeof(users->text), "%s", name ? name : usual);
    if (name) {
        r = uid_of(name, &users->uid[0]);
        users->n = r == 0;
        users->named = true;
    } else if (users_uid(USERS_PASSWD, usual, &users->uid[2]) == 0) {
        users->n = 3;
    }
    return r;
}

int unix_users_read(struct unix_users *users, struct settings_node group, const char *name,
                    const char *usual, struct err *err)
{
    const char *value = NULL;
    int r = settings_string(group, name, &value, err);

    if (r < 0)
        return r;
    r = unix_users_set(users, value, usual);
    if (r < 0)
        return settings_fail(group, name, err, "\"%.64s\" is no user of %s, and no number: %s",
                             value, USERS_PASSWD, strerror(-r));
    return 0;
}

static bool has(const struct unix_users *users, uint32_t uid)
{
    for (unsigned i = 0; i < users->n; i++)
        if (users->uid[i] == uid)
            return true;
    return false;
}

bool unix_users_may_listen(const struct unix_users *users, int fd, const char *path,
                           struct ucred *cred)
{
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    struct stat st;
    char *end;

    unix_peer(fd, cred);
    if (has(users, cred->uid) || users->named)
        return has(users, cred->uid);
    (void)snprintf(folder, sizeof(folder), "%s", path);
    end = strrchr(folder, '/');
    if (end)
        end[end == folder] = '\0'; /* "/" keeps its own */
    return stat(end ? folder : ".", &st) == 0 && st.st_uid == cred->uid;
}

bool unix_users_may_call(const struct unix_users *users, int fd, struct ucred *cred)
{
    struct sockaddr_un own = {0};
    socklen_t len = sizeof(own) - 1; /* terminated */
    struct stat st;

    unix_peer(fd, cred);
    if (has(users, cred->uid) || users->named)
        return has(users, cred->uid);
    return getsockname(fd, (struct sockaddr *)&own, &len) == 0 && has_name(len) &&
           stat(own.sun_path, &st) == 0 && S_ISSOCK(st.st_mode) && (st.st_mode & S_IWGRP) &&
           st.st_gid == cred->gid;
}
