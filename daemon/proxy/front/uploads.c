/*
 * Two rings: those that hold something, the one that went on least recently first; and those that
 * wait, in order. One that waits holds on to what it has, in the second ring.
 */
#include "proxy/front/uploads.h"

#include <errno.h>
#include <stdlib.h>

struct uploads {
    struct loop *loop;
    size_t budget, used;
    struct upload holding, waiting; /* anchors */
    struct loop_hook hook;          /* some was given back */
    struct loop_timer timer;        /* while some wait */
};

static void link_out(struct upload *u)
{
    if (!u->next)
        return;
    u->prev->next = u->next;
    u->next->prev = u->prev;
    u->next = u->prev = NULL;
}

static void link_in(struct upload *anchor, struct upload *u)
{
    link_out(u);
    u->next = anchor;
    u->prev = anchor->prev;
    u->prev->next = u;
    anchor->prev = u;
}

static size_t counted(size_t buffer)
{
    return buffer > UPLOAD_FREE ? buffer - UPLOAD_FREE : 0;
}

static bool fits(const struct uploads *s, const struct upload *u, size_t wanted)
{
    return wanted <= u->held || s->used - u->held + wanted <= s->budget;
}

static void hold(struct uploads *s, struct upload *u, size_t wanted)
{
    s->used += wanted - u->held;
    u->held = wanted;
    u->moved = loop_now();
    link_in(&s->holding, u);
}

static void resume(void *arg)
{
    struct uploads *s = arg;

    while (s->waiting.next != &s->waiting) {
        struct upload *u = s->waiting.next;

        if (!fits(s, u, u->wanted))
            return;
        hold(s, u, u->wanted);
        u->go(u->arg);
    }
}

/* Of those that do not wait for us; else, when all do, the one that has waited longest. */
static struct upload *oldest(struct uploads *s)
{
    struct upload *u = s->holding.next;

    if (u == &s->holding)
        u = s->waiting.next;
    return u != &s->waiting && loop_now() - u->moved >= UPLOAD_PATIENCE ? u : NULL;
}

static void late(void *arg)
{
    struct uploads *s = arg;
    struct upload *u =
        s->waiting.next != &s->waiting && loop_now() - s->waiting.next->moved >= UPLOAD_PATIENCE
            ? oldest(s)
            : NULL;

    if (u)
        u->give_up(u->arg);
    if (s->waiting.next != &s->waiting)
        loop_timer_set(&s->timer, u ? 1000 : UPLOAD_PATIENCE / 4);
}

int uploads_new(struct uploads **out, struct loop *loop, size_t budget)
{
    struct uploads *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    *s = (struct uploads){.loop = loop, .budget = budget};
    s->holding.next = s->holding.prev = &s->holding;
    s->waiting.next = s->waiting.prev = &s->waiting;
    s->hook = (struct loop_hook){.run = resume, .arg = s};
    loop_timer_init(&s->timer, loop, late, s);
    *out = s;
    return 0;
}

void uploads_free(struct uploads *s)
{
    if (!s)
        return;
    loop_cancel(s->loop, &s->hook);
    loop_timer_deinit(&s->timer);
    free(s);
}

void uploads_set(struct uploads *s, size_t budget)
{
    s->budget = budget;
    loop_defer(s->loop, &s->hook);
}

bool uploads_take(struct uploads *s, struct upload *u, size_t buffer)
{
    size_t wanted = counted(buffer);

    if (wanted == 0 && u->held == 0)
        return true;
    if (wanted < u->held)
        wanted = u->held;
    if ((wanted == u->held || s->waiting.next == &s->waiting) && fits(s, u, wanted)) {
        hold(s, u, wanted);
        return true;
    }
    u->wanted = wanted;
    u->moved = loop_now();
    link_in(&s->waiting, u);
    if (!loop_timer_armed(&s->timer))
        loop_timer_set(&s->timer, UPLOAD_PATIENCE / 4);
    return false;
}

void uploads_give(struct uploads *s, struct upload *u, size_t buffer)
{
    size_t left = counted(buffer);

    if (left < u->held) {
        s->used -= u->held - left;
        u->held = left;
        if (s->waiting.next != &s->waiting)
            loop_defer(s->loop, &s->hook);
    }
    if (buffer == 0 || u->held == 0)
        link_out(u);
}
