/* Which sockets tell of the process that connected, and which users are expected. */
#include "unit/unit.h"
#include "users/unix_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    struct sockaddr_un address;
    int listener, client, server;
};

static void begin(struct world *w, int kind)
{
    *w = (struct world){.address = {.sun_family = AF_UNIX}};
    (void)snprintf(w->address.sun_path, sizeof(w->address.sun_path), "/tmp/unix_peer.%d.sock",
                   (int)getpid());
    (void)unlink(w->address.sun_path);
    w->listener = socket(AF_UNIX, kind, 0);
    CU_ASSERT_EQUAL_FATAL(bind(w->listener, (struct sockaddr *)&w->address, sizeof(w->address)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(w->listener, 8), 0);
    w->client = socket(AF_UNIX, kind, 0);
}

static void join(struct world *w)
{
    CU_ASSERT_EQUAL_FATAL(connect(w->client, (struct sockaddr *)&w->address, sizeof(w->address)),
                          0);
    w->server = accept(w->listener, NULL, NULL);
    CU_ASSERT_FATAL(w->server >= 0);
}

static void finish(struct world *w)
{
    (void)close(w->listener);
    (void)close(w->client);
    (void)close(w->server);
    (void)unlink(w->address.sun_path);
}

static void accepted(void)
{
    struct world w;
    struct ucred cred;

    begin(&w, SOCK_STREAM);
    join(&w);
    CU_ASSERT(unix_peer_is_accepted(w.server));
    unix_peer(w.server, &cred);
    CU_ASSERT_EQUAL(cred.uid, geteuid());
    CU_ASSERT_EQUAL(cred.pid, getpid());
    /* Half of it may be closed: the answer is still read. */
    CU_ASSERT_EQUAL(shutdown(w.client, SHUT_WR), 0);
    CU_ASSERT(unix_peer_is_accepted(w.server));
    CU_ASSERT_EQUAL(shutdown(w.client, SHUT_RDWR), 0);
    CU_ASSERT_FALSE(unix_peer_is_accepted(w.server));
    finish(&w);
}

static void left(void)
{
    struct world w;

    begin(&w, SOCK_STREAM);
    join(&w);
    (void)close(w.client);
    CU_ASSERT_FALSE(unix_peer_is_accepted(w.server));
    w.client = -1;
    finish(&w);
}

/* Its credentials are those of whoever listens: a proxy could dial root's service and pass that. */
static void made_by_its_holder(void)
{
    struct world w;

    begin(&w, SOCK_STREAM);
    join(&w);
    CU_ASSERT_FALSE(unix_peer_is_accepted(w.client));
    CU_ASSERT_FALSE(unix_peer_is_accepted(w.listener));
    finish(&w);
}

/* Nor when it gives itself a name first. */
static void made_and_named(void)
{
    struct world w;
    struct sockaddr_un own = {.sun_family = AF_UNIX};

    begin(&w, SOCK_STREAM);
    CU_ASSERT_EQUAL(bind(w.client, (struct sockaddr *)&own, sizeof(sa_family_t)), 0);
    join(&w);
    CU_ASSERT_FALSE(unix_peer_is_accepted(w.client));
    CU_ASSERT_FALSE(unix_peer_is_accepted(w.server)); /* its peer has a name now */
    finish(&w);
}

static void other_kinds(void)
{
    struct world w;
    int pair[2], pipes[2], tcp = socket(AF_INET, SOCK_STREAM, 0), file = open("/dev/null", O_RDWR);

    CU_ASSERT_EQUAL(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CU_ASSERT_EQUAL(pipe(pipes), 0);
    CU_ASSERT_FALSE(unix_peer_is_accepted(pair[0]));
    CU_ASSERT_FALSE(unix_peer_is_accepted(pipes[0]));
    CU_ASSERT_FALSE(unix_peer_is_accepted(tcp));
    CU_ASSERT_FALSE(unix_peer_is_accepted(file));
    CU_ASSERT_FALSE(unix_peer_is_accepted(-1));
    (void)close(pair[0]);
    (void)close(pair[1]);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    (void)close(tcp);
    (void)close(file);
    begin(&w, SOCK_SEQPACKET);
    join(&w);
    CU_ASSERT_FALSE(unix_peer_is_accepted(w.server));
    finish(&w);
}

static void nobody_there(void)
{
    struct ucred cred;

    unix_peer(-1, &cred);
    CU_ASSERT_EQUAL(cred.uid, CLIENT_UID_UNKNOWN);
    CU_ASSERT_EQUAL(cred.pid, 0);
}

static void maps(void)
{
    struct user_map some = {.all = false, .overflow = 65534}, all = {.all = true, 65534};

    CU_ASSERT(user_map_is_whole("         0          0 4294967295\n"));
    CU_ASSERT_FALSE(user_map_is_whole("         0          0 4294967294\n"));
    CU_ASSERT_FALSE(user_map_is_whole("         0       1000          1\n"));
    CU_ASSERT_FALSE(user_map_is_whole("0 0 1\n1 1 4294967294\n"));
    CU_ASSERT_FALSE(user_map_is_whole("0 0 4294967295\n1 1 1\n"));
    CU_ASSERT_FALSE(user_map_is_whole(""));
    CU_ASSERT_EQUAL(user_map_uid(&some, 65534), CLIENT_UID_UNKNOWN);
    CU_ASSERT_EQUAL(user_map_uid(&some, 7), 7);
    CU_ASSERT_EQUAL(user_map_uid(&all, 65534), 65534);
}

/* Both ends of a socket in a folder of the test's own. */
struct ends {
    struct world w;
    char folder[32];
};

static void ends_begin(struct ends *e)
{
    begin(&e->w, SOCK_STREAM);
    (void)unlink(e->w.address.sun_path);
    (void)close(e->w.listener);
    strcpy(e->folder, "/tmp/unix_peer.XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(e->folder));
    (void)snprintf(e->w.address.sun_path, sizeof(e->w.address.sun_path), "%s/s", e->folder);
    e->w.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(
        bind(e->w.listener, (struct sockaddr *)&e->w.address, sizeof(e->w.address)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(e->w.listener, 8), 0);
    join(&e->w);
}

static void ends_finish(struct ends *e)
{
    finish(&e->w);
    CU_ASSERT_EQUAL(rmdir(e->folder), 0);
}

static bool may(const struct ends *e, const struct unix_users *users)
{
    struct ucred cred;
    bool listen = unix_users_may_listen(users, e->w.client, e->w.address.sun_path, &cred);
    bool call = unix_users_may_call(users, e->w.server, &cred);

    CU_ASSERT_EQUAL(listen, call);
    CU_ASSERT_EQUAL(cred.uid, geteuid());
    return call;
}

static void expected(void)
{
    struct unix_users users;
    struct ends e;
    char own[16];

    (void)snprintf(own, sizeof(own), "%u", (unsigned)geteuid());
    ends_begin(&e);
    CU_ASSERT_EQUAL(unix_users_set(&users, own, "x"), 0);
    CU_ASSERT(may(&e, &users));
    CU_ASSERT_EQUAL(unix_users_set(&users, "4294967294", "x"), 0);
    CU_ASSERT_FALSE(may(&e, &users));
    CU_ASSERT_EQUAL(unix_users_set(&users, "nobody", "x"), 0);
    CU_ASSERT_FALSE(may(&e, &users));
    CU_ASSERT_EQUAL(unix_users_set(&users, NULL, "daemon"), 0);
    CU_ASSERT(may(&e, &users));
    CU_ASSERT(users.n == 3 && users.uid[0] == 0 && users.uid[1] == geteuid() && users.uid[2] == 1);
    CU_ASSERT_EQUAL(unix_users_set(&users, NULL, "no-such-user"), 0);
    CU_ASSERT(may(&e, &users));
    CU_ASSERT_EQUAL(users.n, 2);
    ends_finish(&e);
}

/* Where no setting names anybody: whose the folder is, and whom the socket's mode lets in. */
static void the_file_system_says(void)
{
    struct unix_users none = {.n = 0}, named = {.n = 0, .named = true};
    struct ucred cred;
    struct ends e;

    ends_begin(&e);
    CU_ASSERT(unix_users_may_listen(&none, e.w.client, e.w.address.sun_path, &cred));
    CU_ASSERT_FALSE(unix_users_may_listen(&named, e.w.client, e.w.address.sun_path, &cred));
    CU_ASSERT_EQUAL(chmod(e.w.address.sun_path, 0660), 0);
    CU_ASSERT_EQUAL(chown(e.w.address.sun_path, (uid_t)-1, getegid()), 0);
    CU_ASSERT(unix_users_may_call(&none, e.w.server, &cred));
    CU_ASSERT_FALSE(unix_users_may_call(&named, e.w.server, &cred));
    CU_ASSERT_EQUAL(chmod(e.w.address.sun_path, 0606), 0);
    CU_ASSERT_FALSE(unix_users_may_call(&none, e.w.server, &cred));
    if (geteuid() == 0) {
        CU_ASSERT_EQUAL(chmod(e.w.address.sun_path, 0666), 0);
        CU_ASSERT_EQUAL(chown(e.w.address.sun_path, (uid_t)-1, 12345), 0);
        CU_ASSERT_FALSE(unix_users_may_call(&none, e.w.server, &cred));
        CU_ASSERT_EQUAL(chown(e.folder, 12345, (gid_t)-1), 0);
        CU_ASSERT_FALSE(unix_users_may_listen(&none, e.w.client, e.w.address.sun_path, &cred));
    }
    ends_finish(&e);
}

static void not_expected(void)
{
    static const char *const WRONG[] = {"no-such-user", "4294967295",          "12x", "",
                                        "-1",           "99999999999999999999"};
    struct unix_users users;

    for (unsigned i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        CU_ASSERT_EQUAL(unix_users_set(&users, WRONG[i], "daemon"), -ENOENT);
        CU_ASSERT_EQUAL(users.n, 0);
    }
}

static const struct unit_case CASES[] = {
    {"accepted", accepted},
    {"left", left},
    {"made by its holder", made_by_its_holder},
    {"made and named", made_and_named},
    {"other kinds", other_kinds},
    {"nobody there", nobody_there},
    {"maps", maps},
    {"expected", expected},
    {"the file system says", the_file_system_says},
    {"not expected", not_expected},
};

UNIT_MAIN("unix_peer", CASES)
