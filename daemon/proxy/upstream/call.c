#include "proxy/upstream/call.h"

#include <stdlib.h>
#include <string.h>

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

/* Takes what stands before `end` off *rest, and `end` and `behind`, which must follow it. */
static bool parse_to(struct slice *rest, char end, char behind, struct slice *out)
{
    const char *at = rest->len ? memchr(rest->data, end, rest->len) : NULL;
    size_t used = at ? (size_t)(at - rest->data) + 1 + (behind != '\0') : 0;

    if (!at || used > rest->len || (behind && at[1] != behind))
        return false;
    *out = slice_of(rest->data, (size_t)(at - rest->data));
    *rest = slice_of(rest->data + used, rest->len - used);
    return true;
}

static void lower(struct upstream_call *call, struct slice name)
{
    char *p = call->request.data + (name.data - call->request.data);

    for (size_t i = 0; i < name.len; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] |= 0x20;
}

/* The text is our own (exchange/forward), so what it holds was looked at before. */
bool call_parts(struct upstream_call *call, struct http_head *head, struct slice *body)
{
    struct slice rest = buf_slice(&call->request), line;

    head->n_fields = 0;
    if (!parse_to(&rest, ' ', '\0', &head->method) || !parse_to(&rest, ' ', '\0', &head->target) ||
        !parse_to(&rest, '\r', '\n', &line))
        return false;
    while (rest.len < 2 || rest.data[0] != '\r') {
        struct http_field *field = &head->fields[head->n_fields];

        if (head->n_fields == HTTP_FIELDS_MAX || !parse_to(&rest, ':', ' ', &field->name) ||
            !parse_to(&rest, '\r', '\n', &field->value))
            return false;
        lower(call, field->name);
        head->n_fields++;
    }
    *body = slice_of(rest.data + 2, rest.len - 2);
    return true;
}
