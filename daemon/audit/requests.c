#include "audit/requests.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

struct request {
    size_t count; /* several requests may use one id */
    struct slice id;
    char bytes[];
};

static int compare(const void *a, const void *b)
{
    return slice_cmp(((const struct request *)a)->id, ((const struct request *)b)->id);
}

static struct request *request_new(struct slice id)
{
    struct request *q = malloc(sizeof(*q) + id.len);

    if (q) {
        *q = (struct request){.count = 1, .id = slice_of(q->bytes, id.len)};
        memcpy(q->bytes, id.data, id.len);
    }
    return q;
}

static struct request **find(const struct requests *r, struct slice id)
{
    struct request key = {.id = id};

    return (struct request **)tfind(&key, &r->tree, compare);
}

int requests_open(struct requests *r, struct slice id)
{
    struct request *q, **found = find(r, id);

    if (found) {
        (*found)->count++;
    } else {
        q = request_new(id);
        if (!q || !tsearch(q, &r->tree, compare)) {
            free(q);
            return -ENOMEM;
        }
    }
    r->n++;
    return 0;
}

int requests_close(struct requests *r, struct slice id)
{
    struct request **found = find(r, id), *q;

    if (!found)
        return 0;
    q = *found;
    r->n--;
    if (--q->count == 0) {
        (void)tdelete(q, &r->tree, compare);
        free(q);
    }
    return 1;
}

void requests_deinit(struct requests *r)
{
    tdestroy(r->tree, free);
    *r = (struct requests){0};
}

struct visit {
    int (*each)(void *arg, struct slice id);
    void *arg;
    int result;
};

static void visit(const void *node, VISIT order, void *arg)
{
    const struct request *q = *(const struct request *const *)node;
    struct visit *v = arg;

    if (order != postorder && order != leaf)
        return;
    for (size_t i = 0; i < q->count && v->result >= 0; i++)
        v->result = v->each(v->arg, q->id);
}

int requests_each(const struct requests *r, int (*each)(void *arg, struct slice id), void *arg)
{
    struct visit v = {each, arg, 0};

    twalk_r(r->tree, visit, &v);
    return v.result < 0 ? v.result : 0;
}
