/*
 * One worker: an event loop with its own listeners, clients, requests, link to the keeper and
 * upstream. Nothing that a request needs is shared with another worker, so nothing is locked. All
 * functions are for the worker's own thread, or before it runs and after it has ended.
 */
#ifndef CENTION_PROXY_WORKER_H
#define CENTION_PROXY_WORKER_H

#include "proxy/exchange.h"
#include "proxy/front/clients.h"

struct worker {
    unsigned number; /* 0: the first, in the process's first thread */
    struct loop *loop;
    struct proxy proxy;
    struct clients *api;
    struct peers *peers;
    struct uploads *uploads;
    struct turns *turns; /* whole requests, while the keeper doesn't read */
    bool inherited;      /* the listeners came from a service manager: they have no TLS */
    struct loop_timer drain, sweep;
    struct loop_hook look; /* whether it is done, at the turn's end */
    bool done;
    void (*ended)(void *arg); /* once: after worker_drain, when all that it had to do is done */
    void *arg;
};

/*
 * Everything but listeners. Takes over the setup, on failure too: worker_close follows in either
 * case. *w is zeroed but for number, loop, ended and arg. -errno with err filled.
 */
int worker_open(struct worker *w, struct setup *setup, struct err *err) MUST_CHECK;

/* How many clients worker `number` may have when all together may have `all`: one at least. */
unsigned worker_part(unsigned all, unsigned number, unsigned workers);

/* New settings for requests and connections from now on; takes over the setup. */
void worker_use(struct worker *w, struct setup *fresh);

/* Reads the certificates of the listeners again: they are replaced before they expire. */
void worker_renew(struct worker *w);

/* Stops listening and finishes what was begun, for limits.drain_timeout; worker_hurry: no longer.
 */
void worker_drain(struct worker *w);
void worker_hurry(struct worker *w);

/* Ends what is left. The loop stays the caller's. */
void worker_close(struct worker *w);

enum {
    WORKER_SWEEP_US = 1000000,        /* between two looks for requests that go on for too long */
    WORKER_LAST_WORDS_US = 2000000,   /* for outcomes that wait for the keeper at the very end */
    WORKER_WAITING = 8 * 1024 * 1024, /* bytes of a user's requests that wait for the keeper */
    /* Of a worker beside its connections: 64, and 128 past its part. */
    WORKER_DESCRIPTORS = 192,
};

#endif
