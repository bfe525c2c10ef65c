#include "ctl/audit/audit_found.h"

#include "ctl/audit/audit_log.h"

#include <errno.h>
#include <stdlib.h>

void audit_found_deinit(struct audit_found *d)
{
    free(d->intent);
    free(d->made_object);
    free(d->outcome);
    free(d->reject);
    requests_deinit(&d->open);
    audit_facts_deinit(&d->facts);
    audit_facts_deinit(&d->target);
    audit_facts_deinit(&d->other);
    audit_facts_deinit(&d->done);
    audit_history_deinit(&d->history);
    (void)json_object_put(d->overlapping);
    (void)json_object_put(d->made);
}

/* ---- the request ---- */

static int replace(char **kept, struct slice record)
{
    char *copy = strndup(record.data, record.len);

    free(*kept);
    *kept = copy;
    return copy ? 0 : -ENOMEM;
}

static void count(struct audit_found *d, const struct line *line)
{
    memcpy(d->times[d->found++ % (AUDIT_FOUND_TIMES + 1)], line->time.data, SEAL_TIME);
}

static int find_intent(struct audit_found *d, const struct line *line, struct slice bytes)
{
    struct open_request *open;

    if (!slice_eq(line->id, d->id) ||
        (d->has_time && memcmp(line->time.data, d->time, SEAL_TIME) > 0))
        return 0;
    open = requests_open(&d->open, line->seq, line->id, SLICE_NULL);
    if (!open)
        return -ENOMEM;
    d->seq = line->seq;
    d->end = 0;
    free(d->outcome);
    d->outcome = NULL;
    count(d, line);
    return replace(&d->intent, bytes);
}

static int find_outcome(struct audit_found *d, const struct line *line, struct slice bytes)
{
    struct open_request *open = requests_close(&d->open, line->intent, line->id);
    bool ours = open && open->seq == d->seq;

    free(open);
    if (!ours)
        return 0;
    d->end = line->seq;
    return replace(&d->outcome, bytes);
}

static int find_reject(struct audit_found *d, const struct line *line, struct slice bytes)
{
    int r = audit_facts_read(&d->facts, bytes);

    if (r < 0)
        return r == -EBADMSG ? AUDIT_READ_DAMAGED : r;
    if (!slice_eq(d->facts.id, d->id) ||
        (d->has_time && memcmp(line->time.data, d->time, SEAL_TIME) > 0))
        return 0;
    count(d, line);
    if (!d->intent)
        d->seq = line->seq;
    return replace(&d->reject, bytes);
}

static int find(void *arg, const struct line *line, struct slice bytes)
{
    struct audit_found *d = arg;

    if (d->first_seq == 0)
        d->first_seq = line->seq;
    if (line->type == LINE_INTENT)
        return find_intent(d, line, bytes);
    if (line->type == LINE_OUTCOME)
        return find_outcome(d, line, bytes);
    return slice_eq(line->word, SLICE_LIT("reject")) ? find_reject(d, line, bytes) : 0;
}

/* ---- the object ---- */

/* Of a creation only whether it may be: its path is where it creates, the outcome says what. */
static bool same_object(const struct audit_found *d, const struct audit_facts *intent)
{
    if (d->object.len == 0 || !slice_eq(intent->workspace, d->target.workspace))
        return false;
    return audit_facts_may_be(intent, d->object);
}

static int add_overlapping(struct audit_found *d, const struct audit_facts *intent, uint64_t seq)
{
    struct json_object *by = audit_history_by(intent, seq);

    if (by && json_object_array_add(d->overlapping, by) == 0)
        return 0;
    (void)json_object_put(by);
    return -ENOMEM;
}

static int other_intent(struct audit_found *d, const struct line *line, struct slice bytes)
{
    struct open_request *open;
    bool ours;
    int r = audit_facts_read(&d->other, bytes);

    if (r < 0)
        return r == -EBADMSG ? AUDIT_READ_DAMAGED : r;
    ours = line->seq != d->seq && same_object(d, &d->other);
    if (ours && !audit_facts_creates(&d->other) && line->seq > d->seq &&
        (d->end == 0 || line->seq < d->end))
        r = add_overlapping(d, &d->other, line->seq);
    else if (ours && !audit_facts_creates(&d->other) && line->seq > d->seq)
        d->later++;
    ours = ours && line->seq < d->seq;
    open = r == 0 ? requests_open(&d->open, line->seq, line->id, ours ? bytes : SLICE_NULL) : NULL;
    if (!open)
        return -ENOMEM;
    open->wanted = ours;
    return 0;
}

/* An earlier change of the object whose outcome is `done`, or isn't known. */
static int add_earlier(struct audit_found *d, const struct open_request *o,
                       const struct audit_facts *done, bool overlaps)
{
    enum audit_effect effect = audit_effect_of(done);
    int r = audit_facts_read(&d->other, o->record);

    if (r == 0 && audit_facts_creates(&d->other)) {
        if (!done || !slice_eq(done->object, d->object))
            return 0;
        (void)json_object_put(d->made);
        d->made = audit_history_by(&d->other, o->seq);
    }
    if (r == 0)
        r = audit_history_add(&d->history, &d->other, o->seq, effect);
    if (r == 0 && overlaps && effect != AUDIT_EFFECT_NONE)
        r = add_overlapping(d, &d->other, o->seq);
    return r;
}

static int other_outcome(struct audit_found *d, const struct line *line, struct slice bytes)
{
    struct open_request *open = requests_close(&d->open, line->intent, line->id);
    int r = 0;

    if (open && open->wanted) {
        r = audit_facts_read(&d->done, bytes);
        if (r == 0)
            r = add_earlier(d, open, &d->done, line->seq > d->seq);
        else if (r == -EBADMSG)
            r = AUDIT_READ_DAMAGED;
    }
    free(open);
    return r;
}

static int other(void *arg, const struct line *line, struct slice bytes)
{
    if (line->type == LINE_INTENT)
        return other_intent(arg, line, bytes);
    return line->type == LINE_OUTCOME ? other_outcome(arg, line, bytes) : 0;
}

static int read_object(struct audit_found *d, struct audit_read *read, const struct audit_log *log,
                       struct err *err)
{
    int r = audit_history_init(&d->history);

    d->overlapping = json_object_new_array();
    if (r < 0 || !d->overlapping)
        return -ENOMEM;
    if (!d->intent || audit_facts_creates(&d->target))
        return 0;
    requests_deinit(&d->open);
    read->each = other;
    read->quiet = true;
    r = audit_read_log(read, log, err);
    for (const struct open_request *o = d->open.first; r == 0 && o; o = o->after)
        if (o->wanted)
            r = add_earlier(d, o, NULL, true);
    return r;
}

int audit_found_read(struct audit_found *d, const struct audit_log *log, bool *damaged,
                     struct err *err)
{
    struct audit_read read = {.each = find, .arg = d};
    const char *record;
    int r = audit_read_log(&read, log, err);

    *damaged = read.damaged;
    record = d->intent ? d->intent : d->reject;
    if (r == 0 && !record)
        return err_set(err, -ENOENT, "no request has the id %.*s%s", (int)d->id.len, d->id.data,
                       d->has_time ? " up to that time" : "");
    if (r == 0)
        r = audit_facts_read(&d->target, slice_str(record));
    if (r == -EBADMSG)
        return err_set(err, r, "the request's record is damaged");
    d->object = d->target.path;
    if (r == 0 && audit_facts_creates(&d->target)) {
        r = d->outcome ? audit_facts_read(&d->done, slice_str(d->outcome)) : 0;
        d->made_object =
            r == 0 && d->outcome
                ? strndup(d->done.object.data ? d->done.object.data : "", d->done.object.len)
                : NULL;
        d->object = slice_str(d->made_object ? d->made_object : "");
    }
    if (r == 0)
        r = read_object(d, &read, log, err);
    if (r == 0 && d->outcome)
        r = audit_facts_read(&d->done, slice_str(d->outcome));
    else
        audit_facts_deinit(&d->done);
    return r == -EBADMSG ? err_set(err, r, "the request's outcome is damaged") : r;
}
