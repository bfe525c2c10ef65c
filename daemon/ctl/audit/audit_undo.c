/*
 * audit undo: the call that would set an object's fields to what they were before a change. It is
 * printed and never sent. Values in the log are the strings that were signed; the API description
 * says which JSON they come from, and where that isn't certain it is said so.
 */
#include "api/api.h"
#include "api/target.h"
#include "ctl/audit/audit_filter.h"
#include "ctl/audit/audit_found.h"
#include "ctl/audit/audit_history.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static const char HELP[] =
    "usage: cention-proxyctl audit undo [OPTION...] ID [DIRECTORY | FILE...]\n"
    "\n"
    "Prints, and never sends, the call that would undo the change with this X-Request-Id: a PUT "
    "with\n"
    "the values that were known before it, for a creation the DELETE of what it made, and for a\n"
    "deletion a POST of what was known. Lines that begin with # say what isn't known.\n"
    "\n"
    "      --time TIME   ids may repeat: the newest with this id up to TIME\n"
    "      --url URL     of the proxy (default: http://localhost:8080)\n"
    "      --api FILE    another API description than the installed one\n"
    "  -c, --config FILE keeper.conf\n"
    "  -h, --help        print this\n"
    "\n"
    "Exit status: 0 the call undoes all of it, 1 something isn't known, there is nothing to undo, "
    "or\n"
    "failed, 2 usage, 78 bad configuration.\n";

struct undo {
    struct audit_found found;
    const char *url, *api_file;
    struct api *api;
    bool unknown; /* something could not be said */
};

/* ---- values ---- */

static void not_known(struct undo *u, const char *field, const char *why)
{
    u->unknown = true;
    (void)fputs("# ", stdout);
    show_cell_put(stdout, slice_str(field), SIZE_MAX);
    (void)printf(": %s\n", why);
}

static struct json_object *scalar(unsigned types, struct slice text)
{
    bool whole = text.len && strspn(text.data, "-0123456789") == text.len;
    struct json_object *value;

    if ((types & SCHEMA_BOOLEAN) &&
        (slice_eq(text, SLICE_LIT("true")) || slice_eq(text, SLICE_LIT("false"))))
        return json_object_new_boolean(text.data[0] == 't');
    if ((types & (SCHEMA_INTEGER | SCHEMA_NUMBER)) &&
        (whole || ((types & SCHEMA_NUMBER) && strspn(text.data, "-+.eE0123456789") == text.len))) {
        value = json_object_new_double(0); /* printed as it was sent */
        json_object_set_serializer(value, json_object_userdata_to_json_string,
                                   strndup(text.data, text.len), json_object_free_userdata);
        return value;
    }
    return types & SCHEMA_STRING ? json_object_new_string_len(text.data, (int)text.len) : NULL;
}

/* Elements without a comma in them: numbers and booleans. */
static struct json_object *array(const struct schema *items, struct slice text)
{
    struct json_object *list = json_object_new_array();
    const char *at = text.data, *end = text.data + text.len;

    while (list && text.len) {
        const char *comma = memchr(at, ',', (size_t)(end - at)), *to = comma ? comma : end;
        char *copy = strndup(at, (size_t)(to - at));
        struct json_object *one = copy ? scalar(items->types, slice_str(copy)) : NULL;

        free(copy);
        if (!one || json_object_array_add(list, one) < 0) {
            (void)json_object_put(list);
            return NULL;
        }
        if (!comma)
            break;
        at = comma + 1;
    }
    return list;
}

/* NULL with *why when the string doesn't tell which JSON it was. */
static struct json_object *json_of(const struct schema *schema, struct slice text, const char **why)
{
    const unsigned scalars = SCHEMA_BOOLEAN | SCHEMA_INTEGER | SCHEMA_NUMBER | SCHEMA_STRING;
    struct json_object *value = NULL;

    if (!schema) {
        *why = "its type is not known: the API description has no such field";
    } else if (schema->types & SCHEMA_OBJECT) {
        *why = "it is an object, of which the log has the values without their names";
    } else if (schema->types & SCHEMA_ARRAY) {
        if (schema->items &&
            !(schema->items->types & (unsigned)~(SCHEMA_BOOLEAN | SCHEMA_INTEGER | SCHEMA_NUMBER)))
            value = array(schema->items, text);
        *why = "it is an array, whose elements the log doesn't keep apart";
    } else {
        value = scalar(schema->types & scalars, text);
        *why = "the value in the log is none of the type in the API description";
    }
    return value;
}

static void put_field(struct undo *u, struct json_object *body, const struct schema *schema,
                      const char *name, struct json_object *known)
{
    struct json_object *old = audit_history_get(known, "value");
    const struct schema_property *property = schema ? schema_find(schema, slice_str(name)) : NULL;
    struct audit_value value;
    struct json_object *json;
    const char *why;

    if (audit_history_get(known, "maybe")) {
        not_known(u, name, "a change of which nobody knows whether it was done may have set it");
        return;
    }
    if (!old) {
        not_known(u, name, "it was never set before, as far as the log goes");
        return;
    }
    value = audit_value_of(old);
    if (value.kind == AUDIT_VALUE_MAC) {
        not_known(u, name, "the log has a keyed hash in place of its value (audit.fields)");
    } else if (value.kind != AUDIT_VALUE_TEXT) {
        not_known(u, name, "its value is not in the log (audit.fields)");
    } else {
        json = json_of(property ? property->schema : NULL, value.text, &why);
        if (json)
            (void)json_object_object_add(body, name, json);
        else
            not_known(u, name, why);
    }
}

/* ---- the call ---- */

/* JSON without a byte that a shell or a terminal could take for something else. */
static int put_body(struct json_object *body)
{
    struct slice text = slice_str(json_object_to_json_string_ext(
        body, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    char *safe = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&safe, &n);

    if (!out)
        return -ENOMEM;
    show_json(out, text);
    if (fclose(out) != 0) {
        free(safe);
        return -ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (safe[i] == '\'')
            (void)fputs("\\u0027", stdout);
        else
            (void)putchar(safe[i]);
    }
    free(safe);
    return 0;
}

static int print_call(const struct undo *u, const char *method, struct slice path,
                      struct json_object *body)
{
    struct slice space = u->found.target.workspace;
    int r = 0;

    (void)printf("curl -X %s ", method);
    if (body) {
        (void)fputs("-H 'Content-Type: application/json' --data-binary '", stdout);
        r = put_body(body);
        (void)fputs("' ", stdout);
    }
    (void)printf("'%s/s/%.*s%.*s'\n", u->url, (int)space.len, space.data, (int)path.len, path.data);
    return r;
}

static const struct schema *schema_of(const struct undo *u, struct slice path, unsigned method)
{
    const struct api_path *called = api_find(u->api, path);

    return called && (api_methods(called) & method) ? api_body(called, method) : NULL;
}

/* The path that a POST goes to, to make an object of that path. */
static struct slice collection(struct slice path)
{
    size_t n = path.len;

    while (n && path.data[n - 1] != '/')
        n--;
    return slice_cut(path, n ? n - 1 : 0);
}

static int undo_fields(struct undo *u)
{
    struct audit_found *f = &u->found;
    bool deletes = slice_eq(f->target.method, SLICE_LIT("DELETE"));
    struct slice path = deletes ? collection(f->object) : f->object;
    const struct schema *schema = schema_of(u, path, deletes ? API_POST : API_PUT);
    struct json_object *body = json_object_new_object(), *of = f->target.fields;
    int r = 0;

    if (!body)
        return -ENOMEM;
    if (deletes) {
        (void)puts("# The object that it makes has another id than the one that was deleted.");
        json_object_object_foreach(f->history.fields, name, known)
            put_field(u, body, schema, name, known);
        for (size_t i = 0; schema && i < schema->n_properties; i++)
            if (schema->properties[i].required &&
                !audit_history_get(f->history.fields, schema->properties[i].name.data))
                not_known(u, schema->properties[i].name.data,
                          "it must be given, and was never set, as far as the log goes");
    } else if (of) {
        json_object_object_foreach(of, name, value)
        {
            (void)value;
            put_field(u, body, schema, name, audit_history_get(f->history.fields, name));
        }
    }
    if (json_object_object_length(body) > 0)
        r = print_call(u, deletes ? "POST" : "PUT", path, body);
    else
        u->unknown = true;
    (void)json_object_put(body);
    return r;
}

static void head(const struct undo *u)
{
    const struct audit_facts *t = &u->found.target;

    (void)fputs("# Undoes ", stdout);
    show_cell_put(stdout, t->method, SIZE_MAX);
    (void)putchar(' ');
    show_cell_put(stdout, u->found.object.len ? u->found.object : t->path, SIZE_MAX);
    (void)fputs(" in ", stdout);
    show_cell_put(stdout, t->workspace, SIZE_MAX);
    (void)fputs(", request ", stdout);
    show_cell_put(stdout, t->id, SIZE_MAX);
    (void)fputs(" of ", stdout);
    show_cell_put(stdout, t->time, SIZE_MAX);
    (void)putchar('\n');
    if (u->found.later)
        (void)printf("# %" PRIu64
                     " later request%s for the object: look at `audit history` first.\n",
                     u->found.later, u->found.later == 1 ? "" : "s");
}

/* Why there is nothing to undo; NULL when there is. */
static const char *nothing(const struct audit_found *f)
{
    if (!f->intent)
        return "the proxy refused it: nothing has changed";
    if (!f->outcome)
        return "it has no outcome yet: nobody knows whether it was done";
    switch (audit_effect_of(&f->done)) {
    case AUDIT_EFFECT_NONE:
        return "it was refused or never sent: nothing has changed";
    case AUDIT_EFFECT_DOUBT:
        return "nobody knows whether it was done";
    case AUDIT_EFFECT_DONE:
        break;
    }
    if (f->object.len == 0)
        return "no answer on record says what it made";
    if (!target_path_ok(f->object) || !record_text_ok(f->target.workspace) ||
        strspn(f->target.workspace.data,
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-") <
            f->target.workspace.len)
        return "its path or workspace is none that a request could have";
    return NULL;
}

static int undo(struct undo *u, const struct audit_log *log)
{
    struct audit_found *f = &u->found;
    struct err err = ERR_INIT;
    bool damaged = false;
    const char *why;
    int r = audit_found_read(f, log, &damaged, &err);

    if (r < 0)
        return show_failure(err.text[0] ? err.text : strerror(-r), CTL_FAILED);
    why = nothing(f);
    if (why)
        return show_failure(why, CTL_FAILED);
    head(u);
    r = audit_facts_creates(&f->target) ? print_call(u, "DELETE", f->object, NULL) : undo_fields(u);
    (void)fflush(stdout);
    if (r < 0)
        return show_failure(strerror(-r), CTL_FAILED);
    return damaged || u->unknown ? CTL_FAILED : CTL_DONE;
}

static int set_time(void *arg, const char *value)
{
    struct undo *u = arg;

    u->found.has_time = audit_time_parse(u->found.time, value, audit_time_now()) == 0;
    return u->found.has_time ? CTL_DONE : ctl_usage(HELP);
}

int audit_undo_main(int argc, char **argv)
{
    struct undo u = {.url = "http://localhost:8080"};
    const char *conf = CENTION_SYSCONFDIR "/keeper.conf";
    const struct ctl_option options[] = {{"time", 0, .set = set_time},
                                         {"url", 0, .text = &u.url},
                                         {"api", 0, .text = &u.api_file},
                                         {"config", 'c', .text = &conf}};
    struct audit_log log = {0};
    struct err err = ERR_INIT;
    char place[PATH_MAX];
    int code = ctl_options(options, sizeof(options) / sizeof(options[0]), HELP, argc, argv, &u);
    int files;

    if (code != CTL_GO_ON)
        return code;
    if (optind == argc || u.url[strcspn(u.url, "'\\\n\r\t ")])
        return ctl_usage(HELP);
    u.found.id = slice_str(argv[optind++]);
    files = argc - optind;
    if (!u.api_file) {
        api_file_default(place);
        u.api_file = place;
    }
    if (api_file_load(&u.api, u.api_file, &err) < 0)
        code = show_failure(err.text, CTL_CONFIG);
    else if (audit_log_open(&log, argv + optind, files, conf, &err) < 0)
        code = show_failure(err.text, files ? CTL_FAILED : CTL_CONFIG);
    else
        code = undo(&u, &log);
    audit_found_deinit(&u.found);
    audit_log_deinit(&log);
    api_free(u.api);
    return code;
}
