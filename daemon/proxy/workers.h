/*
 * The workers beside the first: a thread each. The first gives them orders and asks how they are by
 * mail (base/mailbox); they share nothing else with it that changes but the count of connections.
 * All functions are for the first worker's thread. NULL stands for a process with one worker;
 * orders and questions need workers, all other functions take that, too.
 *
 *   workers_new  ->  workers_start  ->  workers_go  ->  ... workers_drain ...  ->  workers_end  ->
 * workers_free (no thread)   (threads wait)  (loops run)                          (no thread)
 */
#ifndef CENTION_PROXY_WORKERS_H
#define CENTION_PROXY_WORKERS_H

#include "proxy/report.h"

struct workers;

/* Callbacks with the result of an order; never from within the call. */
struct workers_owner {
    /* All have stopped listening; what they had under way then. */
    void (*drained)(void *arg, unsigned running, unsigned connections);
    /* All have ended after workers_drain. */
    void (*ended)(void *arg);
    /* After workers_reload: all have the fresh settings, or err says why nobody has. */
    void (*reloaded)(void *arg, const struct err *err);
    void *arg;
};

/*
 * Makes workers 1 to setup->conf.workers - 1; *out is NULL when there are none. `connections` is
 * limits.connections for all, shared out. -errno with err.
 */
int workers_new(struct workers **out, struct worker *first, unsigned connections,
                const struct workers_owner *owner, struct err *err) MUST_CHECK;

/*
 * Makes the threads, which wait before their loops start. So they inherit the file restrictions of
 * this thread, and system calls can be restricted (sandbox_calls) before they read an outside byte.
 * They take no signal.
 */
int workers_start(struct workers *workers, struct err *err) MUST_CHECK;
void workers_go(struct workers *workers);

/* Has the loops stopped and waits for their threads; also when they never ran. */
void workers_end(struct workers *workers);
void workers_free(
    struct workers *workers); /* after workers_end; open questions are answered. NULL is allowed */

/* How many workers there are, the first included. */
unsigned workers_workers(const struct workers *workers);

/*
 * Has each make its own of `fresh` (borrowed until `reloaded`) and, when all could, use it, with
 * `connections` for limits.connections; `renew`: and read the listeners' certificates again. One at
 * a time.
 */
void workers_reload(struct workers *workers, const struct setup *fresh, unsigned connections,
                    bool renew);

void workers_drain(struct workers *workers);
void workers_hurry(struct workers *workers);

enum {
    WORKERS_PATIENCE_US = 1000000, /* a worker whose turn takes longer counts as hanging */
};

/*
 * Asks every worker for its report. `answered` comes when all have answered what was asked after
 * this call, or after WORKERS_PATIENCE_US; who hangs is not waited for again until it speaks. Embed
 * it.
 */
struct workers_question {
    void (*answered)(struct workers_question *question);
    void *arg;
    struct workers_question *next;
};
void workers_ask(struct workers *workers, struct workers_question *question);

/* The last reports of all, added to *sum. */
void workers_report(const struct workers *workers, struct report *sum);
uint64_t workers_accepts(const struct workers *workers, unsigned number);

/* The number of one that did not answer in time, or 0. */
unsigned workers_hung(const struct workers *workers);

/*
 * For the watchdog of the first: `workers` is the struct workers. False when one has left a
 * question unanswered for more than within_us / 2; asks the next one. To be called every within_us
 * (watchdog_start).
 */
bool workers_well(void *workers, uint64_t within_us);

#endif
