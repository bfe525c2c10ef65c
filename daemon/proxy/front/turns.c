/*
 * `go` may end any client, which drops its turn. So each step begins with the ring's first again.
 * A user is there as long as something of it waits.
 */
#include "proxy/front/turns.h"

#include <errno.h>
#include <stdlib.h>

struct turn_user {
    struct turn_user *next, *prev;
    uint64_t user;
    unsigned requests;
    size_t bytes;
    struct turn ring; /* anchor, the oldest first */
};

struct turns {
    struct loop *loop;
    struct loop_hook hook;
    struct turn_user ring; /* anchor, whose turn is next first */
    unsigned requests;
    size_t bytes, count;
    bool (*open)(void *arg);
    void *arg;
};

static void user_link(struct turns *t, struct turn_user *u)
{
    u->next = &t->ring;
    u->prev = t->ring.prev;
    u->prev->next = u;
    t->ring.prev = u;
}

static void user_unlink(struct turn_user *u)
{
    u->prev->next = u->next;
    u->next->prev = u->prev;
}

static struct turn_user *user_of(struct turns *t, uint64_t user)
{
    struct turn_user *u = t->ring.next;

    while (u != &t->ring && u->user != user)
        u = u->next;
    if (u != &t->ring)
        return u;
    u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    u->user = user;
    u->ring.next = u->ring.prev = &u->ring;
    user_link(t, u);
    return u;
}

static void turns_run(void *arg)
{
    struct turns *t = arg;

    while (t->ring.next != &t->ring && t->open(t->arg)) {
        struct turn_user *u = t->ring.next;
        struct turn *turn = u->ring.next;

        user_unlink(u);
        user_link(t, u);
        turns_drop(t, turn);
        turn->go(turn->arg);
    }
}

int turns_new(struct turns **out, struct loop *loop, unsigned requests, size_t bytes,
              bool (*open)(void *arg), void *arg)
{
    struct turns *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    *t = (struct turns){
        .loop = loop, .requests = requests, .bytes = bytes, .open = open, .arg = arg};
    t->hook = (struct loop_hook){.run = turns_run, .arg = t};
    t->ring.next = t->ring.prev = &t->ring;
    *out = t;
    return 0;
}

void turns_set(struct turns *t, unsigned requests)
{
    t->requests = requests;
}

void turns_free(struct turns *t)
{
    if (!t)
        return;
    while (t->ring.next != &t->ring)
        turns_drop(t, t->ring.next->ring.next);
    loop_cancel(t->loop, &t->hook);
    free(t);
}

bool turns_pass(const struct turns *t)
{
    return t->count == 0 && t->open(t->arg);
}

int turns_wait(struct turns *t, struct turn *turn, uint64_t user, size_t bytes)
{
    struct turn_user *u = user_of(t, user);

    if (!u)
        return -ENOMEM;
    if (u->requests && (u->requests >= t->requests || u->bytes + bytes > t->bytes))
        return -EBUSY;
    turn->user = u;
    turn->bytes = bytes;
    turn->next = &u->ring;
    turn->prev = u->ring.prev;
    turn->prev->next = turn;
    u->ring.prev = turn;
    u->requests++;
    u->bytes += bytes;
    t->count++;
    if (t->open(t->arg))
        loop_defer(t->loop, &t->hook);
    return 0;
}

void turns_drop(struct turns *t, struct turn *turn)
{
    struct turn_user *u = turn->user;

    if (!u)
        return;
    turn->prev->next = turn->next;
    turn->next->prev = turn->prev;
    turn->user = NULL;
    u->requests--;
    u->bytes -= turn->bytes;
    t->count--;
    if (u->requests == 0) {
        user_unlink(u);
        free(u);
    }
}

void turns_resume(void *turns)
{
    struct turns *t = turns;

    if (t->count)
        loop_defer(t->loop, &t->hook);
}

size_t turns_count(const struct turns *t)
{
    return t->count;
}
