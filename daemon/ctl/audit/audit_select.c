#include "ctl/audit/audit_select.h"

#include "ctl/audit/audit_log.h"

#include <errno.h>
#include <stdlib.h>

/* In JSON lines, only the records of the types that were asked for. */
static int print(struct audit_select *s, struct slice first, struct slice second)
{
    if (!s->print.as_table && !audit_filter_type(s->filter, SLICE_LIT("intent")))
        first = SLICE_NULL;
    if (!s->print.as_table && !audit_filter_type(s->filter, SLICE_LIT("outcome")))
        second = SLICE_NULL;
    return first.len || second.len ? audit_print(&s->print, first, second) : 0;
}

/* Decodes a record into s->facts. 0, AUDIT_READ_DAMAGED or -errno. */
static int decode(struct audit_select *s, struct slice bytes)
{
    int r = audit_facts_read(&s->facts, bytes);

    return r == -EBADMSG ? AUDIT_READ_DAMAGED : r;
}

static int on_intent(struct audit_select *s, const struct line *line, struct slice bytes)
{
    const struct audit_filter *f = s->filter;
    bool wanted = audit_filter_line(f, line) && (audit_filter_type(f, SLICE_LIT("intent")) ||
                                                 audit_filter_type(f, SLICE_LIT("outcome")));
    struct open_request *open;
    int r = wanted ? decode(s, bytes) : 0, text = 0;

    if (r != 0)
        return r;
    wanted = wanted && audit_filter_record(f, &s->facts);
    if (wanted)
        text = audit_filter_text(f, line->covered);
    if (text < 0)
        return text;
    open = requests_open(s->open, line->seq, line->id, wanted ? bytes : SLICE_NULL);
    if (!open)
        return -ENOMEM;
    open->wanted = wanted;
    open->has_text = text;
    open->of_object = wanted && audit_filter_object(f, &s->facts);
    return 0;
}

/* Of a request whose intent has passed, or is not at hand (`intent` is empty then). */
static int on_end(struct audit_select *s, const struct line *line, struct slice bytes,
                  const struct open_request *open)
{
    struct slice intent = open ? open->record : SLICE_NULL;
    const struct audit_filter *f = s->filter;
    int r = decode(s, bytes);

    if (r != 0 || !audit_filter_status(f, s->facts.status) || !audit_filter_error(f, &s->facts) ||
        !((open && open->of_object) || audit_filter_object(f, &s->facts)))
        return r;
    if (intent.len == 0 && (!audit_filter_record(f, &s->facts) || !audit_filter_line(f, line) ||
                            !audit_filter_type(f, line->word)))
        return 0;
    r = open && open->has_text ? 1 : audit_filter_text(f, line->covered);
    return r == 1 ? print(s, intent, bytes) : r;
}

static int on_outcome(struct audit_select *s, const struct line *line, struct slice bytes)
{
    struct open_request *open = requests_close(s->open, line->intent, line->id);
    int r = 0;

    if (!open)
        return on_end(s, line, bytes, NULL);
    if (open->wanted)
        r = on_end(s, line, bytes, open);
    free(open);
    return r;
}

static bool is_hidden(const struct audit_select *s, enum line_type type)
{
    return !s->all && s->filter->types.len == 0 &&
           (type == LINE_CHECKPOINT || type == LINE_EPOCH || type == LINE_SEGMENT);
}

static int on_other(struct audit_select *s, const struct line *line, struct slice bytes)
{
    const struct audit_filter *f = s->filter;
    int r;

    if (is_hidden(s, line->type) || !audit_filter_type(f, line->word) ||
        !audit_filter_line(f, line))
        return 0;
    r = decode(s, bytes);
    if (r != 0 || !audit_filter_record(f, &s->facts) || !audit_filter_object(f, &s->facts) ||
        !audit_filter_error(f, &s->facts))
        return r;
    /* A record that isn't about a request has no status, not even none. */
    if (f->by_status && (!audit_filter_status(f, s->facts.status) ||
                         (s->facts.status == 0 && !slice_eq(line->word, SLICE_LIT("reject")))))
        return 0;
    r = audit_filter_text(f, line->covered);
    return r == 1 ? audit_print(&s->print, bytes, SLICE_NULL) : r;
}

int audit_select_record(struct audit_select *s, const struct line *line, struct slice bytes)
{
    if (line->type == LINE_INTENT)
        return on_intent(s, line, bytes);
    if (line->type == LINE_OUTCOME)
        return on_outcome(s, line, bytes);
    return on_other(s, line, bytes);
}

int audit_select_open(struct audit_select *s)
{
    const struct audit_filter *f = s->filter;
    bool asked =
        audit_filter_status(f, 0) && audit_filter_type(f, SLICE_LIT("intent")) && f->error.len == 0;
    int r = 0;

    for (const struct open_request *o = s->open->first; asked && r == 0 && o; o = o->after)
        if (o->wanted && o->has_text && o->of_object)
            r = print(s, o->record, SLICE_NULL);
    return r;
}

void audit_select_deinit(struct audit_select *s)
{
    audit_facts_deinit(&s->facts);
    audit_print_deinit(&s->print);
}
