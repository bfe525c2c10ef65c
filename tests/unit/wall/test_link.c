#include "unit/unit.h"
#include "wall/link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
    struct loop *loop;
    struct link *link;
    int peer;
    unsigned messages, closes;
    uint64_t last;
    const char *why;
    bool free_in_message, hold_in_message;
    ino_t sockets[64]; /* what came with each message; 0: nothing */
    unsigned n_sockets;
};

static void on_message(void *arg, const struct wire_message *m)
{
    struct world *w = arg;

    w->messages++;
    w->last = m->id; /* all have it first */
    if (m->type == WIRE_SIGN && w->n_sockets < 64) {
        struct stat st = {0};

        if (m->sign.client.has_socket)
            CU_ASSERT_EQUAL(fstat(m->sign.client.socket, &st), 0);
        w->sockets[w->n_sockets++] = st.st_ino;
    }
    if (w->hold_in_message)
        link_hold(w->link, true);
    if (w->free_in_message) {
        link_free(w->link);
        w->link = NULL;
    }
}

static void on_closed(void *arg, const char *why)
{
    struct world *w = arg;

    w->closes++;
    w->why = why;
    link_free(w->link);
    w->link = NULL;
}

static const struct link_events EVENTS = {on_message, on_closed, NULL};

static void begin(struct world *w)
{
    int fds[2];

    (void)signal(SIGPIPE, SIG_IGN);
    CU_ASSERT_EQUAL_FATAL(loop_new(&w->loop), 0);
    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    w->peer = fds[1];
    CU_ASSERT_EQUAL_FATAL(link_new(&w->link, w->loop, fds[0], &EVENTS, w), 0);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void run(struct world *w)
{
    struct loop_timer t;

    loop_timer_init(&t, w->loop, stop, w->loop);
    loop_timer_set(&t, 2000);
    CU_ASSERT_EQUAL(loop_run(w->loop), 0);
    loop_timer_deinit(&t);
}

static void finish(struct world *w)
{
    link_free(w->link);
    if (w->peer >= 0)
        (void)close(w->peer);
    loop_free(w->loop);
}

static struct buf pings(unsigned n)
{
    struct buf b = BUF_INIT(1 << 20);

    for (unsigned i = 1; i <= n; i++) {
        struct wire_message m = {.type = WIRE_PING, .id = i};

        CU_ASSERT_EQUAL_FATAL(codec_encode(&b, &m), 0);
    }
    return b;
}

static void a_turn_s_messages_leave_in_one_write(void)
{
    struct world w = {0};
    char got[4096];
    int before = 0;

    begin(&w);
    for (unsigned i = 1; i <= 100; i++) {
        struct wire_message m = {.type = WIRE_PING, .id = i};

        CU_ASSERT_EQUAL(link_send(w.link, &m), 0);
    }
    before = (int)recv(w.peer, got, sizeof(got), 0);
    CU_ASSERT_EQUAL(before, -1); /* nothing leaves before the turn's end */
    run(&w);
    CU_ASSERT_EQUAL(recv(w.peer, got, sizeof(got), 0), 100 * 16);
    finish(&w);
}

static void bytes_that_come_one_by_one(void)
{
    struct world w = {0};
    struct buf b = pings(2);

    begin(&w);
    while (buf_len(&b)) {
        CU_ASSERT_EQUAL(write(w.peer, buf_slice(&b).data, 1), 1);
        buf_consume(&b, 1);
        run(&w);
        CU_ASSERT_EQUAL(w.messages, buf_len(&b) == 0 ? 2u : buf_len(&b) <= 16 ? 1u : 0u);
    }
    buf_deinit(&b);
    finish(&w);
}

static void many_at_once(void)
{
    struct world w = {0};
    struct buf b = pings(1000);

    begin(&w);
    CU_ASSERT_EQUAL(buf_send(&b, w.peer), 16000);
    run(&w);
    CU_ASSERT_EQUAL(w.messages, 1000);
    CU_ASSERT_EQUAL(w.last, 1000);
    buf_deinit(&b);
    finish(&w);
}

static void held_and_resumed(void)
{
    struct world w = {.hold_in_message = true};
    struct buf b = pings(3);

    begin(&w);
    CU_ASSERT_EQUAL(buf_send(&b, w.peer), 48);
    for (unsigned i = 1; i <= 3; i++) {
        run(&w);
        CU_ASSERT_EQUAL(w.messages, i);
        link_hold(w.link, false);
    }
    buf_deinit(&b);
    finish(&w);
}

static void freed_within_a_message(void)
{
    struct world w = {.free_in_message = true};
    struct buf b = pings(3);

    begin(&w);
    CU_ASSERT_EQUAL(buf_send(&b, w.peer), 48);
    run(&w);
    CU_ASSERT_EQUAL(w.messages, 1);
    CU_ASSERT_EQUAL(w.closes, 0);
    buf_deinit(&b);
    finish(&w);
}

static void a_bad_message_ends_the_link(void)
{
    struct world w = {0};
    struct buf b = pings(1);

    begin(&w);
    CU_ASSERT_EQUAL(buf_append(&b, "\0\0\0\0\x63\0\0\0", 8), 0);
    CU_ASSERT_EQUAL(buf_send(&b, w.peer), 24);
    run(&w);
    CU_ASSERT_EQUAL(w.messages, 1);
    CU_ASSERT_EQUAL(w.closes, 1);
    buf_deinit(&b);
    finish(&w);
}

static void the_other_side_goes(void)
{
    struct world w = {0};

    begin(&w);
    (void)close(w.peer);
    w.peer = -1;
    run(&w);
    CU_ASSERT_EQUAL(w.closes, 1);
    finish(&w);
}

static void a_peer_that_does_not_read(void)
{
    static char much[REQUEST_BODY_MAX];
    struct request_field field = {SLICE_LIT("a"), {much, sizeof(much)}, REQUEST_STRING};
    struct wire_message m = {.type = WIRE_SIGN,
                             .sign = {.id = 1,
                                      .request_id = SLICE_LIT("r"),
                                      .method = SLICE_LIT("PUT"),
                                      .n_fields = 1,
                                      .fields = &field}};
    struct world w = {0};
    int r = 0;

    begin(&w);
    for (unsigned i = 0; i < 30 && r == 0; i++) {
        r = link_send(w.link, &m);
        run(&w);
    }
    CU_ASSERT_EQUAL(r, -ENOBUFS);
    CU_ASSERT(link_unsent(w.link) > 4 * WIRE_MESSAGE_MAX);
    finish(&w);
}

/* ---- descriptors beside the messages ---- */

static ino_t inode(int fd)
{
    struct stat st = {0};

    CU_ASSERT_EQUAL(fstat(fd, &st), 0);
    return st.st_ino;
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static struct wire_message sign_with(uint64_t id, int socket)
{
    return (struct wire_message){.type = WIRE_SIGN,
                                 .sign = {.id = id,
                                          .request_id = SLICE_LIT("r"),
                                          .client = {.has_socket = socket >= 0, .socket = socket},
                                          .method = SLICE_LIT("PUT")}};
}

/* Writes bytes, and descriptors with the first of them. */
static void write_with(int fd, const char *data, size_t n, const int *passed, unsigned n_passed)
{
    char control[256] = {0};
    struct iovec v = {(void *)(uintptr_t)data, n};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    struct cmsghdr *c = (struct cmsghdr *)(void *)control;

    if (n_passed) {
        m.msg_control = control;
        m.msg_controllen = CMSG_SPACE(n_passed * sizeof(int));
        *c = (struct cmsghdr){CMSG_LEN(n_passed * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(c), passed, n_passed * sizeof(int));
    }
    CU_ASSERT_EQUAL(sendmsg(fd, &m, MSG_NOSIGNAL), (ssize_t)n);
}

/* From one link to another: each message has its own, whatever is between them. */
static void each_message_has_its_own(void)
{
    struct world to = {0}, from = {0};
    int pipes[30][2], odd;
    unsigned before = open_descriptors();

    begin(&to);
    from.loop = to.loop;
    from.peer = -1;
    CU_ASSERT_EQUAL_FATAL(link_new(&from.link, to.loop, to.peer, &EVENTS, &from), 0);
    to.peer = -1;
    for (unsigned i = 0; i < 30; i++)
        CU_ASSERT_EQUAL_FATAL(pipe(pipes[i]), 0);
    odd = pipes[0][1];
    for (unsigned round = 0; round < 2; round++) {
        to.n_sockets = to.messages = 0;
        for (unsigned i = 0; i < 30; i++) {
            struct wire_message m = sign_with(i, i % 3 == 2 ? -1 : pipes[i][0]);
            struct wire_message ping = {.type = WIRE_PING, .id = 1000 + i};

            CU_ASSERT_EQUAL(link_send(from.link, &m), 0);
            if (i % 4 == 0)
                CU_ASSERT_EQUAL(link_send(from.link, &ping), 0);
        }
        for (unsigned i = 0; i < 100 && to.messages < 38; i++)
            run(&to);
        CU_ASSERT_EQUAL(to.messages, 38);
        CU_ASSERT_EQUAL_FATAL(to.n_sockets, 30);
        for (unsigned i = 0; i < 30; i++)
            CU_ASSERT_EQUAL(to.sockets[i], i % 3 == 2 ? 0 : inode(pipes[i][0]));
    }
    /* What isn't written when the link ends is closed too. */
    for (unsigned i = 0; i < 30; i++) {
        struct wire_message m = sign_with(i, odd);

        CU_ASSERT_EQUAL(link_send(from.link, &m), 0);
    }
    for (unsigned i = 0; i < 30; i++) {
        (void)close(pipes[i][0]);
        (void)close(pipes[i][1]);
    }
    link_free(from.link);
    finish(&to);
    CU_ASSERT_EQUAL(open_descriptors(), before);
}

/* A message longer than what the peer takes at once, behind others. */
static void written_in_pieces(void)
{
    static char much[REQUEST_BODY_MAX];
    struct request_field field = {SLICE_LIT("a"), {much, sizeof(much)}, REQUEST_STRING};
    struct world to = {0}, from = {0};
    int pipes[2][2];

    begin(&to);
    CU_ASSERT_EQUAL_FATAL(link_new(&from.link, to.loop, to.peer, &EVENTS, &from), 0);
    to.peer = -1;
    for (unsigned i = 0; i < 2; i++) {
        struct wire_message m;

        CU_ASSERT_EQUAL(pipe(pipes[i]), 0);
        m = sign_with(i, pipes[i][0]);
        m.sign.n_fields = 1;
        m.sign.fields = &field;
        CU_ASSERT_EQUAL(link_send(from.link, &m), 0);
    }
    for (unsigned i = 0; i < 500 && to.messages < 2; i++)
        run(&to);
    CU_ASSERT_EQUAL(to.messages, 2);
    CU_ASSERT_EQUAL(to.sockets[0], inode(pipes[0][0]));
    CU_ASSERT_EQUAL(to.sockets[1], inode(pipes[1][0]));
    for (unsigned i = 0; i < 4; i++)
        (void)close(pipes[i / 2][i % 2]);
    link_free(from.link);
    finish(&to);
}

static void without_a_descriptor_to_spare(void)
{
    struct world w = {0};
    struct wire_message m = sign_with(1, 0), plain = sign_with(2, -1);
    struct rlimit limit, none;

    begin(&w);
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){3, limit.rlim_max};
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
    CU_ASSERT_EQUAL(link_send(w.link, &m), -EMFILE);
    CU_ASSERT_EQUAL(link_unsent(w.link), 0);
    CU_ASSERT_EQUAL(link_send(w.link, &plain), 0);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
    finish(&w);
}

/* What no link of ours sends: each ends the link, and nothing is left open. */
static void descriptors_out_of_place(void)
{
    static const struct {
        const char *says;
        unsigned passed;   /* with the first byte */
        bool flagged;      /* the message says that one comes */
        unsigned again;    /* with each of so many bytes behind it, another */
        unsigned messages; /* that come through before the end */
    } CASES[] = {
        {"a message came without its descriptor", 0, true, 0, 0},
        {"a descriptor came without its message", 1, false, 0, 1},
        {"more descriptors came than messages", 2, true, 0, 0},
        {"more descriptors came than messages", 9, true, 0, 0},
        {"more descriptors came than messages", 1, true, 2, 0},
        {"a descriptor came without its message", 1, true, 1, 1},
    };
    unsigned before = open_descriptors();

    for (unsigned i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct world w = {0};
        struct wire_message m = sign_with(7, CASES[i].flagged ? 0 : -1);
        struct buf b = BUF_INIT(65536);
        int fds[9] = {0};

        begin(&w);
        CU_ASSERT_EQUAL_FATAL(codec_encode(&b, &m), 0);
        write_with(w.peer, b.data, 1, fds, CASES[i].passed);
        buf_consume(&b, 1);
        for (unsigned k = 0; k < CASES[i].again; k++) {
            write_with(w.peer, buf_slice(&b).data, 1, fds, 1);
            buf_consume(&b, 1);
        }
        write_with(w.peer, buf_slice(&b).data, buf_len(&b), NULL, 0);
        run(&w);
        CU_ASSERT_EQUAL(w.messages, CASES[i].messages);
        CU_ASSERT_EQUAL_FATAL(w.closes, 1);
        CU_ASSERT_STRING_EQUAL(w.why, CASES[i].says);
        buf_deinit(&b);
        finish(&w);
    }
    CU_ASSERT_EQUAL(open_descriptors(), before);
}

static const struct unit_case CASES[] = {
    {"each message has its own", each_message_has_its_own},
    {"written in pieces", written_in_pieces},
    {"without a descriptor to spare", without_a_descriptor_to_spare},
    {"descriptors out of place", descriptors_out_of_place},
    {"a turn's messages leave in one write", a_turn_s_messages_leave_in_one_write},
    {"bytes that come one by one", bytes_that_come_one_by_one},
    {"many at once", many_at_once},
    {"held and resumed", held_and_resumed},
    {"freed within a message", freed_within_a_message},
    {"a bad message ends the link", a_bad_message_ends_the_link},
    {"the other side goes", the_other_side_goes},
    {"a peer that does not read", a_peer_that_does_not_read},
};
UNIT_MAIN("link", CASES)
