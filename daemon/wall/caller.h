/*
 * The proxy's end of the wall: keeps a link to the keeper, makes a new one when it breaks, and ties
 * answers to the caller. Many tickets may be under way at once.
 */
#ifndef CENTION_WALL_CALLER_H
#define CENTION_WALL_CALLER_H

#include "base/loop.h"
#include "users/unix_peer.h"
#include "wall/wire.h"

struct caller;

/*
 * One conversation about one request: SIGN, its answer, OUTCOME, its answer; or REJECT and its
 * answer (RECORDED, or REFUSED for another reason). Embed it zeroed. While it is open the caller
 * holds on to it.
 */
struct caller_ticket {
    uint64_t id; /* 0 when closed */
    /*
     * SIGNED, REFUSED (the ticket is closed then) or RECORDED (closed as well). NULL: the link is
     * gone, and with it the ticket; whatever was not answered will never be.
     */
    void (*answer)(struct caller_ticket *ticket, const struct wire_message *m);
    void *arg;
};

/* One sink that the keeper waits for, as it last said. */
struct caller_receipt {
    char name[65];
    uint64_t records, age_us; /* as in wire_receipt */
};

/* What the keeper last said of itself. */
struct caller_state {
    bool connected;   /* and greeted */
    bool audit_ok;    /* its last word; also of one that has gone since, until the next greets */
    char reason[256]; /* why not ready, in words; "" when ready */
    uint64_t records, syncs, signatures; /* the keeper's counters */
    uint64_t waiting, quota;             /* bytes of the audit log, as in wire_state */
    struct caller_receipt receipts[WIRE_RECEIPTS_MAX];
    unsigned n_receipts;
    uint64_t connects; /* links made so far */
};

/*
 * Starts connecting to the keeper's socket and goes on for ever. A keeper that leaves a question
 * unanswered for timeout_us loses the link. A socket on which none of `keepers` (copied)
 * listens gets nothing.
 */
int caller_new(struct caller **out, struct loop *loop, const char *path,
               const struct unix_users *keepers, uint64_t timeout_us) MUST_CHECK;
void caller_free(struct caller *caller); /* open tickets hear nothing; NULL is allowed */

/* The code of what it is that keeps requests from being served, or "" (then they are). */
const char *caller_trouble(const struct caller_state *state);

const struct caller_state *caller_state(const struct caller *caller);

/*
 * Each sends one message; the answer comes later, never from within the call. caller_sign and
 * caller_reject open the ticket and fill in its id. -ENOTCONN without a link, -EMSGSIZE when
 * something is too long, -ENOBUFS when too many are under way, -EMFILE when the client's socket
 * can't be duplicated; the ticket is closed then
 * (caller_outcome leaves it as it is).
 */
int caller_sign(struct caller *caller, struct caller_ticket *ticket,
                struct sign_request *sign) MUST_CHECK;
int caller_reject(struct caller *caller, struct caller_ticket *ticket,
                  struct reject_request *reject) MUST_CHECK;
int caller_outcome(struct caller *caller, struct caller_ticket *ticket,
                   struct wire_outcome *outcome) MUST_CHECK;

/*
 * Whether more work is taken in. With less than 1 MiB unsent it is; else the keeper doesn't read
 * for now, and only outcomes are sent: caller_sign and caller_reject fail with -ENOBUFS. An outcome
 * of every open ticket always finds room: with more than 16 MiB unsent it tells of the answer no
 * more than length and hash. Without a link there is room, so that requests are
 * refused at once. `room` is called when there is some again.
 */
bool caller_has_room(const struct caller *caller);
void caller_on_room(struct caller *caller, void (*room)(void *arg), void *arg);

/* Closes an open ticket whose owner goes; a closed one is left alone. */
void caller_forget(struct caller *caller, struct caller_ticket *ticket);

#endif
