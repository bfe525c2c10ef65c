/*
 * Uses the functions that the daemons sign with, so what is shown here is what would be signed. The
 * signature itself is never known to this program.
 */

#include "api/api.h"
#include "api/canon.h"
#include "api/target.h"
#include "api/validate.h"
#include "base/file.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BODY_MAX = 16 * 1024 * 1024, /* bytes of a body that is read */
    KEY_ID_MAX = 256,            /* bytes */
    TYPE_MAX = 128,              /* bytes of a type in words */
};

static const char *const NESTED[] = {[CANON_FLATTEN] = "flatten", [CANON_JSON] = "json"};

struct explain {
    struct slice method, key_id, workspace, path;
    const char *file; /* NULL: no body */
    const char *api_file;
    enum canon_nested nested;
    bool literal, json, unchecked;

    struct buf body, string;
    struct canon canon;
    struct api *api;               /* NULL: unchecked */
    const struct api_path *called; /* NULL: not in the description */
    const struct schema *schema;   /* of the body; NULL: not known */
    struct validate_report report;
};

static const char HELP[] =
    "usage: cention-proxyctl explain [OPTION...] METHOD PATH [FILE|-]\n"
    "\n"
    "Checks a request with the body in FILE (- is standard input; without FILE there is no\n"
    "body) against the API description, and shows its fields in their order, the string to\n"
    "sign and the form of the header. Needs no key and no network.\n"
    "\n"
    "METHOD is POST, PUT or DELETE; PATH is /v1/... or /s/WORKSPACE/v1/...\n"
    "\n"
    "  -w, --workspace NAME     the workspace when PATH names none\n"
    "      --key-id ID          the access key id (default: a placeholder)\n"
    "      --nested FORM        how a struct in a field is rendered: flatten (default), json\n"
    "      --authorization FORM the header's form: scheme (default), literal\n"
    "      --api FILE           check against FILE instead of the installed description\n"
    "      --no-validation      show what would be signed without checking it\n"
    "      --json               print one JSON object\n"
    "  -h, --help               print this\n"
    "\n"
    "Exit status: 0 shown and good; 1 the body can't be read or would be refused; 2 usage;\n"
    "78 the description can't be read or isn't good.\n";

static int usage(const char *text, const char *what)
{
    (void)fputs("cention-proxyctl explain: ", stderr);
    show_message(stderr, what);
    (void)fprintf(stderr, "%s%s\nTry 'cention-proxyctl explain --help'.\n", what[0] ? ": " : "",
                  text);
    return CTL_USAGE;
}

static int failed(const char *what, const char *text)
{
    (void)fputs("cention-proxyctl explain: ", stderr);
    show_message(stderr, what);
    (void)fputs(": ", stderr);
    show_message(stderr, text);
    (void)fputc('\n', stderr);
    return CTL_FAILED;
}

/* A colon or a comma would move the borders of what is signed or sent. */
static bool key_id_ok(struct slice id)
{
    if (id.len == 0 || id.len > KEY_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (id.data[i] <= 0x20 || id.data[i] >= 0x7f || id.data[i] == ':' || id.data[i] == ',')
            return false;
    return true;
}

static int read_target(struct explain *e, const char *path)
{
    struct target target;
    const char *why = NULL;

    if (target_parse(slice_str(path), &target, &why) != 0)
        return usage(why, path);
    e->path = target.path;
    if (target.workspace.len == 0)
        return CTL_DONE;
    if (e->workspace.len && !slice_eq(e->workspace, target.workspace))
        return usage("the path names another workspace than --workspace", path);
    e->workspace = target.workspace;
    return CTL_DONE;
}

static int set_workspace(void *arg, const char *value)
{
    struct explain *e = arg;

    e->workspace = slice_str(value);
    if (!target_workspace_ok(e->workspace))
        return usage("not a workspace: 1 to 64 letters, digits, '.', '_' or '-'", value);
    return CTL_DONE;
}

static int set_key_id(void *arg, const char *value)
{
    struct explain *e = arg;

    e->key_id = slice_str(value);
    if (!key_id_ok(e->key_id))
        return usage("not an access key id: printable ASCII without colon and comma", value);
    return CTL_DONE;
}

static int set_nested(void *arg, const char *value)
{
    struct explain *e = arg;

    e->nested = strcmp(value, NESTED[CANON_JSON]) == 0 ? CANON_JSON : CANON_FLATTEN;
    if (strcmp(value, NESTED[e->nested]) != 0)
        return usage("--nested is flatten or json", value);
    return CTL_DONE;
}

static int set_authorization(void *arg, const char *value)
{
    struct explain *e = arg;

    e->literal = strcmp(value, "literal") == 0;
    if (!e->literal && strcmp(value, "scheme") != 0)
        return usage("--authorization is scheme or literal", value);
    return CTL_DONE;
}

/* CTL_GO_ON, or the exit code. */
static int read_arguments(struct explain *e, int argc, char **argv)
{
    const struct ctl_option options[] = {{"workspace", 'w', .set = set_workspace},
                                         {"key-id", 0, .set = set_key_id},
                                         {"nested", 0, .set = set_nested},
                                         {"authorization", 0, .set = set_authorization},
                                         {"api", 0, .text = &e->api_file},
                                         {"no-validation", 0, .flag = &e->unchecked},
                                         {"json", 0, .flag = &e->json}};
    int r = ctl_options(options, sizeof(options) / sizeof(options[0]), HELP, argc, argv, e);

    if (r != CTL_GO_ON)
        return r;
    if (argc - optind < 2 || argc - optind > 3)
        return usage("METHOD, PATH and at most one FILE are wanted", "");
    e->method = slice_str(argv[optind]);
    if (!api_method_of(e->method))
        return usage("METHOD is POST, PUT or DELETE", argv[optind]);
    e->file = argc - optind == 3 ? argv[optind + 2] : NULL;
    r = read_target(e, argv[optind + 1]);
    return r == CTL_DONE ? CTL_GO_ON : r;
}

static int read_body(struct explain *e)
{
    const char *name = e->file;
    int fd = STDIN_FILENO, r;

    if (!name)
        return CTL_DONE;
    if (strcmp(name, "-") == 0) {
        name = "standard input";
    } else {
        fd = open(name, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return failed(name, strerror(errno));
    }
    r = file_read_fd(&e->body, fd);
    if (fd != STDIN_FILENO)
        (void)close(fd);
    if (r == -EFBIG)
        return failed(name, "longer than 16 MiB");
    return r < 0 ? failed(name, strerror(-r)) : CTL_DONE;
}

static int out_of_memory(void)
{
    return failed("memory", strerror(ENOMEM));
}

static int work_out(struct explain *e)
{
    struct canon_error why;
    const char *name = e->file && strcmp(e->file, "-") != 0 ? e->file : "the body";
    int r = canon_body(&e->canon, buf_slice(&e->body), e->nested, &why);

    if (r == CANON_BAD || (r == 0 && e->canon.twins && !e->unchecked))
        return failed(name, why.text);
    if (r == 0)
        r = string_to_sign(&e->string, e->key_id, e->workspace, e->path, e->canon.fields,
                           e->canon.n);
    return r < 0 ? out_of_memory() : CTL_DONE;
}

static int load_description(struct explain *e)
{
    struct err err = ERR_INIT;
    char place[PATH_MAX] = "";

    if (e->unchecked)
        return CTL_DONE;
    if (!e->api_file)
        api_file_default(place);
    if (api_file_load(&e->api, e->api_file ? e->api_file : place, &err) == 0)
        return CTL_DONE;
    (void)failed("the API description", err.text);
    return CTL_CONFIG;
}

/* As the daemon does; problems are left in the report. */
static int check(struct explain *e)
{
    unsigned method = api_method_of(e->method);
    int r = 0;

    if (!e->api)
        return CTL_DONE;
    e->called = api_find(e->api, e->path);
    if (!e->called) {
        r = validate_add(&e->report, "unknown_endpoint", "",
                         "%.*s is not in the API description (see `cention-proxyctl endpoints`)",
                         (int)e->path.len, e->path.data);
    } else if (!(api_methods(e->called) & method)) {
        r = validate_add(&e->report, "method_not_allowed", "",
                         "%s can't be called with %s, only %s", api_path_template(e->called),
                         api_method_name(method), api_allow(api_methods(e->called)));
    } else {
        e->schema = api_body(e->called, method);
        if (buf_len(&e->body))
            r = validate(e->schema, &e->canon.tape, buf_slice(&e->body), &e->report);
    }
    return r < 0 ? out_of_memory() : CTL_DONE;
}

/* The described type of a field, or what came where there is no description of it. */
static void type_of(const struct explain *e, struct slice name, char out[TYPE_MAX])
{
    static const char *const KINDS[] = {"null",   "boolean", "boolean", "number",
                                        "string", "string",  "array",   "object"};
    const struct schema_property *p = e->schema ? schema_find(e->schema, name) : NULL;
    const struct json_token *t = e->canon.tape.tokens;
    struct slice body = buf_slice(&e->body);

    out[0] = '\0';
    if (p) {
        (void)schema_type_text(p->schema, out, TYPE_MAX);
        return;
    }
    for (uint32_t i = 1; i < t[0].next; i = t[i + 1].next) {
        struct slice key = json_text(body, &t[i]);
        char *decoded = t[i].type == JSON_ESCAPED ? malloc(key.len) : NULL;

        if (decoded)
            key = slice_of(decoded, json_decode(decoded, key));
        if (slice_eq(key, name))
            (void)snprintf(out, TYPE_MAX, "%s", KINDS[t[i + 1].type]);
        free(decoded);
    }
}

/* Where the first field's value begins in the string to sign, in bytes. */
static size_t first_offset(const struct explain *e)
{
    return e->key_id.len + 1 + e->workspace.len + 1 + e->path.len + 1;
}

static const char *authorization(const struct explain *e)
{
    return e->literal ? "Authorization CENTION1-HMAC-SHA256 " : "CENTION1-HMAC-SHA256 ";
}

static void print_text(const struct explain *e)
{
    size_t offset = first_offset(e);
    bool escaped = false;
    char type[TYPE_MAX];

    if (e->schema)
        (void)printf("Call: %s\n\n", api_summary(e->called, api_method_of(e->method)));
    (void)printf("Fields, in the order in which their values are signed: %zu\n", e->canon.n);
    for (size_t i = 0; i < e->canon.n; i++) {
        struct slice value = e->canon.fields[i].value;

        type_of(e, e->canon.fields[i].name, type);
        (void)fputs("  ", stdout);
        escaped |= show_text(stdout, e->canon.fields[i].name);
        (void)fputs(" = ", stdout);
        escaped |= show_text(stdout, value);
        (void)printf("  (%s; ", type);
        if (value.len)
            (void)printf("bytes %zu to %zu)\n", offset + 1, offset + value.len);
        else
            (void)printf("empty, behind byte %zu)\n", offset);
        offset += value.len + 1;
    }
    (void)printf("\nString to sign, %zu bytes:\n  ", buf_len(&e->string));
    escaped |= show_text(stdout, buf_slice(&e->string));
    (void)printf("\n\nHeader, with the string's HMAC-SHA256 under the access key secret in\n"
                 "lower-case hexadecimal as the signature:\n  Authorization: %s%.*s,<signature>\n",
                 authorization(e), (int)e->key_id.len, e->key_id.data);
    if (escaped)
        (void)puts("\nBackslashes and control characters are shown escaped (\\\\, \\n, \\u001b);\n"
                   "they are signed as they are. --json shows them exactly.");
    if (!e->api)
        (void)puts("\nNot checked against an API description.");
    else if (e->report.total == 0)
        (void)puts("\nThe API description accepts it.");
    else
        (void)printf("\nThe API description refuses it: %zu problem%s\n", e->report.total,
                     e->report.total > 1 ? "s" : "");
    for (size_t i = 0; i < e->report.n; i++) {
        (void)fputs("  ", stdout);
        show_message(stdout, e->report.problems[i].text);
        (void)printf("  (%s)\n", e->report.problems[i].code);
    }
}

/* Takes over `value`; false when there is no memory. */
static bool add(struct json_object *to, const char *key, struct json_object *value)
{
    if (value && json_object_object_add(to, key, value) == 0)
        return true;
    json_object_put(value);
    return false;
}

static bool add_text(struct json_object *to, const char *key, struct slice s)
{
    return add(to, key, json_object_new_string_len(s.len ? s.data : "", (int)s.len));
}

static bool add_fields(struct json_object *to, const struct explain *e)
{
    const struct canon *canon = &e->canon;
    size_t offset = first_offset(e);
    char type[TYPE_MAX];

    struct json_object *list = json_object_new_array();

    if (!add(to, "fields", list))
        return false;
    for (size_t i = 0; i < canon->n; i++) {
        struct json_object *field = json_object_new_object();

        if (!field || json_object_array_add(list, field) != 0) {
            json_object_put(field);
            return false;
        }
        if (!add_text(field, "name", canon->fields[i].name) ||
            !add_text(field, "value", canon->fields[i].value))
            return false;
        type_of(e, canon->fields[i].name, type);
        if (!add_text(field, "type", slice_str(type)) ||
            !add(field, "offset", json_object_new_int64((int64_t)offset)) ||
            !add(field, "length", json_object_new_int64((int64_t)canon->fields[i].value.len)))
            return false;
        offset += canon->fields[i].value.len + 1;
    }
    return true;
}

static bool add_errors(struct json_object *to, const struct explain *e)
{
    struct json_object *list = json_object_new_array();
    const char *result = !e->api ? "unchecked" : e->report.total ? "refused" : "good";

    if (!add(to, "errors", list) || !add_text(to, "validation", slice_str(result)))
        return false;
    for (size_t i = 0; i < e->report.n; i++) {
        const struct validate_problem *p = &e->report.problems[i];
        struct json_object *one = json_object_new_object();

        if (!one || json_object_array_add(list, one) != 0) {
            json_object_put(one);
            return false;
        }
        if (!add_text(one, "field", slice_str(p->field)) ||
            !add_text(one, "code", slice_str(p->code)) ||
            !add_text(one, "error", slice_str(p->text)))
            return false;
    }
    return true;
}

static int print_json(const struct explain *e)
{
    struct json_object *root = json_object_new_object();
    struct buf header = BUF_INIT(4096);
    const char *text = NULL;

    if (root &&
        buf_printf(&header, "%s%.*s,<signature>", authorization(e), (int)e->key_id.len,
                   e->key_id.data) == 0 &&
        add_text(root, "method", e->method) && add_text(root, "workspace", e->workspace) &&
        add_text(root, "path", e->path) && add_text(root, "access_key_id", e->key_id) &&
        add_text(root, "nested", slice_str(NESTED[e->nested])) && add_fields(root, e) &&
        add_text(root, "string_to_sign", buf_slice(&e->string)) &&
        add_text(root, "authorization", buf_slice(&header)) && add_errors(root, e))
        text =
            json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                     JSON_C_TO_STRING_NOSLASHESCAPE);
    if (text)
        (void)puts(text);
    json_object_put(root);
    buf_deinit(&header);
    return text ? CTL_DONE : out_of_memory();
}

static int explain(struct explain *e, int argc, char **argv)
{
    int r = read_arguments(e, argc, argv);

    if (r != CTL_GO_ON)
        return r;
    if (e->workspace.len == 0)
        e->workspace = SLICE_LIT("<workspace>");
    r = load_description(e);
    if (r == CTL_DONE)
        r = read_body(e);
    if (r == CTL_DONE)
        r = work_out(e);
    if (r == CTL_DONE)
        r = check(e);
    if (r != CTL_DONE)
        return r;
    if (!e->json)
        print_text(e);
    else if ((r = print_json(e)) != CTL_DONE)
        return r;
    return e->report.total ? CTL_FAILED : CTL_DONE;
}

int explain_main(int argc, char **argv)
{
    struct explain e = {
        .key_id = SLICE_LIT("<access-key-id>"),
        .body = BUF_INIT(BODY_MAX + 1),
        .string = BUF_INIT((size_t)2 * BODY_MAX),
    };
    int r;

    canon_init(&e.canon);
    r = explain(&e, argc, argv);
    canon_deinit(&e.canon);
    validate_report_deinit(&e.report);
    api_free(e.api);
    buf_deinit(&e.body);
    buf_deinit(&e.string);
    return r;
}
