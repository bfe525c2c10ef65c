/* audit history: an object's life, each change with what was there before it. */
#include "ctl/audit/audit_history.h"
#include "ctl/audit/audit_object.h"
#include "ctl/audit/audit_table.h"
#include "ctl/central/archive_open.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static const char HELP[] =
    "usage: cention-proxyctl audit history [OPTION...] PATH|ID [DIRECTORY | FILE...]\n"
    "       cention-proxyctl audit history --from URL [OPTION...] PATH|ID\n"
    "\n"
    "Shows the life of one object: who made it, each change with the values before and after, "
    "what\n"
    "was refused, its deletion. PATH is the object's (/v1/org/17); ID is the X-Request-Id of a\n"
    "request that made or changed it. On a terminal a line each, else a JSON object each. It "
    "knows\n"
    "only what went through this proxy, and proves nothing: `audit verify` does.\n"
    "\n"
    "      --workspace NAME  only of this workspace\n"
    "      --from URL        of all hosts that a centre has\n"
    "      --json, --table   in this form wherever the output goes\n"
    "  -c, --config FILE     keeper.conf\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0 shown, 1 nothing is known of it, damaged records were skipped, or failed,\n"
    "2 usage, 78 bad configuration.\n";

struct history {
    struct json_object *known; /* of each workspace: its fields' last values */
    bool as_table, terminal;
    uint64_t shown;
};

static struct json_object *text_of(struct slice s)
{
    return json_object_new_string_len(s.data ? s.data : "", (int)s.len);
}

/* What came of it, in a word. */
static const char *word_of(const struct audit_object_event *e)
{
    bool post = audit_facts_creates(e->request);
    bool deletes = slice_eq(e->request->method, SLICE_LIT("DELETE"));

    if (slice_eq(e->request->type, SLICE_LIT("reject")))
        return "refused";
    if (!e->end)
        return "open";
    switch (audit_effect_of(e->end)) {
    case AUDIT_EFFECT_DONE:
        return post ? "created" : deletes ? "deleted" : "changed";
    case AUDIT_EFFECT_NONE:
        return e->end->status ? "refused" : "not-sent";
    case AUDIT_EFFECT_DOUBT:
        break;
    }
    return "unknown";
}

/* The fields that are known of the object in that workspace. */
static struct json_object *known_in(struct history *h, struct slice workspace)
{
    char *name = strndup(workspace.data ? workspace.data : "", workspace.len);
    struct json_object *fields = name ? audit_history_get(h->known, name) : NULL;

    if (name && !fields) {
        fields = json_object_new_object();
        if (fields && json_object_object_add(h->known, name, fields) < 0)
            fields = NULL;
    }
    free(name);
    return fields;
}

static void put(struct json_object *to, const char *name, struct json_object *value)
{
    if (value)
        (void)json_object_object_add(to, name, json_object_get(value));
}

/* What it set, or, of a deletion, what went with it. */
static struct json_object *changes_of(const struct audit_object_event *e, struct json_object *known)
{
    struct json_object *changes = json_object_new_array();
    bool deletes = slice_eq(e->request->method, SLICE_LIT("DELETE"));
    struct json_object *of = deletes ? known : e->request->fields;

    if (!of)
        return changes;
    json_object_object_foreach(of, name, value)
    {
        struct json_object *change = json_object_new_object();

        (void)json_object_object_add(change, "field", json_object_new_string(name));
        put(change, "old", deletes ? value : audit_history_get(known, name));
        put(change, "new", deletes ? NULL : value);
        (void)json_object_array_add(changes, change);
    }
    return changes;
}

static void remember(const struct audit_object_event *e, struct json_object *known)
{
    if (!e->end || audit_effect_of(e->end) != AUDIT_EFFECT_DONE)
        return;
    if (slice_eq(e->request->method, SLICE_LIT("DELETE"))) {
        struct json_object_iterator at = json_object_iter_begin(known);

        while (json_object_object_length(known) > 0) {
            json_object_object_del(known, json_object_iter_peek_name(&at));
            at = json_object_iter_begin(known);
        }
        return;
    }
    if (e->request->fields) {
        json_object_object_foreach(e->request->fields, name, value) put(known, name, value);
    }
}

static struct slice error_of(const struct audit_object_event *e)
{
    const struct audit_facts *f = e->end ? e->end : e->request;

    return f->answer_error.len ? f->answer_error : f->error;
}

static uint32_t status_of(const struct audit_object_event *e)
{
    return (e->end ? e->end : e->request)->status;
}

static void print_json(const struct history *h, const struct audit_object_event *e,
                       struct json_object *changes)
{
    static const char *const COPIED[] = {"time", "id", "client", "method", "workspace"};
    struct json_object *all = json_object_new_object();
    struct slice line;

    if (e->host)
        (void)json_object_object_add(all, "host", json_object_new_string(e->host));
    (void)json_object_object_add(all, "seq", json_object_new_uint64(e->seq));
    for (size_t i = 0; i < sizeof(COPIED) / sizeof(COPIED[0]); i++)
        put(all, COPIED[i], audit_history_get(e->request->doc, COPIED[i]));
    (void)json_object_object_add(all, "event", json_object_new_string(word_of(e)));
    if (status_of(e))
        (void)json_object_object_add(all, "status", json_object_new_int((int)status_of(e)));
    if (error_of(e).len)
        (void)json_object_object_add(all, "error", text_of(error_of(e)));
    put(all, "answer", e->end ? e->end->answer : NULL);
    put(all, "changes", changes);
    line = slice_str(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE));
    if (h->terminal)
        show_json(stdout, line);
    else
        (void)fwrite(line.data, 1, line.len, stdout);
    (void)putchar('\n');
    (void)json_object_put(all);
}

static void print_changes(struct json_object *changes)
{
    for (size_t i = 0; i < json_object_array_length(changes); i++) {
        struct json_object *change = json_object_array_get_idx(changes, i);
        struct json_object *old = audit_history_get(change, "old");
        struct json_object *new = audit_history_get(change, "new");

        (void)fputs("    ", stdout);
        show_cell_put(stdout, audit_facts_text(audit_history_get(change, "field")), SIZE_MAX);
        (void)fputs(": ", stdout);
        if (old)
            audit_table_put_whole(stdout, old);
        if (old && new)
            (void)fputs(" -> ", stdout);
        if (new)
            audit_table_put_whole(stdout, new);
        else
            (void)fputs(" -> (deleted)", stdout);
        (void)putchar('\n');
    }
}

static void print_table(const struct audit_object_event *e, struct json_object *changes)
{
    const struct audit_facts *f = e->request;

    show_cell_put(stdout, f->time, SIZE_MAX);
    if (e->host) {
        (void)fputs("  ", stdout);
        show_cell_put(stdout, slice_str(e->host), SIZE_MAX);
    }
    (void)fputs("  ", stdout);
    if (f->name.len || f->user.len || !f->has_uid)
        show_cell_put(stdout, f->name.len ? f->name : f->user.len ? f->user : f->address, SIZE_MAX);
    else
        (void)printf("uid:%" PRIu64, f->uid);
    (void)printf("  %s", word_of(e));
    if (status_of(e))
        (void)printf(" (%u)", status_of(e));
    (void)fputs("  in ", stdout);
    show_cell_put(stdout, f->workspace, SIZE_MAX);
    (void)fputs("  request ", stdout);
    show_cell_put(stdout, f->id, SIZE_MAX);
    (void)putchar('\n');
    if (error_of(e).len) {
        (void)fputs("    ", stdout);
        (void)show_text(stdout, error_of(e));
        (void)putchar('\n');
    }
    print_changes(changes);
}

static int on_event(void *arg, const struct audit_object_event *e)
{
    struct history *h = arg;
    struct json_object *known = known_in(h, e->request->workspace), *changes;

    if (!known)
        return -ENOMEM;
    changes = changes_of(e, known);
    if (!changes)
        return -ENOMEM;
    if (h->as_table)
        print_table(e, changes);
    else
        print_json(h, e, changes);
    (void)json_object_put(changes);
    remember(e, known);
    h->shown++;
    return 0;
}

static int run(struct history *h, struct slice what, struct slice workspace,
               const struct audit_log *log, struct archive *archive)
{
    struct audit_object o = {.workspace = workspace, .each = on_event, .arg = h};
    struct err err = ERR_INIT;
    char *path = NULL;
    int r = 0;

    if (what.data[0] == '/')
        path = strndup(what.data, what.len);
    else
        r = audit_object_of(&path, what, log, archive, &err);
    if (r == 0 && !path)
        r = -ENOMEM;
    if (r == 0) {
        o.path = slice_str(path);
        r = audit_object_read(&o, log, archive, &err);
    }
    audit_object_deinit(&o);
    free(path);
    (void)fflush(stdout);
    if (r < 0)
        return show_failure(err.text[0] ? err.text : strerror(-r), CTL_FAILED);
    if (h->shown == 0)
        return show_failure("nothing in the log is about this object", CTL_FAILED);
    return o.damaged ? CTL_FAILED : CTL_DONE;
}

int audit_history_main(int argc, char **argv)
{
    const char *conf = CENTION_SYSCONFDIR "/keeper.conf", *from = NULL;
    struct slice workspace = SLICE_NULL, what;
    bool json = false, table = false;
    const struct ctl_option options[] = {{"workspace", 0, .slice = &workspace},
                                         {"from", 0, .text = &from},
                                         {"json", 0, .flag = &json},
                                         {"table", 0, .flag = &table},
                                         {"config", 'c', .text = &conf}};
    struct archive *archive = NULL;
    struct audit_log log = {0};
    struct history h;
    struct err err = ERR_INIT;
    int code = ctl_options(options, sizeof(options) / sizeof(options[0]), HELP, argc, argv, NULL);
    int files, r;

    if (code != CTL_GO_ON)
        return code;
    if (optind == argc || !argv[optind][0] || (from && argc - optind > 1))
        return ctl_usage(HELP);
    what = slice_str(argv[optind++]);
    files = argc - optind;
    h = (struct history){.terminal = isatty(STDOUT_FILENO), .known = json_object_new_object()};
    h.as_table = table || (h.terminal && !json);
    r = from ? archive_open(&archive, from, &err)
             : audit_log_open(&log, argv + optind, files, conf, &err);
    if (r < 0)
        code = show_failure(err.text, files || from ? CTL_FAILED : CTL_CONFIG);
    else
        code = h.known ? run(&h, what, workspace, &log, archive) : CTL_FAILED;
    if (archive)
        archive_close(archive);
    audit_log_deinit(&log);
    (void)json_object_put(h.known);
    return code;
}
