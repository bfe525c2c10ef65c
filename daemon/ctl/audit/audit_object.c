#include "ctl/audit/audit_object.h"

#include "ctl/audit/audit_centre.h"

#include <errno.h>
#include <stdlib.h>

static bool may_be(const struct audit_object *o, const struct audit_facts *f)
{
    if (o->workspace.len && !slice_eq(o->workspace, f->workspace))
        return false;
    return audit_facts_may_be(f, o->path);
}

static int decode(struct audit_facts *f, struct slice bytes)
{
    int r = audit_facts_read(f, bytes);

    return r == -EBADMSG ? AUDIT_READ_DAMAGED : r;
}

static int tell(struct audit_object *o, const char *host, const struct audit_facts *end,
                uint64_t seq)
{
    struct audit_object_event event = {host, &o->request, end, seq};

    return o->each(o->arg, &event);
}

static int on_outcome(struct audit_object *o, const char *host, const struct open_request *open,
                      struct slice bytes)
{
    int r = decode(&o->end, bytes);

    if (r == 0)
        r = decode(&o->request, open->record);
    if (r != 0 || (audit_facts_creates(&o->request) && !slice_eq(o->end.object, o->path)))
        return r;
    return tell(o, host, &o->end, open->seq);
}

static int on_record(void *arg, struct requests *open, const char *host, const struct line *line,
                     struct slice bytes)
{
    struct audit_object *o = arg;
    struct open_request *request;
    int r = 0;

    if (line->type == LINE_OUTCOME) {
        request = requests_close(open, line->intent, line->id);
        if (request && request->record.len)
            r = on_outcome(o, host, request, bytes);
        free(request);
        return r;
    }
    if (line->type != LINE_INTENT && !slice_eq(line->word, SLICE_LIT("reject")))
        return 0;
    r = decode(&o->request, bytes);
    if (r != 0 || !may_be(o, &o->request))
        return r;
    if (line->type == LINE_INTENT)
        return requests_open(open, line->seq, line->id, bytes) ? 0 : -ENOMEM;
    return audit_facts_creates(&o->request) ? 0 : tell(o, host, NULL, line->seq);
}

/* A creation without an outcome made nothing that is known. */
static int on_end(void *arg, struct requests *open, const char *host)
{
    struct audit_object *o = arg;
    int r = 0;

    for (const struct open_request *at = open->first; r == 0 && at; at = at->after) {
        r = audit_facts_read(&o->request, at->record);
        if (r == 0 && !audit_facts_creates(&o->request))
            r = tell(o, host, NULL, at->seq);
    }
    return r;
}

static int on_own_record(void *arg, const struct line *line, struct slice bytes)
{
    struct audit_object *o = arg;

    return on_record(o, &o->open, NULL, line, bytes);
}

int audit_object_read(struct audit_object *o, const struct audit_log *log, struct archive *archive,
                      struct err *err)
{
    struct audit_centre centre = {.each = on_record, .end = on_end, .arg = o};
    struct audit_read read = {.each = on_own_record, .arg = o};
    int r;

    if (archive) {
        r = audit_centre_read(&centre, archive, err);
        o->damaged = centre.damaged;
        return r;
    }
    r = audit_read_log(&read, log, err);
    audit_read_deinit(&read);
    o->damaged = read.damaged;
    return r < 0 ? r : on_end(o, &o->open, NULL);
}

void audit_object_deinit(struct audit_object *o)
{
    requests_deinit(&o->open);
    audit_facts_deinit(&o->request);
    audit_facts_deinit(&o->end);
}

/* ---- by a request's id ---- */

struct find {
    struct slice id;
    struct audit_facts facts;
    struct requests open;
    char *path; /* of the newest so far */
};

static int take(struct find *f, struct slice path)
{
    char *copy = strndup(path.data ? path.data : "", path.len);

    free(f->path);
    f->path = copy;
    return copy ? 0 : -ENOMEM;
}

static int find(void *arg, struct requests *open, const char *host, const struct line *line,
                struct slice bytes)
{
    struct find *f = arg;
    struct open_request *request;
    int r;

    (void)host;
    if (!slice_eq(line->id, f->id))
        return 0;
    r = decode(&f->facts, bytes);
    if (r != 0)
        return r;
    if (line->type == LINE_INTENT) {
        request = requests_open(open, line->seq, line->id, SLICE_NULL);
        return request ? take(f, audit_facts_creates(&f->facts) ? SLICE_NULL : f->facts.path)
                       : -ENOMEM;
    }
    request = requests_close(open, line->intent, line->id);
    free(request);
    return request && f->facts.object.len ? take(f, f->facts.object) : 0;
}

static int find_own(void *arg, const struct line *line, struct slice bytes)
{
    struct find *f = arg;

    return find(f, &f->open, NULL, line, bytes);
}

static int no_end(void *arg, struct requests *open, const char *host)
{
    (void)arg;
    (void)open;
    (void)host;
    return 0;
}

int audit_object_of(char **path, struct slice id, const struct audit_log *log,
                    struct archive *archive, struct err *err)
{
    struct find f = {.id = id};
    struct audit_centre centre = {.each = find, .end = no_end, .arg = &f};
    struct audit_read read = {.each = find_own, .arg = &f};
    int r = archive ? audit_centre_read(&centre, archive, err) : audit_read_log(&read, log, err);

    audit_read_deinit(&read);
    requests_deinit(&f.open);
    audit_facts_deinit(&f.facts);
    if (r == 0 && !f.path)
        r = err_set(err, -ENOENT, "no request has the id %.*s", (int)id.len, id.data);
    else if (r == 0 && !f.path[0])
        r = err_set(err, -ENOENT, "no answer on record says what request %.*s made", (int)id.len,
                    id.data);
    if (r == 0)
        *path = f.path;
    else
        free(f.path);
    return r;
}
