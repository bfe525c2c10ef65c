/*
 * The lock is held for a few assignments. The eventfd is written when the list was empty: once for
 * all that comes before the receiver looks.
 */
#include "base/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    int fd;
    struct event event;
    pthread_mutex_t lock;
    struct mail *first, **end; /* under the lock */
};

static void mailbox_readable(evutil_socket_t fd, short what, void *arg)
{
    struct mailbox *box = arg;
    struct mail *mail, *next;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof(count)) < 0)
        return; /* somebody looked before */
    (void)pthread_mutex_lock(&box->lock);
    mail = box->first;
    box->first = NULL;
    box->end = &box->first;
    (void)pthread_mutex_unlock(&box->lock);
    for (; mail; mail = next) {
        next = mail->next;
        mail->deliver(mail);
    }
}

int mailbox_new(struct mailbox **out, struct loop *loop)
{
    struct mailbox *box = calloc(1, sizeof(*box));
    int r;

    if (!box)
        return -ENOMEM;
    box->end = &box->first;
    box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (box->fd < 0) {
        r = -errno;
        free(box);
        return r;
    }
    (void)pthread_mutex_init(&box->lock, NULL);
    (void)event_assign(&box->event, loop_base(loop), box->fd, EV_READ | EV_PERSIST,
                       mailbox_readable, box);
    if (event_add(&box->event, NULL) < 0) {
        mailbox_free(box);
        return -ENOMEM;
    }
    *out = box;
    return 0;
}

void mailbox_free(struct mailbox *box)
{
    if (!box)
        return;
    (void)event_del(&box->event);
    (void)close(box->fd);
    (void)pthread_mutex_destroy(&box->lock);
    free(box);
}

void mailbox_post(struct mailbox *box, struct mail *mail)
{
    static const uint64_t ONE = 1;
    bool empty;

    mail->next = NULL;
    (void)pthread_mutex_lock(&box->lock);
    empty = !box->first;
    *box->end = mail;
    box->end = &mail->next;
    (void)pthread_mutex_unlock(&box->lock);
    /* The only failure is a full counter, and then it is readable already. */
    if (empty && write(box->fd, &ONE, sizeof(ONE)) < 0)
        return;
}
