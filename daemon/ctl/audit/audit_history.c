#include "ctl/audit/audit_history.h"

#include <errno.h>

enum audit_effect audit_effect_of(const struct audit_facts *outcome)
{
    if (!outcome)
        return AUDIT_EFFECT_DOUBT;
    if (outcome->status == 0)
        return slice_eq(outcome->sent, SLICE_LIT("none")) ? AUDIT_EFFECT_NONE : AUDIT_EFFECT_DOUBT;
    if (outcome->status / 100 == 2)
        return AUDIT_EFFECT_DONE;
    return outcome->status / 100 == 4 ? AUDIT_EFFECT_NONE : AUDIT_EFFECT_DOUBT;
}

int audit_history_init(struct audit_history *h)
{
    *h = (struct audit_history){.fields = json_object_new_object()};
    return h->fields ? 0 : -ENOMEM;
}

void audit_history_deinit(struct audit_history *h)
{
    (void)json_object_put(h->fields);
    (void)json_object_put(h->deleted);
    (void)json_object_put(h->maybe_deleted);
    *h = (struct audit_history){0};
}

struct json_object *audit_history_get(struct json_object *of, const char *name)
{
    struct json_object *value = NULL;

    if (json_object_is_type(of, json_type_object))
        (void)json_object_object_get_ex(of, name, &value);
    return value;
}

static struct json_object *new_text(struct slice s)
{
    return json_object_new_string_len(s.data ? s.data : "", (int)s.len);
}

struct json_object *audit_history_by(const struct audit_facts *intent, uint64_t seq)
{
    struct json_object *by = json_object_new_object();
    struct json_object *client = audit_history_get(intent->doc, "client");

    if (!by)
        return NULL;
    if (json_object_object_add(by, "time", new_text(intent->time)) < 0 ||
        json_object_object_add(by, "seq", json_object_new_uint64(seq)) < 0 ||
        json_object_object_add(by, "id", new_text(intent->id)) < 0 ||
        json_object_object_add(by, "client", json_object_get(client)) < 0) {
        (void)json_object_put(by);
        return NULL;
    }
    return by;
}

/* Of a `by`, or of something that has one; 0 for NULL. */
static uint64_t seq_of(struct json_object *of)
{
    struct json_object *by = audit_history_get(of, "by");

    return json_object_get_uint64(audit_history_get(by ? by : of, "seq"));
}

/* {"value", "by"} with a reference to each. */
static struct json_object *new_setting(struct json_object *value, struct json_object *by)
{
    struct json_object *setting = json_object_new_object();

    if (setting && (json_object_object_add(setting, "value", json_object_get(value)) < 0 ||
                    json_object_object_add(setting, "by", json_object_get(by)) < 0)) {
        (void)json_object_put(setting);
        setting = NULL;
    }
    return setting;
}

static int set_done(struct audit_history *h, const char *name, struct json_object *value,
                    struct json_object *by)
{
    struct json_object *known = audit_history_get(h->fields, name);
    struct json_object *maybe = audit_history_get(known, "maybe"), *setting;

    if (known && seq_of(known) > seq_of(by) && audit_history_get(known, "value"))
        return 0;
    setting = new_setting(value, by);
    if (!setting)
        return -ENOMEM;
    if (maybe && seq_of(maybe) > seq_of(by) &&
        json_object_object_add(setting, "maybe", json_object_get(maybe)) < 0) {
        (void)json_object_put(setting);
        return -ENOMEM;
    }
    return json_object_object_add(h->fields, name, setting) < 0 ? -ENOMEM : 0;
}

static int set_maybe(struct audit_history *h, const char *name, struct json_object *value,
                     struct json_object *by)
{
    struct json_object *known = audit_history_get(h->fields, name);
    struct json_object *setting;

    if (seq_of(known) > seq_of(by) || seq_of(audit_history_get(known, "maybe")) > seq_of(by))
        return 0;
    if (!known) {
        known = json_object_new_object();
        if (!known || json_object_object_add(h->fields, name, known) < 0)
            return -ENOMEM;
    }
    setting = new_setting(value, by);
    return !setting || json_object_object_add(known, "maybe", setting) < 0 ? -ENOMEM : 0;
}

/* What was set before a deletion no longer counts. */
static int set_deleted(struct audit_history *h, struct json_object *by)
{
    struct json_object *left = json_object_new_object();

    if (!left)
        return -ENOMEM;
    json_object_object_foreach(h->fields, name, known)
    {
        bool later = seq_of(known) > seq_of(by);

        if (!later && seq_of(audit_history_get(known, "maybe")) <= seq_of(by))
            continue;
        if (json_object_object_add(left, name, json_object_get(known)) < 0) {
            (void)json_object_put(left);
            return -ENOMEM;
        }
        if (!later) { /* all that is left is what may have been set since */
            json_object_object_del(known, "value");
            json_object_object_del(known, "by");
        }
    }
    (void)json_object_put(h->fields);
    h->fields = left;
    return 0;
}

static void replace(struct json_object **last, struct json_object *by)
{
    if (seq_of(*last) > seq_of(by))
        return;
    (void)json_object_put(*last);
    *last = json_object_get(by);
}

int audit_history_add(struct audit_history *h, const struct audit_facts *intent, uint64_t seq,
                      enum audit_effect effect)
{
    bool deletes = slice_eq(intent->method, SLICE_LIT("DELETE"));
    struct json_object *by;
    int r = 0;

    if (effect == AUDIT_EFFECT_NONE)
        return 0;
    by = audit_history_by(intent, seq);
    if (!by)
        return -ENOMEM;
    if (deletes && effect == AUDIT_EFFECT_DONE)
        r = set_deleted(h, by);
    if (deletes)
        replace(effect == AUDIT_EFFECT_DONE ? &h->deleted : &h->maybe_deleted, by);
    if (!deletes && intent->fields && seq > seq_of(h->deleted)) {
        json_object_object_foreach(intent->fields, name, value)
        {
            if (r == 0)
                r = effect == AUDIT_EFFECT_DONE ? set_done(h, name, value, by)
                                                : set_maybe(h, name, value, by);
        }
    }
    (void)json_object_put(by);
    return r;
}
