#include "upstream/call.h"

#include <stdlib.h>

void upstream_call_free(struct upstream_call *call)
{
    buf_deinit(&call->request);
    buf_deinit(&call->body);
    free(call);
}

void call_ring_init(struct upstream_call *ring)
{
    ring->next = ring->prev = ring;
}

static void add_after(struct upstream_call *before, struct upstream_call *call)
{
    call->prev = before;
    call->next = before->next;
    before->next->prev = call;
    before->next = call;
}

void call_ring_add(struct upstream_call *ring, struct upstream_call *call)
{
    add_after(ring->prev, call);
}

void call_ring_add_first(struct upstream_call *ring, struct upstream_call *call)
{
    add_after(ring, call);
}

void call_ring_leave(struct upstream_call *call)
{
    call->prev->next = call->next;
    call->next->prev = call->prev;
    call->next = call->prev = NULL;
}

struct upstream_call *call_ring_first(const struct upstream_call *ring)
{
    return ring->next == ring ? NULL : ring->next;
}

bool call_parts(struct upstream_call *call, struct http_head *head, struct slice *body,
                const char **why)
{
    struct http_progress progress = {0};
    struct slice all = buf_slice(&call->request);

    if (http_request_parse(all.data, all.len, &progress, head, why) != HTTP_DONE)
        return false;
    for (size_t i = 0; i < head->n_fields; i++) {
        char *name = call->request.data + (head->fields[i].name.data - call->request.data);

        for (size_t k = 0; k < head->fields[i].name.len; k++)
            if (name[k] >= 'A' && name[k] <= 'Z')
                name[k] = (char)(name[k] + ('a' - 'A'));
    }
    *body = slice_of(all.data + head->head_len, all.len - head->head_len);
    return true;
}
