#include "audit/requests.h"

#include <search.h>
#include <stdlib.h>

/* A node of the ids' tree: the intents of one id, in the order of the log. */
struct same {
    struct slice id; /* the first one's */
    struct open_request *first, *last;
};

static int compare_id(const void *a, const void *b)
{
    return slice_cmp(((const struct same *)a)->id, ((const struct same *)b)->id);
}

static int compare_seq(const void *a, const void *b)
{
    const struct open_request *x = a, *y = b;

    return (x->seq > y->seq) - (x->seq < y->seq);
}

static struct same *find_same(const struct requests *p, struct slice id)
{
    struct same key = {.id = id};
    struct same **found = (struct same **)tfind(&key, &p->ids, compare_id);

    return found ? *found : NULL;
}

static struct open_request *open_new(uint64_t seq, struct slice id, struct slice record)
{
    struct open_request *o = malloc(sizeof(*o) + id.len + record.len);

    if (!o)
        return NULL;
    *o = (struct open_request){.seq = seq,
                               .id = slice_of(o->bytes, id.len),
                               .record = slice_of(o->bytes + id.len, record.len)};
    if (id.len)
        memcpy(o->bytes, id.data, id.len);
    if (record.len)
        memcpy(o->bytes + id.len, record.data, record.len);
    return o;
}

static bool add_same(struct requests *p, struct open_request *o)
{
    struct same *s = find_same(p, o->id);

    if (s) {
        o->same_before = s->last;
        s->last->same = o;
        s->last = o;
        return true;
    }
    s = malloc(sizeof(*s));
    if (!s)
        return false;
    *s = (struct same){o->id, o, o};
    if (tsearch(s, &p->ids, compare_id))
        return true;
    free(s);
    return false;
}

static void drop_same(struct requests *p, struct open_request *o)
{
    struct same *s = find_same(p, o->id);

    if (!s)
        return; /* never: every open one is in its tree */
    *(o->same_before ? &o->same_before->same : &s->first) = o->same;
    *(o->same ? &o->same->same_before : &s->last) = o->same_before;
    if (s->first) {
        s->id = s->first->id; /* the tree's key may have been this one's */
    } else {
        (void)tdelete(s, &p->ids, compare_id);
        free(s);
    }
}

/* Nearly always at the end: seqs ascend. */
static void link_in(struct requests *p, struct open_request *o)
{
    struct open_request *before = p->last;

    while (before && before->seq > o->seq)
        before = before->before;
    o->before = before;
    o->after = before ? before->after : p->first;
    *(o->before ? &o->before->after : &p->first) = o;
    *(o->after ? &o->after->before : &p->last) = o;
    p->n++;
}

struct open_request *requests_open(struct requests *p, uint64_t seq, struct slice id,
                                   struct slice record)
{
    struct open_request *o = open_new(seq, id, record);
    void *found;

    if (!o)
        return NULL;
    free(requests_close(p, seq, SLICE_NULL)); /* of a log that is read twice */
    if (!add_same(p, o)) {
        free(o);
        return NULL;
    }
    found = tsearch(o, &p->seqs, compare_seq);
    if (!found) {
        drop_same(p, o);
        free(o);
        return NULL;
    }
    link_in(p, o);
    return o;
}

static struct open_request *find(const struct requests *p, uint64_t seq, struct slice id)
{
    struct open_request key = {.seq = seq}, **found;
    struct same *s;

    if (seq) {
        found = (struct open_request **)tfind(&key, &p->seqs, compare_seq);
        return found ? *found : NULL;
    }
    s = find_same(p, id);
    return s ? s->first : NULL;
}

struct open_request *requests_close(struct requests *p, uint64_t seq, struct slice id)
{
    struct open_request *o = find(p, seq, id);

    if (!o)
        return NULL;
    drop_same(p, o);
    (void)tdelete(o, &p->seqs, compare_seq);
    *(o->before ? &o->before->after : &p->first) = o->after;
    *(o->after ? &o->after->before : &p->last) = o->before;
    p->n--;
    return o;
}

static void leave(void *entry)
{
    (void)entry; /* the list frees it */
}

void requests_deinit(struct requests *p)
{
    tdestroy(p->ids, free);
    tdestroy(p->seqs, leave);
    for (struct open_request *o = p->first, *after; o; o = after) {
        after = o->after;
        free(o);
    }
    *p = (struct requests){0};
}
