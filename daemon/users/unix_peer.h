/*
 * Who is at the other end of a Unix socket, as the kernel tells it (unix(7), SO_PEERCRED), and
 * which users are expected there.
 */
#ifndef CENTION_USERS_UNIX_PEER_H
#define CENTION_USERS_UNIX_PEER_H

#include "base/request.h"
#include "base/settings.h"

#include <stdbool.h>
#include <sys/socket.h>

/* Which users have a number in this user namespace (user_namespaces(7)). */
struct user_map {
    bool all;          /* every one has its own */
    uint32_t overflow; /* the number of those that have none */
};

/* From /proc, before the sandbox. Without it nothing is known, and the overflow uid is nobody. */
void user_map_read(struct user_map *map);

/* The uid, or CLIENT_UID_UNKNOWN for the number that stands for all those without one. */
uint32_t user_map_uid(const struct user_map *map, uint32_t uid);

/* True when a /proc/PID/uid_map's text says that every uid has its own number. */
bool user_map_is_whole(const char *uid_map);

/* Fills *cred with the other end's; uid CLIENT_UID_UNKNOWN, pid 0 where the kernel doesn't tell. */
void unix_peer(int fd, struct ucred *cred);

/*
 * Whether `fd` is an accepted connection of a Unix socket whose other end is still open, so that
 * unix_peer tells of the process that connected it. False for anything else that has credentials
 * too: a connection that was made by its holder (they are those of the process that listens), a
 * pair, one whose other end has a name of its own, other kinds of sockets, other descriptors.
 */
bool unix_peer_is_accepted(int fd);

enum {
    UNIX_USERS_MAX = 3,
};

/* The users that may be at the other end of a socket between the daemons. */
struct unix_users {
    uint32_t uid[UNIX_USERS_MAX];
    unsigned n;
    bool named;    /* by the settings: nobody else */
    char text[64]; /* for messages: "cention-keeper", or "uid 0" */
};

/*
 * `name` is a user of passwd(5) or a number: that user alone. NULL: root, this process's own
 * effective user, and the user `usual`, when there is one of that name. -ENOENT when there is no
 * such user, or why passwd can't be read.
 */
int unix_users_set(struct unix_users *users, const char *name, const char *usual) MUST_CHECK;

/* unix_users_set from the setting `name` of `group`, which may be missing. err filled. */
int unix_users_read(struct unix_users *users, struct settings_node group, const char *name,
                    const char *usual, struct err *err) MUST_CHECK;

/*
 * Whether this is the right one at the other end of `fd`, whose credentials are put into *cred.
 * Unless the settings name the user, the file system is asked, too: the owner of the folder may
 * listen on a socket there, and a process of the socket's group may call where its mode lets the
 * group in.
 */
bool unix_users_may_listen(const struct unix_users *users, int fd, const char *path,
                           struct ucred *cred);
bool unix_users_may_call(const struct unix_users *users, int fd, struct ucred *cred);

#endif
