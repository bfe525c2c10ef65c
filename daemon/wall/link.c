#include "wall/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LINK_READ = 256 * 1024,                     /* bytes of one read, and of one turn */
    LINK_IN_MAX = WIRE_MESSAGE_MAX + LINK_READ, /* a message and what came with it */
    /* Unread by the peer: what the caller takes in, one message more, and an outcome of each. */
    LINK_OUT_MAX = 4 * WIRE_MESSAGE_MAX + WIRE_PENDING_MAX * WIRE_OUTCOME_MAX,
    LINK_KEEP = 2 * LINK_READ, /* block that an idle link may hold */
    LINK_AGAIN_US = 10000,     /* when the kernel holds too many descriptors for the peer */
};

/* A descriptor that leaves with the byte at `at`. */
struct passed {
    uint64_t at; /* counted from the link's first byte */
    int fd;
};

/* Room for one descriptor beside the data (cmsg(3)). */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

struct link {
    struct loop *loop;
    int fd;
    const struct link_events *events;
    void *arg;
    struct buf in, out; /* both hold signatures: secret */
    struct event *readable, *writable;
    struct loop_hook flush;
    struct loop_timer again;
    struct wire_space *space;
    uint64_t written;      /* bytes, since the start */
    struct passed *passed; /* owned; in the order of the messages, passed[first..end) */
    size_t n_passed, first, end;
    /*
     * Descriptors that came before the whole of their messages, in order; -1 where there is none. A
     * read may bring the end of one such message and the beginning of the next.
     */
    int received[2];
    bool cut; /* the last read ended behind a descriptor's message */
    bool held, dead;
    bool *freed; /* set while a handler runs, to learn that it freed the link */
};

static void link_die(struct link *link, const char *why)
{
    if (link->dead)
        return;
    link->dead = true;
    (void)event_del(link->readable);
    (void)event_del(link->writable);
    loop_timer_clear(&link->again);
    loop_cancel(link->loop, &link->flush);
    link->events->closed(link->arg, why);
}

static void drop(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* The descriptor that came with the message, in *fd, too. False when it should be there and isn't.
 */
static bool link_take_socket(struct link *link, struct wire_message *m, int *fd)
{
    struct client_identity *client = m->type == WIRE_SIGN     ? &m->sign.client
                                     : m->type == WIRE_REJECT ? &m->reject.client
                                                              : NULL;

    *fd = -1;
    if (!client || !client->has_socket)
        return true;
    *fd = client->socket = link->received[0];
    link->received[0] = link->received[1];
    link->received[1] = -1;
    return *fd >= 0;
}

/* Hands over every whole message. False when the link is gone or dead. */
static bool link_deliver(struct link *link)
{
    bool freed = false;

    while (!link->held) {
        struct wire_message m;
        const char *why = NULL;
        size_t used = 0;
        int r = codec_decode(buf_slice(&link->in), &m, link->space, &used, &why);
        int socket;

        if (r == CODEC_PARTIAL)
            break;
        if (r == CODEC_BAD || !link_take_socket(link, &m, &socket)) {
            link_die(link, r == CODEC_BAD ? why : "a message came without its descriptor");
            return false;
        }
        /* cppcheck-suppress autoVariables ; reset below, unless the link is gone */
        link->freed = &freed;
        link->events->message(link->arg, &m);
        drop(&socket);
        if (freed)
            return false;
        link->freed = NULL;
        buf_consume(&link->in, used);
        if (link->dead)
            return false;
    }
    if (buf_len(&link->in) == 0) {
        buf_reset(&link->in, LINK_KEEP);
        if (link->received[0] >= 0) {
            link_die(link, "a descriptor came without its message");
            return false;
        }
    }
    return true;
}

/*
 * Keeps the one descriptor that may come, closes any other. False when there is another, or one was
 * cut off.
 */
static bool link_receive(struct link *link, struct msghdr *message)
{
    bool good = !(message->msg_flags & MSG_CTRUNC);

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
            if (link->received[0] < 0) {
                link->received[0] = fd;
            } else if (link->received[1] < 0) {
                link->received[1] = fd;
            } else {
                (void)close(fd);
                good = false;
            }
        }
    }
    return good;
}

/* As buf_recv. A read ends behind the message of a descriptor, so there is one at most. */
static ssize_t link_read(struct link *link)
{
    union control control;
    struct iovec data;
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    size_t room = link->in.max - buf_len(&link->in);
    ssize_t n;
    int r;

    if (room == 0)
        return -ENOBUFS;
    room = room < LINK_READ ? room : LINK_READ;
    r = buf_reserve(&link->in, room);
    if (r < 0)
        return r;
    data = (struct iovec){buf_space(&link->in), room};
    do
        n = recvmsg(link->fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    buf_commit(&link->in, (size_t)n);
    link->cut = message.msg_controllen > 0;
    return link_receive(link, &message) ? n : -EBADF;
}

static void link_readable(evutil_socket_t fd, short what, void *arg)
{
    struct link *link = arg;
    size_t done = 0;

    (void)fd;
    (void)what;
    /* What came while the link was held goes first. */
    if (buf_len(&link->in) && (!link_deliver(link) || link->held))
        return;
    while (done < LINK_READ) {
        ssize_t n = link_read(link);

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            link_die(link, n == 0             ? "the other side closed it"
                           : n == -ECONNRESET ? "the other side went away"
                           : n == -EBADF      ? "more descriptors came than messages"
                                              : "reading failed");
            return;
        }
        done += (size_t)n;
        if (!link_deliver(link) || link->held)
            return;
        /* A short read means that nothing more is there now, unless a descriptor ended it. */
        if (n < LINK_READ && !link->cut)
            return;
    }
}

/*
 * As buf_send, up to the next message with a descriptor. A message's own goes with its first byte.
 */
static ssize_t link_write(struct link *link)
{
    struct passed *own = NULL, *next = NULL;
    union control control = {0};
    struct iovec data = {link->out.data + link->out.head, buf_len(&link->out)};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
    ssize_t n;

    if (link->first < link->end)
        next = &link->passed[link->first];
    if (next && next->at == link->written) {
        own = next;
        next = link->first + 1 < link->end ? next + 1 : NULL;
        message.msg_control = control.room;
        message.msg_controllen = sizeof(control.room);
        control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &own->fd, sizeof(own->fd));
    }
    if (next)
        data.iov_len = (size_t)(next->at - link->written);
    do
        n = sendmsg(link->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EWOULDBLOCK ? -EAGAIN : -errno;
    if (own) {
        drop(&own->fd);
        link->first++;
    }
    link->written += (size_t)n;
    buf_consume(&link->out, (size_t)n);
    return n;
}

static void link_flush(void *arg)
{
    struct link *link = arg;

    while (buf_len(&link->out)) {
        ssize_t n = link_write(link);

        if (n == -EAGAIN) {
            (void)event_add(link->writable, NULL);
            return;
        }
        /* Too many descriptors are on their way to a peer that doesn't read (unix(7)). */
        if (n == -ETOOMANYREFS) {
            loop_timer_set(&link->again, LINK_AGAIN_US);
            return;
        }
        if (n < 0) {
            link_die(link, "writing failed");
            return;
        }
    }
    buf_reset(&link->out, LINK_KEEP);
    if (link->events->drained)
        link->events->drained(link->arg);
}

static void link_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    link_flush(arg);
}

int link_new(struct link **out, struct loop *loop, int fd, const struct link_events *events,
             void *arg)
{
    struct link *link = calloc(1, sizeof(*link));

    if (!link) {
        (void)close(fd);
        return -ENOMEM;
    }
    *link = (struct link){.loop = loop,
                          .fd = fd,
                          .events = events,
                          .arg = arg,
                          .in = BUF_INIT_SECRET(LINK_IN_MAX),
                          .out = BUF_INIT_SECRET(LINK_OUT_MAX)};
    link->flush = (struct loop_hook){.run = link_flush, .arg = link};
    link->received[0] = link->received[1] = -1;
    loop_timer_init(&link->again, loop, link_flush, link);
    link->space = malloc(sizeof(*link->space));
    link->readable = event_new(loop_base(loop), fd, EV_READ | EV_PERSIST, link_readable, link);
    link->writable = event_new(loop_base(loop), fd, EV_WRITE, link_writable, link);
    if (!link->space || !link->readable || !link->writable || event_add(link->readable, NULL) < 0) {
        link_free(link);
        return -ENOMEM;
    }
    *out = link;
    return 0;
}

void link_free(struct link *link)
{
    if (!link)
        return;
    if (link->freed)
        *link->freed = true;
    loop_cancel(link->loop, &link->flush);
    if (link->readable)
        event_free(link->readable);
    if (link->writable)
        event_free(link->writable);
    loop_timer_deinit(&link->again);
    (void)close(link->fd);
    drop(&link->received[0]);
    drop(&link->received[1]);
    while (link->first < link->end)
        drop(&link->passed[link->first++].fd);
    free(link->passed);
    buf_deinit(&link->in);
    buf_deinit(&link->out);
    free(link->space);
    free(link);
}

/* Room for one descriptor more. */
static int passed_reserve(struct link *link)
{
    size_t n = link->end - link->first, more = link->n_passed ? link->n_passed * 2 : 64;
    struct passed *grown;

    if (link->end < link->n_passed)
        return 0;
    if (link->first >= link->n_passed / 2 && link->n_passed) {
        memmove(link->passed, link->passed + link->first, n * sizeof(*link->passed));
        link->first = 0;
        link->end = n;
        return 0;
    }
    grown = reallocarray(link->passed, more, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    link->passed = grown;
    link->n_passed = more;
    return 0;
}

/* A message with a descriptor. */
static int link_send_passed(struct link *link, const struct wire_message *m, int socket)
{
    uint64_t at = link->written + buf_len(&link->out);
    int r = passed_reserve(link), fd;

    if (r < 0)
        return r;
    fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = codec_encode(&link->out, m);
    if (r < 0)
        (void)close(fd);
    else
        link->passed[link->end++] = (struct passed){at, fd};
    return r;
}

int link_send(struct link *link, const struct wire_message *m)
{
    const struct client_identity *client = m->type == WIRE_SIGN     ? &m->sign.client
                                           : m->type == WIRE_REJECT ? &m->reject.client
                                                                    : NULL;
    int r;

    if (link->dead)
        return -EPIPE;
    r = client && client->has_socket ? link_send_passed(link, m, client->socket)
                                     : codec_encode(&link->out, m);
    if (r == 0 && !event_pending(link->writable, EV_WRITE, NULL))
        loop_defer(link->loop, &link->flush);
    return r;
}

size_t link_unsent(const struct link *link)
{
    return buf_len(&link->out);
}

void link_hold(struct link *link, bool hold)
{
    if (link->held == hold || link->dead)
        return;
    link->held = hold;
    if (hold) {
        (void)event_del(link->readable);
        return;
    }
    (void)event_add(link->readable, NULL);
    event_active(link->readable, EV_READ, 1);
}
