/*
 * Messages between threads that each have an event loop: the sender hands over a piece of mail, and
 * the receiver's loop delivers it in the receiver's thread. Nothing is copied or allocated, so
 * posting can't fail. Not for the path of a request.
 */
#ifndef CENTION_BASE_MAILBOX_H
#define CENTION_BASE_MAILBOX_H

#include "base/loop.h"

struct mailbox;

/*
 * Embed it. It is the sender's until it is posted, the receiver's from then on: who delivers may
 * change it, post it back, or post it again.
 */
struct mail {
    void (*deliver)(struct mail *mail);
    void *arg;
    struct mail *next;
};

/* For the thread that runs the loop; made before it runs. -errno. */
int mailbox_new(struct mailbox **out, struct loop *loop) MUST_CHECK;

/* When nobody can post any more; what was not delivered never is. NULL is allowed. */
void mailbox_free(struct mailbox *box);

/*
 * From any thread, its own too: delivered by the loop, never from within the call, in the order of
 * posting. What the sender wrote before, the receiver sees.
 */
void mailbox_post(struct mailbox *box, struct mail *mail);

#endif
