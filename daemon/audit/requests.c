#include "audit/requests.h"

#include <search.h>
#include <stdlib.h>

/* The tree's node: the intents of one id, in the order of the log. */
struct same {
    struct slice id; /* the first one's */
    struct open_request *first, *last;
};

static int compare(const void *a, const void *b)
{
    return slice_cmp(((const struct same *)a)->id, ((const struct same *)b)->id);
}

static struct same *find(const struct requests *p, struct slice id)
{
    struct same key = {.id = id};
    struct same **found = (struct same **)tfind(&key, &p->tree, compare);

    return found ? *found : NULL;
}

static struct open_request *open_new(struct slice id, struct slice record)
{
    struct open_request *o = malloc(sizeof(*o) + id.len + record.len);

    if (!o)
        return NULL;
    *o = (struct open_request){.id = slice_of(o->bytes, id.len),
                               .record = slice_of(o->bytes + id.len, record.len)};
    memcpy(o->bytes, id.data, id.len);
    if (record.len)
        memcpy(o->bytes + id.len, record.data, record.len);
    return o;
}

static struct same *same_new(struct requests *p, struct open_request *o)
{
    struct same *s = malloc(sizeof(*s));

    if (!s)
        return NULL;
    *s = (struct same){o->id, o, o};
    if (tsearch(s, &p->tree, compare))
        return s;
    free(s);
    return NULL;
}

struct open_request *requests_open(struct requests *p, struct slice id, struct slice record)
{
    struct open_request *o = open_new(id, record);
    struct same *s = o ? find(p, id) : NULL;

    if (s) {
        s->last->same = o;
        s->last = o;
    } else if (!o || !same_new(p, o)) {
        free(o);
        return NULL;
    }
    o->before = p->last;
    *(p->last ? &p->last->after : &p->first) = o;
    p->last = o;
    p->n++;
    return o;
}

struct open_request *requests_close(struct requests *p, struct slice id)
{
    struct same *s = find(p, id);
    struct open_request *o;

    if (!s)
        return NULL;
    o = s->first;
    if (o->same) {
        s->first = o->same;
        s->id = s->first->id;
    } else {
        (void)tdelete(s, &p->tree, compare);
        free(s);
    }
    p->n--;
    *(o->before ? &o->before->after : &p->first) = o->after;
    *(o->after ? &o->after->before : &p->last) = o->before;
    return o;
}

void requests_deinit(struct requests *p)
{
    tdestroy(p->tree, free);
    for (struct open_request *o = p->first, *after; o; o = after) {
        after = o->after;
        free(o);
    }
    *p = (struct requests){0};
}
