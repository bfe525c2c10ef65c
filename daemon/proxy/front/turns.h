/*
 * Whole requests that wait until work is taken in again, in turns of those who sent them: each user
 * (uid; a connection whose uid isn't known is one by itself) gets one request through, then the
 * next user. So one that sends much waits for itself, and keeps nobody else waiting. What a user
 * may have waiting is bounded.
 */
#ifndef CENTION_PROXY_FRONT_TURNS_H
#define CENTION_PROXY_FRONT_TURNS_H

#include "base/loop.h"

struct turns;

/* A request's place; embed it zeroed but for `go` and `arg`. */
struct turn {
    struct turn *next, *prev;
    struct turn_user *user; /* NULL: it doesn't wait */
    size_t bytes;
    void (*go)(void *arg); /* it is its turn */
    void *arg;
};

/* `open` says whether work is taken in; a user may have `requests` waiting, of `bytes` together, or
 * a single one of any length. -ENOMEM. */
int turns_new(struct turns **out, struct loop *loop, unsigned requests, size_t bytes,
              bool (*open)(void *arg), void *arg) MUST_CHECK;
void turns_set(struct turns *turns, unsigned requests); /* from now on */
void turns_free(struct turns *turns); /* those that wait hear nothing; NULL is allowed */

/* True when a request need not wait. */
bool turns_pass(const struct turns *turns);

/* `go` is called once, at the end of a turn of the loop, unless it is dropped before. -EBUSY when
 * the user has its share waiting, -ENOMEM. */
int turns_wait(struct turns *turns, struct turn *turn, uint64_t user, size_t bytes) MUST_CHECK;
void turns_drop(struct turns *turns, struct turn *turn); /* one that doesn't wait is allowed */

/* Work may be taken in again: those that wait go on at the end of this turn of the loop. */
void turns_resume(void *turns);

/* How many wait. */
size_t turns_count(const struct turns *turns);

#endif
