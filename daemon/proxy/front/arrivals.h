/*
 * The requests whose first bytes came in one turn of the loop. Who sent them is asked of the kernel
 * for all of them at once, at the turn's end, because asking one by one costs two system calls
 * each; then each goes on.
 */
#ifndef CENTION_PROXY_FRONT_ARRIVALS_H
#define CENTION_PROXY_FRONT_ARRIVALS_H

#include "base/loop.h"
#include "proxy/front/peer.h"

struct arrivals;

/* A client's place among them; all zero when it is not there. */
struct arrival {
    struct arrival *next, *prev;
    bool asked;
    uint32_t uid; /* the answer, when it was asked */
    struct peer_question question;
    void (*go)(void *arg, uint32_t uid); /* with the peer's uid as it is now */
    void *arg;
};

/* -ENOMEM. */
int arrivals_new(struct arrivals **out, struct loop *loop) MUST_CHECK;

/* Those that are still there go nowhere. NULL is allowed. */
void arrivals_free(struct arrivals *arrivals);

/* `go` is called once at the end of this turn, unless the arrival is dropped before. */
void arrivals_add(struct arrivals *arrivals, struct arrival *arrival, struct client_peer *peer,
                  int fd);
void arrivals_drop(struct arrival *arrival);
bool arrivals_has(const struct arrival *arrival);

#endif
