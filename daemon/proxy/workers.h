/*
 * The workers beside the first: a thread each. The first gives them orders and asks how they are by
 * mail (base/mailbox); they share nothing else with it that changes but the count of connections.
 * All functions are for the first worker's thread. A NULL crew is that of a process with one
 * worker; orders and questions need a crew, all other functions take that, too.
 *
 *   crew_new  ->  crew_start  ->  crew_go  ->  ... crew_drain ...  ->  crew_end  ->  crew_free
 *   (no thread)   (threads wait)  (loops run)                          (no thread)
 */
#ifndef CENTION_PROXY_WORKERS_H
#define CENTION_PROXY_WORKERS_H

#include "proxy/report.h"

struct crew;

/* Who hears what became of an order; never from within the call. */
struct crew_owner {
    /* All have stopped listening; what they had under way then. */
    void (*drained)(void *arg, unsigned running, unsigned connections);
    /* All have ended after crew_drain. */
    void (*ended)(void *arg);
    /* After crew_reload: all have the fresh settings, or err says why nobody has. */
    void (*reloaded)(void *arg, const struct err *err);
    void *arg;
};

/*
 * Makes workers 1 to setup->conf.workers - 1; *out is NULL when there are none. `connections` is
 * limits.connections for all, shared out. -errno with err.
 */
int crew_new(struct crew **out, struct worker *first, unsigned connections,
             const struct crew_owner *owner, struct err *err) __attribute__((warn_unused_result));

/*
 * Makes the threads, which wait before their loops: so they inherit what confines the files of this
 * one, and can be confined (confine_calls) before they read an outside byte. They take no signal.
 */
int crew_start(struct crew *crew, struct err *err) __attribute__((warn_unused_result));
void crew_go(struct crew *crew);

/* Has the loops stopped and waits for their threads; also when they never ran. */
void crew_end(struct crew *crew);
void crew_free(struct crew *crew); /* after crew_end; questions are answered. NULL is fine */

/* How many workers there are, the first included. */
unsigned crew_workers(const struct crew *crew);

/*
 * Has each make its own of `fresh` (borrowed until `reloaded`) and, when all could, use it, with
 * `connections` for limits.connections; `renew`: and read the listeners' certificates again. One at
 * a time.
 */
void crew_reload(struct crew *crew, const struct setup *fresh, unsigned connections, bool renew);

void crew_drain(struct crew *crew);
void crew_hurry(struct crew *crew);

enum {
    CREW_PATIENCE_US = 1000000, /* for a worker's turn; one that takes longer hangs */
};

/*
 * Asks every worker for its report. `answered` comes when all have answered what was asked after
 * this call, or after CREW_PATIENCE_US; who hangs is not waited for again until it speaks. Embed
 * it.
 */
struct crew_question {
    void (*answered)(struct crew_question *question);
    void *arg;
    struct crew_question *next;
};
void crew_ask(struct crew *crew, struct crew_question *question);

/* The last reports of all, added to *sum. */
void crew_report(const struct crew *crew, struct report *sum);
uint64_t crew_accepts(const struct crew *crew, unsigned number);

/* The number of one that did not answer in time, or 0. */
unsigned crew_hung(const struct crew *crew);

/*
 * For the watchdog of the first: `crew` is the struct crew. False when one has left a question
 * unanswered for more than within_us / 2; asks the next one. To be called every within_us
 * (base/watchdog).
 */
bool crew_well(void *crew, uint64_t within_us);

#endif
