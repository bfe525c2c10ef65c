/*
 * `go` may end any client, and a client that ends drops its arrival. So each step begins with the
 * ring's first again.
 */
#include "proxy/front/arrivals.h"

#include <errno.h>
#include <stdlib.h>

struct arrivals {
    struct loop *loop;
    struct loop_hook hook;
    struct arrival ring; /* the anchor */
};

static void ask(struct arrivals *all)
{
    struct peer_question questions[SOCK_DIAG_BATCH];
    struct arrival *of[SOCK_DIAG_BATCH];
    size_t n = 0;

    for (struct arrival *a = all->ring.next; a != &all->ring && n < SOCK_DIAG_BATCH; a = a->next) {
        questions[n] = a->question;
        of[n++] = a;
    }
    peer_uids(questions, n);
    for (size_t i = 0; i < n; i++) {
        of[i]->uid = questions[i].uid;
        of[i]->asked = true;
    }
}

static void arrivals_run(void *arg)
{
    struct arrivals *all = arg;

    while (all->ring.next != &all->ring) {
        struct arrival *a = all->ring.next;

        if (!a->asked) {
            ask(all);
            continue;
        }
        arrivals_drop(a);
        a->go(a->arg, a->uid);
    }
}

int arrivals_new(struct arrivals **out, struct loop *loop)
{
    struct arrivals *all = calloc(1, sizeof(*all));

    if (!all)
        return -ENOMEM;
    all->loop = loop;
    all->hook = (struct loop_hook){.run = arrivals_run, .arg = all};
    all->ring.next = all->ring.prev = &all->ring;
    *out = all;
    return 0;
}

void arrivals_free(struct arrivals *all)
{
    if (!all)
        return;
    while (all->ring.next != &all->ring)
        arrivals_drop(all->ring.next);
    loop_cancel(all->loop, &all->hook);
    free(all);
}

void arrivals_add(struct arrivals *all, struct arrival *a, struct client_peer *peer, int fd)
{
    if (a->next)
        return;
    a->asked = false;
    a->question = (struct peer_question){.peer = peer, .fd = fd};
    a->next = &all->ring;
    a->prev = all->ring.prev;
    a->prev->next = a;
    all->ring.prev = a;
    loop_defer(all->loop, &all->hook);
}

void arrivals_drop(struct arrival *a)
{
    if (!a->next)
        return;
    a->prev->next = a->next;
    a->next->prev = a->prev;
    a->next = a->prev = NULL;
}

bool arrivals_has(const struct arrival *a)
{
    return a->next != NULL;
}
