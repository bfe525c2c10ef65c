/*
 * Reads the description with the daemon's own loader: what is listed is what the daemon lets
 * through, and a description that the daemon would refuse is refused here with the same words.
 */

#include "api/api.h"
#include "api/json.h"
#include "ctl/command/ctl.h"
#include "ctl/command/show.h"

#include <stdio.h>
#include <unistd.h>

enum {
    TYPE_MAX = 128, /* bytes */
};

struct listing {
    const char *file;
    bool fields, json, first;
};

static const char HELP[] =
    "usage: cention-proxyctl endpoints [OPTION...]\n"
    "\n"
    "Lists the calls that the API description allows.\n"
    "\n"
    "      --api FILE   read FILE instead of the installed description\n"
    "      --fields     also each call's fields with their types\n"
    "      --json       print one JSON array\n"
    "  -h, --help       print this\n"
    "\n"
    "Exit status: 0 shown; 2 usage; 78 the description can't be read or isn't good.\n";

static void print_name(const char *indent, const struct schema_property *p)
{
    char type[TYPE_MAX];

    (void)schema_type_text(p->schema, type, sizeof(type));
    (void)fputs(indent, stdout);
    (void)show_text(stdout, p->name);
    (void)printf("%s  %s\n", p->required ? "*" : "", type);
}

static void print_fields(const struct schema *body)
{
    for (size_t i = 0; i < body->n_properties; i++)
        print_name("          ", &body->properties[i]);
    if (!body->closed)
        (void)puts("          (and others)");
}

/* Text for JSON: the loader let only sound UTF-8 through. */
static void put_json(const char *text)
{
    char encoded[6 * 256];
    size_t n = json_encode(encoded, slice_cut(slice_str(text), 256));

    (void)putchar('"');
    (void)fwrite(encoded, 1, n, stdout);
    (void)putchar('"');
}

static void print_fields_json(const struct schema *body)
{
    (void)fputs(", \"fields\": [", stdout);
    for (size_t i = 0; i < body->n_properties; i++) {
        const struct schema_property *p = &body->properties[i];
        char type[TYPE_MAX];

        (void)schema_type_text(p->schema, type, sizeof(type));
        (void)fputs(i ? ", {\"name\": " : "{\"name\": ", stdout);
        put_json(p->name.data);
        (void)printf(", \"type\": \"%s\", \"required\": %s}", type, p->required ? "true" : "false");
    }
    (void)fputs("]", stdout);
}

static void print_call(struct listing *l, const struct api_path *path, unsigned method)
{
    const char *summary = api_summary(path, method);

    if (!l->json) {
        (void)printf("%-6s  %-26s  ", api_method_name(method), api_path_template(path));
        show_message(stdout, summary);
        (void)putchar('\n');
        if (l->fields)
            print_fields(api_body(path, method));
        return;
    }
    (void)printf("%s\n  {\"method\": \"%s\", \"path\": ", l->first ? "" : ",",
                 api_method_name(method));
    put_json(api_path_template(path));
    (void)fputs(", \"summary\": ", stdout);
    put_json(summary);
    if (l->fields)
        print_fields_json(api_body(path, method));
    (void)putchar('}');
    l->first = false;
}

static int list(struct listing *l)
{
    struct err err = ERR_INIT;
    struct api *api = NULL;

    if (api_file_load(&api, l->file, &err) < 0) {
        (void)fputs("cention-proxyctl endpoints: ", stderr);
        show_message(stderr, err.text);
        (void)fputc('\n', stderr);
        return CTL_CONFIG;
    }
    if (l->json)
        (void)fputs("[", stdout);
    for (size_t i = 0; i < api_count(api); i++)
        for (unsigned method = API_POST; method <= API_DELETE; method <<= 1)
            if (api_methods(api_at(api, i)) & method)
                print_call(l, api_at(api, i), method);
    if (l->json)
        (void)puts("\n]");
    api_free(api);
    return CTL_DONE;
}

int endpoints_main(int argc, char **argv)
{
    struct listing l = {.first = true};
    const struct ctl_option options[] = {{"api", 0, .text = &l.file},
                                         {"fields", 0, .flag = &l.fields},
                                         {"json", 0, .flag = &l.json}};
    char place[PATH_MAX];
    int code = ctl_options(options, sizeof(options) / sizeof(options[0]), HELP, argc, argv, NULL);

    if (code != CTL_GO_ON)
        return code;
    if (optind != argc)
        return ctl_usage(HELP);
    if (!l.file) {
        api_file_default(place);
        l.file = place;
    }
    return list(&l);
}
