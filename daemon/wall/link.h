/*
 * One connection across the wall, the same for both sides: whole messages in, whole messages out.
 * What is sent during a turn of the loop leaves in one write at its end, or in one for each
 * descriptor. A message that doesn't decode or lacks its descriptor, a descriptor without a
 * message, or a peer that doesn't read, ends the link and nothing else.
 */
#ifndef CENTION_WALL_LINK_H
#define CENTION_WALL_LINK_H

#include "base/loop.h"
#include "wall/codec.h"

struct link;

struct link_events {
    /*
     * Slices and the client's socket are valid during the call. The handler may send, hold and free
     * the link.
     */
    void (*message)(void *arg, const struct wire_message *m);
    /* The link is dead (why: a static sentence); free it, here or later. Comes at most once. */
    void (*closed)(void *arg, const char *why);
    /* All that was queued is written. May be NULL. */
    void (*drained)(void *arg);
};

/* Takes over a connected, non-blocking stream socket (closed on failure too). -ENOMEM. */
int link_new(struct link **out, struct loop *loop, int fd, const struct link_events *events,
             void *arg) MUST_CHECK;

/* Closes and wipes; no event comes from it. NULL is allowed. */
void link_free(struct link *link);

/*
 * Queues a message; it is written at the end of the turn, together with its fellows. A client's
 * socket is duplicated. -EMSGSIZE when it is longer than its limits; -ENOBUFS when the peer leaves
 * too much unread (the caller ends the link then); -EMFILE without a descriptor to spare; -ENOMEM;
 * -EPIPE on a dead link. Nothing is queued then.
 */
int link_send(struct link *link, const struct wire_message *m) MUST_CHECK;

/* Bytes that are queued and not written yet. */
size_t link_unsent(const struct link *link);

/* Stops or resumes reading. */
void link_hold(struct link *link, bool hold);

#endif
