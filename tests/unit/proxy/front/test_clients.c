/* Listeners and the set of their clients, with real sockets. */
#include "proxy/front/clients.h"
#include "unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct clients *clients;
    char folder[64], path[96];
    unsigned requests, refusals, empties;
    char peer[160];
    uint32_t uid;
    struct client *held; /* its request is answered later */
    bool hold;
    unsigned wanted_status; /* of refusals; 0: 503 */
};

static bool on_check(void *arg, const struct http_head *head, struct refusal *why)
{
    (void)arg;
    (void)head;
    (void)why;
    return true;
}

static void on_request(void *arg, struct client *c, const struct http_head *head, struct slice body)
{
    struct world *w = arg;

    (void)head;
    (void)body;
    w->requests++;
    w->uid = client_peer(c)->uid;
    (void)snprintf(w->peer, sizeof(w->peer), "%s %s", client_peer(c)->via, client_peer(c)->address);
    if (w->hold) {
        w->held = c;
        return;
    }
    CU_ASSERT_EQUAL(buf_append(client_out(c), "ok", 2), 0);
    client_answered(c, true);
}

static void on_refused(void *arg, struct client *c, const struct http_head *head,
                       const struct refusal *why)
{
    unsigned wanted = ((struct world *)arg)->wanted_status;

    (void)head;
    ((struct world *)arg)->refusals++;
    CU_ASSERT_EQUAL(why->status, wanted ? wanted : 503);
    CU_ASSERT_EQUAL(buf_append(client_out(c), "no", 2), 0);
    client_answered(c, false);
}

static void nothing(void *exchange)
{
    (void)exchange;
}

static const struct client_handler HANDLER = {on_check, on_request, on_refused, nothing, nothing};

static void on_empty(void *arg)
{
    ((struct world *)arg)->empties++;
}

static void begin(struct world *w, unsigned max)
{
    struct client_limits limits = {512, 1000, 1000000, 1000000, 1000000, 1000000};
    struct origin_hosts hosts = {0};

    (void)signal(SIGPIPE, SIG_IGN);
    *w = (struct world){0};
    (void)snprintf(w->folder, sizeof(w->folder), "/tmp/test_clients_XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(w->folder));
    (void)snprintf(w->path, sizeof(w->path), "%s/s", w->folder);
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    CU_ASSERT_EQUAL_FATAL(clients_new(&w->clients, w->loop, &limits, max, &HANDLER, w), 0);
    CU_ASSERT_EQUAL_FATAL(origin_hosts_add(&hosts, "h"), 0);
    clients_hosts(w->clients, &hosts);
}

static void finish(struct world *w)
{
    clients_free(w->clients);
    loop_free(w->loop);
    (void)unlink(w->path);
    CU_ASSERT_EQUAL(rmdir(w->folder), 0);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

/* Until nothing has happened for 3 ms, however slow the machine is. */
static void run(struct world *w)
{
    struct loop_timer t;
    uint64_t before, now = 0;

    loop_timer_init(&t, w->loop, stop, w->loop);
    do {
        before = now;
        loop_timer_set(&t, 3000);
        CU_ASSERT_EQUAL(loop_run(w->loop), 0);
        now = 1 + w->requests + w->refusals + clients_displaced(w->clients) * 1000 +
              clients_count(w->clients) * 1000000ull;
    } while (now != before);
    loop_timer_deinit(&t);
}

static int listen_unix(struct world *w, struct err *err)
{
    struct listener_conf conf = {.name = "api", .path = w->path, .mode = 0640};

    return clients_listen(w->clients, &conf, err);
}

static int dial(struct world *w)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    strcpy(a.sun_path, w->path);
    CU_ASSERT_EQUAL(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

static void ask(struct world *w, int fd, const char *wanted)
{
    char got[64] = "";

    CU_ASSERT(write(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27) > 0);
    run(w);
    if (!wanted)
        return;
    CU_ASSERT(recv(fd, got, sizeof(got) - 1, 0) >= 0);
    CU_ASSERT_STRING_EQUAL(got, wanted);
}

static void a_unix_socket(void)
{
    struct err err = ERR_INIT;
    struct stat st;
    struct world w;
    int fd;

    begin(&w, 10);
    CU_ASSERT_EQUAL_FATAL(listen_unix(&w, &err), 0);
    CU_ASSERT_EQUAL(stat(w.path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0640);
    fd = dial(&w);
    ask(&w, fd, "ok");
    CU_ASSERT_EQUAL(w.uid, getuid());
    CU_ASSERT_EQUAL(strncmp(w.peer, "unix unix:/tmp/", 15), 0);
    CU_ASSERT_EQUAL(clients_count(w.clients), 1);
    (void)close(fd);
    run(&w);
    CU_ASSERT_EQUAL(clients_count(w.clients), 0);
    finish(&w); /* rmdir in it proves that the file is gone */
}

static void whose_file_it_is(void)
{
    struct err err = ERR_INIT;
    struct world w, other;
    int fd;

    begin(&w, 10);
    CU_ASSERT_EQUAL_FATAL(listen_unix(&w, &err), 0);
    begin(&other, 10);
    (void)rmdir(other.folder);
    strcpy(other.path, w.path);
    CU_ASSERT_EQUAL(listen_unix(&other, &err), -EADDRINUSE); /* somebody answers there */
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, w.path));
    clients_free(other.clients);
    loop_free(other.loop);
    finish(&w);

    begin(&w, 10);
    fd = open(w.path, O_CREAT | O_WRONLY, 0600);
    (void)close(fd);
    CU_ASSERT_EQUAL(listen_unix(&w, &err), -EEXIST); /* no socket at all */
    (void)unlink(w.path);
    finish(&w);
}

static void a_stale_socket_is_replaced(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct err err = ERR_INIT;
    struct world w;
    int fd;

    begin(&w, 10);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(a.sun_path, w.path);
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    CU_ASSERT_EQUAL(listen(fd, 1), 0);
    (void)close(fd);
    CU_ASSERT_EQUAL(listen_unix(&w, &err), 0);
    fd = dial(&w);
    ask(&w, fd, "ok");
    (void)close(fd);
    finish(&w);
}

static void bad_addresses(void)
{
    static const char *const T[] = {"localhost", "1.2.3", "::g", "256.0.0.1"};
    struct err err = ERR_INIT;
    struct world w;

    begin(&w, 10);
    for (size_t i = 0; i < 4; i++) {
        struct listener_conf conf = {.name = "api", .address = T[i]};

        CU_ASSERT_EQUAL(clients_listen(w.clients, &conf, &err), -EINVAL);
    }
    finish(&w);
    CU_ASSERT_TRUE(listener_is_loopback("127.9.9.9"));
    CU_ASSERT_TRUE(listener_is_loopback("::1"));
    CU_ASSERT_FALSE(listener_is_loopback("128.0.0.1"));
    CU_ASSERT_FALSE(listener_is_loopback("::"));
    CU_ASSERT_FALSE(listener_is_loopback("::ffff:127.0.0.1"));
    CU_ASSERT_FALSE(listener_is_loopback("localhost"));
}

static void one_too_many(void)
{
    struct err err = ERR_INIT;
    struct world w;
    char got[64] = "";
    int a, b;

    begin(&w, 1);
    CU_ASSERT_EQUAL_FATAL(listen_unix(&w, &err), 0);
    w.hold = true;
    a = dial(&w);
    ask(&w, a, NULL);
    b = dial(&w);
    run(&w);
    CU_ASSERT_EQUAL(w.refusals, 1);
    CU_ASSERT_EQUAL(recv(b, got, sizeof(got), 0), 2);
    CU_ASSERT_EQUAL(recv(b, got, sizeof(got), 0), 0);
    (void)close(b);
    CU_ASSERT_PTR_NOT_NULL_FATAL(w.held);
    CU_ASSERT_EQUAL(buf_append(client_out(w.held), "ok", 2), 0);
    client_answered(w.held, true);
    w.hold = false;
    run(&w);
    CU_ASSERT_EQUAL(recv(a, got, sizeof(got), 0), 2);
    CU_ASSERT_EQUAL(clients_displaced(w.clients), 0);
    (void)close(a);
    run(&w);
    a = dial(&w);
    ask(&w, a, "ok");
    (void)close(a);
    finish(&w);
}

static bool is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, 0) == 0;
}

static void run_for(struct world *w, unsigned ms)
{
    for (uint64_t end = loop_now() + ms * 1000ull; loop_now() < end;)
        run(w);
}

/* The one that let us wait longest goes, half a head or not; who was just served stays. */
static void who_makes_room(void)
{
    struct err err = ERR_INIT;
    struct world w;
    int fds[4];

    begin(&w, 3);
    CU_ASSERT_EQUAL_FATAL(listen_unix(&w, &err), 0);
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = dial(&w);
        run(&w);
    }
    CU_ASSERT_EQUAL(write(fds[1], "GET", 3), 3);
    run_for(&w, 60);
    ask(&w, fds[0], "ok");
    CU_ASSERT_EQUAL(write(fds[1], " /", 2), 2); /* no progress */
    run_for(&w, 60);
    fds[3] = dial(&w);
    run(&w);
    CU_ASSERT(is_closed(fds[1]));
    CU_ASSERT_FALSE(is_closed(fds[0]));
    CU_ASSERT_FALSE(is_closed(fds[2]));
    CU_ASSERT_EQUAL(clients_displaced(w.clients), 1);
    ask(&w, fds[3], "ok");
    (void)close(fds[1]);
    fds[1] = dial(&w);
    ask(&w, fds[1], "ok");
    CU_ASSERT(is_closed(fds[2]));
    ask(&w, fds[0], "ok");
    for (unsigned i = 0; i < 4; i++)
        (void)close(fds[i]);
    finish(&w);
}

/* 70 connections at a server for four, all within the time that others may wait; says whether. */
static bool crowd(struct world *w, int fds[70])
{
    struct err err = ERR_INIT;
    uint64_t start;

    begin(w, 4);
    CU_ASSERT_EQUAL_FATAL(listen_unix(w, &err), 0);
    start = loop_now();
    for (unsigned i = 0; i < 70; i++)
        fds[i] = dial(w);
    run(w);
    return loop_now() - start < 90000;
}

/* Nobody waited long enough: there are too many for a moment, and soon no more. */
static void patience(void)
{
    struct world w;
    int fds[70];

    for (unsigned tries = 1; !crowd(&w, fds) && tries < 50; tries++) { /* a busy machine */
        for (unsigned i = 0; i < 70; i++)
            (void)close(fds[i]);
        finish(&w);
    }
    CU_ASSERT_EQUAL(w.refusals, 0);
    CU_ASSERT_EQUAL(clients_count(w.clients), 68); /* two still stand outside */
    run_for(&w, 230);
    CU_ASSERT_EQUAL(clients_count(w.clients), 4);
    CU_ASSERT_EQUAL(clients_displaced(w.clients), 66);
    ask(&w, fds[69], "ok");
    CU_ASSERT(is_closed(fds[0]));
    CU_ASSERT_EQUAL(w.refusals, 0);
    for (unsigned i = 0; i < 70; i++)
        (void)close(fds[i]);
    finish(&w);
}

/* False when this process had to stand still for so long that its clients may count as waiting. */
static bool all_active_tried(void)
{
    struct err err = ERR_INIT;
    struct world w;
    int fds[67];
    char got[8];
    bool served = true, still = false;
    uint64_t before;

    begin(&w, 2);
    CU_ASSERT_EQUAL_FATAL(listen_unix(&w, &err), 0);
    before = loop_now();
    for (unsigned i = 0; i < 67; i++)
        fds[i] = dial(&w);
    for (uint64_t end = before + 1000000; before < end && w.refusals == 0 && served && !still;) {
        uint64_t began = loop_now();

        for (unsigned i = 0; i < 66; i++)
            served &= write(fds[i], "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 27) > 0;
        run(&w);
        for (unsigned i = 0; i < 66; i++)
            served &= recv(fds[i], got, sizeof(got), 0) == 2;
        still = loop_now() - before > 60000; /* of the 100,000 us that are patience */
        before = began;
    }
    if (!still) {
        CU_ASSERT(served);
        CU_ASSERT_EQUAL(w.refusals, 1);
        CU_ASSERT_EQUAL(clients_displaced(w.clients), 0);
        CU_ASSERT_EQUAL(recv(fds[66], got, sizeof(got), 0), 2);
        CU_ASSERT(is_closed(fds[66]));
    }
    for (unsigned i = 0; i < 67; i++)
        (void)close(fds[i]);
    finish(&w);
    return !still;
}

/* As many as can be, and none waits for long: one more is told so, not left standing outside. */
static void all_active(void)
{
    unsigned tries = 0;

    while (!all_active_tried() && ++tries < 100)
        ;
    CU_ASSERT(tries < 100);
}

static void only_named_hosts(void)
{
    struct origin_hosts other = {0};
    struct err err = ERR_INIT;
    struct world w;
    int fd;

    begin(&w, 4);
    CU_ASSERT_EQUAL_FATAL(listen_unix(&w, &err), 0);
    fd = dial(&w);
    ask(&w, fd, "ok");
    CU_ASSERT_EQUAL(origin_hosts_add(&other, "other"), 0);
    clients_hosts(w.clients, &other);
    w.wanted_status = 403;
    ask(&w, fd, "no");
    CU_ASSERT_EQUAL(w.refusals, 1);
    (void)close(fd);
    finish(&w);
}

static void draining(void)
{
    struct err err = ERR_INIT;
    struct world w;
    int fd;

    begin(&w, 10);
    CU_ASSERT_EQUAL_FATAL(listen_unix(&w, &err), 0);
    fd = dial(&w);
    ask(&w, fd, "ok");
    clients_drain(w.clients, on_empty, &w);
    CU_ASSERT_EQUAL(w.empties, 1);
    CU_ASSERT_EQUAL(clients_count(w.clients), 0);
    CU_ASSERT_EQUAL(access(w.path, F_OK), -1);
    (void)close(fd);
    finish(&w);
}

/* What is ready now, and no more. */
static void turn(struct world *w)
{
    (void)event_base_loop(loop_base(w->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void share(struct world *w, struct world *first, struct clients_shared *shared)
{
    const struct listener_conf conf[1] = {{0}};
    struct err err = ERR_INIT;

    shared->loops = 2;
    CU_ASSERT_EQUAL_FATAL(clients_share(w->clients, first->clients, conf, shared, &err), 0);
}

/* Whoever has fewer takes the next; one that has more, only when the other has no time. */
static void two_loops(void)
{
    struct clients_shared shared = {0};
    struct err err = ERR_INIT;
    struct world a, b;
    int fds[4];

    begin(&a, 10);
    begin(&b, 10);
    CU_ASSERT_EQUAL_FATAL(listen_unix(&a, &err), 0);
    share(&b, &a, &shared);
    fds[0] = dial(&a);
    turn(&a);
    CU_ASSERT_EQUAL(clients_count(a.clients), 1);
    fds[1] = dial(&a);
    turn(&a);
    CU_ASSERT_EQUAL(clients_count(a.clients), 1); /* after you */
    turn(&b);
    CU_ASSERT_EQUAL(clients_count(b.clients), 1);
    run(&a);
    CU_ASSERT_EQUAL(clients_count(a.clients), 1);
    fds[2] = dial(&a);
    turn(&a);
    CU_ASSERT_EQUAL(clients_count(a.clients), 2);
    fds[3] = dial(&a);
    turn(&a);
    CU_ASSERT_EQUAL(clients_count(a.clients), 2);
    for (unsigned i = 0; i < 100 && clients_count(a.clients) < 3; i++)
        run(&a); /* the other hangs */
    CU_ASSERT_EQUAL(clients_count(a.clients), 3);
    CU_ASSERT_EQUAL(clients_accepts(a.clients), 3);
    CU_ASSERT_EQUAL(atomic_load(&shared.count), 4);
    for (unsigned i = 0; i < 4; i++)
        (void)close(fds[i]);
    run(&a);
    run(&b);
    CU_ASSERT_EQUAL(atomic_load(&shared.count), 0);
    finish(&b);
    finish(&a);
}

/* One connection a turn, so that a crowd is taken in by all. */
static void a_crowd(void)
{
    struct clients_shared shared = {0};
    struct err err = ERR_INIT;
    struct world a, b;
    int fds[8];

    begin(&a, 10);
    begin(&b, 10);
    CU_ASSERT_EQUAL_FATAL(listen_unix(&a, &err), 0);
    share(&b, &a, &shared);
    for (unsigned i = 0; i < 8; i++)
        fds[i] = dial(&a);
    for (unsigned i = 0; i < 4; i++) {
        turn(&a);
        turn(&b);
    }
    CU_ASSERT_EQUAL(clients_count(a.clients), 4);
    CU_ASSERT_EQUAL(clients_count(b.clients), 4);
    for (unsigned i = 0; i < 8; i++)
        (void)close(fds[i]);
    finish(&b);
    finish(&a);
}

static const struct unit_case CASES[] = {
    {"a Unix socket", a_unix_socket},
    {"whose file it is", whose_file_it_is},
    {"a stale socket is replaced", a_stale_socket_is_replaced},
    {"bad addresses", bad_addresses},
    {"one too many", one_too_many},
    {"who makes room", who_makes_room},
    {"patience", patience},
    {"all active", all_active},
    {"only named hosts", only_named_hosts},
    {"draining", draining},
    {"two loops", two_loops},
    {"a crowd", a_crowd},
};
UNIT_MAIN("clients", CASES)
