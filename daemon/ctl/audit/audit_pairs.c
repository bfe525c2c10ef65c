#include "ctl/audit/audit_pairs.h"

#include <search.h>
#include <stdlib.h>

/* The tree's node: the intents of one id, in the order of the log. */
struct same {
    struct slice id; /* the first one's */
    struct audit_open *first, *last;
};

static int compare(const void *a, const void *b)
{
    return slice_cmp(((const struct same *)a)->id, ((const struct same *)b)->id);
}

static struct same *find(const struct audit_pairs *p, struct slice id)
{
    struct same key = {.id = id};
    struct same **found = (struct same **)tfind(&key, &p->tree, compare);

    return found ? *found : NULL;
}

static struct audit_open *open_new(struct slice id, struct slice record)
{
    struct audit_open *o = malloc(sizeof(*o) + id.len + record.len);

    if (!o)
        return NULL;
    *o = (struct audit_open){.id = slice_of(o->bytes, id.len),
                             .record = slice_of(o->bytes + id.len, record.len)};
    memcpy(o->bytes, id.data, id.len);
    if (record.len)
        memcpy(o->bytes + id.len, record.data, record.len);
    return o;
}

static struct same *same_new(struct audit_pairs *p, struct audit_open *o)
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

struct audit_open *audit_pairs_open(struct audit_pairs *p, struct slice id, struct slice record)
{
    struct audit_open *o = open_new(id, record);
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
    return o;
}

struct audit_open *audit_pairs_close(struct audit_pairs *p, struct slice id)
{
    struct same *s = find(p, id);
    struct audit_open *o;

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
    *(o->before ? &o->before->after : &p->first) = o->after;
    *(o->after ? &o->after->before : &p->last) = o->before;
    return o;
}

void audit_pairs_deinit(struct audit_pairs *p)
{
    tdestroy(p->tree, free);
    for (struct audit_open *o = p->first, *after; o; o = after) {
        after = o->after;
        free(o);
    }
    *p = (struct audit_pairs){0};
}
