/*
 * realloc(3) could leave signatures in the freed block. So a bigger block is filled by copying, and
 * the old one is wiped.
 */
#include "keeper/answers.h"

#include <errno.h>
#include <stdlib.h>

enum {
    ANSWERS_FIRST = 64,
    ANSWERS_KEEP = 4096, /* answers whose room stays after a busy turn */
};

static void release(struct answers *a)
{
    if (a->list)
        explicit_bzero(a->list, a->room * sizeof(*a->list));
    free(a->list);
    a->list = NULL;
    a->room = 0;
}

int answers_reserve(struct answers *a)
{
    size_t room = a->room ? a->room * 2 : ANSWERS_FIRST;
    struct answer *list;

    if (a->n < a->room)
        return 0;
    list = calloc(room, sizeof(*list));
    if (!list)
        return -ENOMEM;
    if (a->n)
        memcpy(list, a->list, a->n * sizeof(*list));
    release(a);
    a->list = list;
    a->room = room;
    return 0;
}

struct answer *answers_add(struct answers *a, struct peer *peer, enum wire_type type, uint64_t id)
{
    struct answer *answer = &a->list[a->n++];

    a->n_signed += type == WIRE_SIGNED;
    *answer = (struct answer){.peer = peer, .type = type, .id = id};
    return answer;
}

void answers_forget(struct answers *a, const struct peer *peer)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->list[i].peer == peer)
            a->list[i].peer = NULL;
}

void answers_clear(struct answers *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->list[i].text);
    if (a->n)
        explicit_bzero(a->list, a->n * sizeof(*a->list));
    a->n = a->n_signed = 0;
    if (a->room > ANSWERS_KEEP)
        release(a);
}

void answers_deinit(struct answers *a)
{
    answers_clear(a);
    release(a);
}

bool group_commit_more(struct group_commit *g, size_t waiting, size_t others, uint64_t now)
{
    if (waiting == 0 || others == 0 || waiting >= GROUP_COMMIT_ENOUGH)
        return false;
    if (g->looks == 0)
        g->since = now;
    else if (waiting <= g->seen || g->looks == GROUP_COMMIT_LOOKS ||
             now - g->since > GROUP_COMMIT_US)
        return false;
    g->looks++;
    g->seen = waiting;
    return true;
}
