#include "wall/link.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LINK_READ = 256 * 1024,                     /* bytes of one read, and of one turn */
    LINK_IN_MAX = WIRE_MESSAGE_MAX + LINK_READ, /* a message and what came with it */
    /* Unread by the peer: what the caller takes in, one message more, and an outcome of each. */
    LINK_OUT_MAX = 4 * WIRE_MESSAGE_MAX + WIRE_PENDING_MAX * WIRE_OUTCOME_MAX,
    LINK_KEEP = 2 * LINK_READ, /* block that an idle link may hold */
};

struct link {
    struct loop *loop;
    int fd;
    const struct link_events *events;
    void *arg;
    struct buf in, out; /* both hold signatures: secret */
    struct event *readable, *writable;
    struct loop_hook flush;
    struct wire_space *space;
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
    loop_cancel(link->loop, &link->flush);
    link->events->closed(link->arg, why);
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

        if (r == CODEC_PARTIAL)
            break;
        if (r == CODEC_BAD) {
            link_die(link, why);
            return false;
        }
        link->freed = &freed;
        link->events->message(link->arg, &m);
        if (freed)
            return false;
        link->freed = NULL;
        buf_consume(&link->in, used);
        if (link->dead)
            return false;
    }
    if (buf_len(&link->in) == 0)
        buf_reset(&link->in, LINK_KEEP);
    return true;
}

static void link_readable(evutil_socket_t fd, short what, void *arg)
{
    struct link *link = arg;
    size_t done = 0;

    (void)what;
    /* What came while the link was held goes first. */
    if (buf_len(&link->in) && (!link_deliver(link) || link->held))
        return;
    while (done < LINK_READ) {
        ssize_t n = buf_recv(&link->in, fd, LINK_READ);

        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            link_die(link, n == 0             ? "the other side closed it"
                           : n == -ECONNRESET ? "the other side went away"
                                              : "reading failed");
            return;
        }
        done += (size_t)n;
        if (!link_deliver(link) || link->held)
            return;
        /* A short read means that nothing more is there now. */
        if (n < LINK_READ)
            return;
    }
}

static void link_flush(void *arg)
{
    struct link *link = arg;

    while (buf_len(&link->out)) {
        ssize_t n = buf_send(&link->out, link->fd);

        if (n == -EAGAIN) {
            (void)event_add(link->writable, NULL);
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
    (void)close(link->fd);
    buf_deinit(&link->in);
    buf_deinit(&link->out);
    free(link->space);
    free(link);
}

int link_send(struct link *link, const struct wire_message *m)
{
    int r;

    if (link->dead)
        return -EPIPE;
    r = codec_encode(&link->out, m);
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
