#include "keeper/group_commit.h"

bool gather_more(struct gather *g, size_t waiting, size_t others, uint64_t now)
{
    if (waiting == 0 || others == 0 || waiting >= GATHER_ENOUGH)
        return false;
    if (g->looks == 0)
        g->since = now;
    else if (waiting <= g->seen || g->looks == GATHER_LOOKS || now - g->since > GATHER_US)
        return false;
    g->looks++;
    g->seen = waiting;
    return true;
}
