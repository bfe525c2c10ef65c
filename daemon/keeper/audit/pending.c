/*
 * A balanced tree (tsearch(3)) and no hash: the ids come from the process on the other side of the
 * wall, which must not be able to make the keeper slow for its other links.
 */
#include "keeper/audit/pending.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

struct held {
    struct pending_request request; /* first: the callers' view of the entry */
    char text[];
};

static int compare(const void *a, const void *b)
{
    const struct pending_request *x = a, *y = b;

    return (x->id > y->id) - (x->id < y->id);
}

void pending_deinit(struct pending *p)
{
    tdestroy(p->root, free);
    *p = (struct pending){0};
}

static struct slice copy(char **to, struct slice s)
{
    char *at = *to;

    if (s.len)
        memcpy(at, s.data, s.len);
    *to += s.len;
    return slice_of(at, s.len);
}

int pending_add(struct pending *p, const struct sign_request *sign, size_t max,
                struct pending_request **added)
{
    char *text;
    struct held *e;
    void **found;

    if (p->n >= max)
        return -ENOBUFS;
    e = malloc(sizeof(*e) + sign->request_id.len + sign->method.len + sign->path.len);
    if (!e)
        return -ENOMEM;
    text = e->text;
    e->request = (struct pending_request){.id = sign->id};
    e->request.request_id = copy(&text, sign->request_id);
    e->request.method = copy(&text, sign->method);
    e->request.path = copy(&text, sign->path);
    found = tsearch(&e->request, &p->root, compare);
    if (!found || *found != &e->request) {
        free(e);
        return found ? -EEXIST : -ENOMEM;
    }
    p->n++;
    *added = &e->request;
    return 0;
}

const char *pending_refusal(const struct pending *p, uint64_t id, size_t max)
{
    if (pending_find(p, id))
        return "the message's id is already in use";
    return p->n >= max ? "too many requests without an outcome" : NULL;
}

struct pending_request *pending_find(const struct pending *p, uint64_t id)
{
    struct pending_request key = {.id = id}, *const * found;

    found = tfind(&key, &p->root, compare);
    return found ? *found : NULL;
}

void pending_remove(struct pending *p, struct pending_request *request)
{
    (void)tdelete(request, &p->root, compare);
    free(request);
    p->n--;
}

struct visit {
    void (*each)(void *arg, const struct pending_request *request);
    void *arg;
};

static void visit(const void *node, VISIT order, void *arg)
{
    const struct visit *v = arg;

    if (order == postorder || order == leaf)
        v->each(v->arg, *(const struct pending_request *const *)node);
}

void pending_each(const struct pending *p,
                  void (*each)(void *arg, const struct pending_request *request), void *arg)
{
    struct visit v = {each, arg};

    twalk_r(p->root, visit, &v);
}
