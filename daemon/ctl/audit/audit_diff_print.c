#include "ctl/audit/audit_diff.h"

#include "ctl/audit/audit_history.h"
#include "ctl/audit/audit_table.h"
#include "ctl/command/show.h"

#include <inttypes.h>
#include <stdio.h>

#define RED    "\x1b[31m"
#define GREEN  "\x1b[32m"
#define DIM    "\x1b[2m"
#define NORMAL "\x1b[0m"

struct print {
    struct json_object *diff;
    const struct audit_diff_form *form;
    struct slice result, method;
};

static void colour(const struct print *p, const char *sequence)
{
    if (p->form->colour)
        (void)fputs(sequence, stdout);
}

static struct slice text(struct json_object *of, const char *name)
{
    return audit_facts_text(audit_history_get(of, name));
}

static void put_word(struct slice s)
{
    show_cell_put(stdout, s, SIZE_MAX);
}

static bool is(struct slice s, const char *word)
{
    return slice_eq(s, slice_str(word));
}

/* ---- who and when ---- */

static void put_client(struct json_object *client)
{
    static const char *const NAMES[] = {"name", "user", "address"};
    struct json_object *uid = audit_history_get(client, "uid");
    bool known = false;

    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]) && !known; i++) {
        known = text(client, NAMES[i]).len > 0 && !(i == 2 && uid);
        if (known)
            put_word(text(client, NAMES[i]));
    }
    if (json_object_is_type(uid, json_type_int))
        (void)printf(known ? " (uid %" PRId64 ")" : "uid %" PRId64, json_object_get_int64(uid));
    else if (!known)
        (void)fputs("an unknown client", stdout);
}

/* "2026-... by legacy, request abc (seq 7)" */
static void put_by(struct json_object *by)
{
    put_word(text(by, "time"));
    (void)fputs(" by ", stdout);
    put_client(audit_history_get(by, "client"));
    (void)fputs(", request ", stdout);
    put_word(text(by, "id"));
    (void)printf(" (seq %" PRIu64 ")", json_object_get_uint64(audit_history_get(by, "seq")));
}

static void put_head(const struct print *p)
{
    static const struct {
        const char *result, *words;
    } RESULTS[] = {
        {"done", "done"},
        {"failed", "it was refused by the upstream: nothing should have changed"},
        {"not-sent", "nothing was sent: nothing has changed"},
        {"unknown", "nobody knows whether it was done: the change may not have happened"},
        {"open", "it has no outcome yet: the change may not have happened"},
        {"refused", "the proxy refused it: nothing was sent, nothing has changed"},
    };
    struct json_object *status = audit_history_get(p->diff, "status");
    struct slice error = text(p->diff, "error");

    if (error.len == 0)
        error = text(p->diff, "answer_error");

    put_word(p->method);
    (void)fputc(' ', stdout);
    put_word(text(p->diff, "path"));
    if (is(p->method, "POST") && text(p->diff, "object").len) {
        (void)fputs(", which made ", stdout);
        put_word(text(p->diff, "object"));
        (void)fputc(',', stdout);
    }
    (void)fputs(" in ", stdout);
    put_word(text(p->diff, "workspace"));
    (void)fputc('\n', stdout);
    put_by(p->diff);
    (void)fputc('\n', stdout);
    if (status)
        (void)printf("status %d: ", json_object_get_int(status));
    for (size_t i = 0; i < sizeof(RESULTS) / sizeof(RESULTS[0]); i++)
        if (is(p->result, RESULTS[i].result))
            (void)fputs(RESULTS[i].words, stdout);
    if (error.len) {
        (void)fputs(" (", stdout);
        (void)show_text(stdout, error);
        (void)fputc(')', stdout);
    }
    (void)fputc('\n', stdout);
}

/* ---- fields ---- */

static void put_old(const struct print *p, struct json_object *old)
{
    if (!old) {
        (void)fputs("(not audited before)", stdout);
        return;
    }
    colour(p, RED);
    audit_table_put_whole(stdout, old);
    colour(p, NORMAL);
}

static void put_new(const struct print *p, struct json_object *new)
{
    if (!new) {
        (void)fputs("(deleted)", stdout);
        return;
    }
    colour(p, GREEN);
    audit_table_put_whole(stdout, new);
    colour(p, NORMAL);
}

static void put_source(const struct print *p, const char *words, struct json_object *by)
{
    colour(p, DIM);
    (void)printf("      %s ", words);
    put_by(by);
    colour(p, NORMAL);
    (void)fputc('\n', stdout);
}

static void put_field(const struct print *p, struct json_object *field)
{
    struct json_object *old = audit_history_get(field, "old");
    struct json_object *new = audit_history_get(field, "new");
    struct json_object *maybe = audit_history_get(field, "maybe");
    struct slice state = text(field, "state");
    bool mac = old && audit_value_of(old).kind == AUDIT_VALUE_MAC;

    (void)fputs("  ", stdout);
    put_word(text(field, "field"));
    (void)fputs(": ", stdout);
    if (is(state, "changed") && mac)
        (void)fputs("changed (kept as mac): ", stdout);
    if (is(state, "unclear"))
        (void)fputs("can't be compared: ", stdout);
    if (is(state, "unchanged")) {
        (void)fputs("unchanged: ", stdout);
        audit_table_put_whole(stdout, new);
    } else {
        put_old(p, old);
        (void)fputs(" -> ", stdout);
        put_new(p, new);
    }
    (void)fputc('\n', stdout);
    if (old)
        put_source(p, is(state, "unchanged") ? "also set" : "was set",
                   audit_history_get(field, "set_by"));
    if (maybe) {
        (void)fputs("      but then maybe set to ", stdout);
        audit_table_put_whole(stdout, audit_history_get(maybe, "value"));
        (void)fputs(", nobody knows:\n", stdout);
        put_source(p, "asked", audit_history_get(maybe, "by"));
    }
}

static void put_fields(const struct print *p)
{
    struct json_object *fields = audit_history_get(p->diff, "fields");
    size_t n = json_object_array_length(fields), unchanged = 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *field = json_object_array_get_idx(fields, i);

        if (is(text(field, "state"), "unchanged") && !p->form->all)
            unchanged++;
        else
            put_field(p, field);
    }
    if (unchanged)
        (void)printf("  %zu field%s set to what %s before (--all shows %s)\n", unchanged,
                     unchanged == 1 ? "" : "s", unchanged == 1 ? "it was" : "they were",
                     unchanged == 1 ? "it" : "them");
    if (n == 0 && is(p->method, "DELETE"))
        (void)puts("  No value of the object was audited before.");
    else if (n == 0 && !is(p->result, "refused"))
        (void)puts("  It set no field.");
}

/* ---- what must be known with it ---- */

static void note_by(const struct print *p, const char *name, const char *words)
{
    struct json_object *by = audit_history_get(p->diff, name);

    if (!by)
        return;
    (void)printf("- %s ", words);
    put_by(by);
    (void)fputs(".\n", stdout);
}

static void note_overlapping(const struct print *p)
{
    struct json_object *all = audit_history_get(p->diff, "overlapping");

    for (size_t i = 0; i < json_object_array_length(all); i++) {
        (void)fputs("- Under way at the same time, which came first is not known: ", stdout);
        put_by(json_object_array_get_idx(all, i));
        (void)fputs(".\n", stdout);
    }
}

static void note_others(const struct print *p)
{
    struct json_object *times = audit_history_get(p->diff, "other_times");
    uint64_t others = json_object_get_uint64(audit_history_get(p->diff, "others"));
    size_t n = json_object_array_length(times);

    if (others == 0)
        return;
    (void)printf("- %" PRIu64 " other request%s with this id (--time picks by time):", others,
                 others == 1 ? "" : "s");
    for (size_t i = 0; i < n; i++) {
        (void)fputc(' ', stdout);
        put_word(audit_facts_text(json_object_array_get_idx(times, i)));
    }
    (void)puts(n < others ? " and earlier." : ".");
}

static void put_notes(const struct print *p)
{
    uint64_t first = json_object_get_uint64(audit_history_get(p->diff, "first_seq"));

    note_by(p, "deleted_before", "The object was deleted before:");
    note_by(p, "maybe_deleted_before", "Nobody knows whether this deletion before was done:");
    note_overlapping(p);
    note_others(p);
    if (first > 1)
        (void)printf("- The log at hand begins at seq %" PRIu64 ": what was before isn't known.\n",
                     first);
    if (is(p->result, "refused"))
        return;
    note_by(p, "created_by", "The object was created:");
    if (is(p->method, "POST") && !text(p->diff, "object").len)
        (void)puts("- What it made isn't known: no answer on record says so.");
    else
        (void)printf("- Changes made elsewhere than through this proxy are not in the log%s.\n",
                     audit_history_get(p->diff, "created_by") || is(p->method, "POST")
                         ? ""
                         : ", nor is\n  the creation of this object");
}

void audit_diff_print(struct json_object *diff, const struct audit_diff_form *form)
{
    struct print p = {diff, form, text(diff, "result"), text(diff, "method")};

    if (form->json) {
        struct slice line = slice_str(json_object_to_json_string_ext(
            diff, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));

        if (form->terminal)
            show_json(stdout, line);
        else
            (void)fwrite(line.data, 1, line.len, stdout);
        (void)putchar('\n');
        return;
    }
    put_head(&p);
    put_fields(&p);
    put_notes(&p);
}
